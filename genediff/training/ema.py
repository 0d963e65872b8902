"""An exponential moving average of weights."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor, nn


class EMA:
    """Averaged copies of a module's trained parameters; frozen ones need none.

    The decay warms up as (1 + step) / (10 + step), so that the first, untrained weights are soon forgotten.
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.module, self.decay = module, decay
        self.average = {name: p.detach().clone() for name, p in trained(module)}

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Move the average towards the weights after the given step (counted from 1)."""
        rate = 1 - min(self.decay, (1 + step) / (10 + step))
        names, weights = zip(*trained(self.module), strict=True)
        torch._foreach_lerp_([self.average[n] for n in names], [w.detach() for w in weights], rate)

    @contextmanager
    def applied(self, weights: dict[str, Tensor] | None = None) -> Iterator[None]:
        """Put the average, or other weights, in place of the weights, and the weights back at the end."""
        kept = {name: p.detach().clone() for name, p in trained(self.module)}
        copy_weights(self.module, weights or self.average)
        try:
            yield
        finally:
            copy_weights(self.module, kept)


def trained(module: nn.Module) -> list[tuple[str, nn.Parameter]]:
    """Return the parameters that learn, with their names."""
    return [(name, p) for name, p in module.named_parameters() if p.requires_grad]


@torch.no_grad()
def copy_weights(module: nn.Module, weights: dict[str, Tensor]) -> None:
    """Copy named weights into a module's trained parameters."""
    for name, p in trained(module):
        p.copy_(weights[name])
