"""Leave a network between two of its layers: on a CPU a single step of a large one takes a minute."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from torch import Tensor

from genediff.core.errors import Cancelled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import nn


@contextlib.contextmanager
def checked(network: nn.Module, check: Callable[[], None]) -> Iterator[None]:
    """Call ``check`` before every layer and, in a backward pass, after it; what it raises leaves the pass.

    Values and gradients are the same with it and without. A layer is a module without modules of its own.

    Parameters
    ----------
    check
        A cheap question, asked hundreds of times in a step; may raise, such as `Cancelled`.
    """

    def before(layer: nn.Module, given: tuple[object, ...]) -> None:
        check()

    def after(layer: nn.Module, given: tuple[object, ...], made: object) -> None:
        if isinstance(made, Tensor) and made.requires_grad:
            made.register_hook(lambda gradient: check())

    layers = [one for one in network.modules() if not any(True for _ in one.children())]
    hooks = [layer.register_forward_pre_hook(before) for layer in layers]
    hooks += [layer.register_forward_hook(after) for layer in layers]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def stoppable(
    network: nn.Module, stop: Callable[[], bool], *, message: str = ""
) -> contextlib.AbstractContextManager[None]:
    """Raise `Cancelled` out of a pass through a network as soon as ``stop`` is true; see `checked`."""

    def check() -> None:
        if stop():
            raise Cancelled(message)

    return checked(network, check)
