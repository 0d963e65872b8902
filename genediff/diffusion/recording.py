"""What some cells look like on their way from noise: states taken while they are sampled, at next to no cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor

CELLS = 300
MOST = 13  # states that are kept: more than these hardly differ to the eye


@dataclass(frozen=True, eq=False)
class Recording:
    """States on the way.

    Attributes
    ----------
    steps
        After how many steps each was taken, rising; the first is 0, the noise, and the last is the sample.
    states
        (taken, cell, dim), on the CPU.
    """

    steps: tuple[int, ...]
    states: Tensor


class Recorder:
    """Takes what a sampler passes by: call it with the noise, then with the state after every step.

    Parameters
    ----------
    n_cells
        The first so many cells are kept.
    most
        About so many states are kept, evenly spaced; first and last always.
    """

    def __init__(self, *, n_cells: int = CELLS, most: int = MOST) -> None:
        self._n_cells, self._most = n_cells, most
        self._kept: dict[int, Tensor] = {}
        self._step, self._every = 0, 1
        self._last: Tensor | None = None

    def __call__(self, state: Tensor) -> None:
        """Take note of the next state, (cell, dim)."""
        self._last = state[: self._n_cells].detach().cpu().clone()
        if self._step % self._every == 0:
            self._kept[self._step] = self._last
        if len(self._kept) > self._most:  # how many steps will come is not known beforehand
            self._every *= 2
            self._kept = {step: kept for step, kept in self._kept.items() if step % self._every == 0}
        self._step += 1

    def finish(self) -> Recording | None:
        """Return what was taken; None where nothing was."""
        if self._last is None:
            return None
        kept = {**self._kept, self._step - 1: self._last}
        return Recording(tuple(kept), torch.stack(list(kept.values())))
