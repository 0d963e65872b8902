"""Cells as a model meets them on the way from noise: what a network is asked about.

In count space a cell is met with a share of its molecules read: see `count_probe`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import torch

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, eq=False)
class Probe:
    """Some cells at one time t between noise (0) and cells (1).

    Attributes
    ----------
    clean
        Standardised expression, and the library size where there are counts, (cell, dim).
    state
        The same with noise, as the path has it at t, (cell, dim).
    t
        The time of every cell, (cell,).
    codes
        Level codes of the conditions, (cell, column).
    n_genes
        How many of the numbers are genes.
    groups
        A code per cell, such as its cell type: tests compare cells within groups, (cell,).
    mix
        How much of the cell and of noise the path has at t: its alpha and sigma.
    """

    clean: Tensor
    state: Tensor
    t: Tensor
    codes: Tensor
    n_genes: int
    groups: np.ndarray
    mix: tuple[float, float] = (1.0, 0.0)

    exchanges: ClassVar[int] = 4
    """Times that values are exchanged in a test, in pairs of a noise and its opposite."""

    @property
    def n_cells(self) -> int:
        """How many cells it holds."""
        return len(self.state)

    def take(self, rows: np.ndarray) -> Probe:
        """Return some of the cells, by position."""
        at = torch.from_numpy(rows)
        parts = {name: getattr(self, name)[at] for name in ("clean", "state", "t", "codes")}
        return replace(self, **parts, groups=np.asarray(self.groups)[rows])

    def with_noise(self, draw: np.random.Generator, copies: int) -> list[Probe]:
        """Return the same cells with other noise, in pairs of a noise and its opposite, whose mean is free of it."""
        found = []
        for _ in range(copies // 2):
            own = torch.Generator().manual_seed(int(draw.integers(2**31)))
            noise = self.mix[1] * torch.randn(self.clean.shape, generator=own).to(self.clean.device)
            found += [replace(self, state=self.mix[0] * self.clean + sign * noise) for sign in (1, -1)]
        return found

    def value(self, place: int) -> Tensor:
        """Return the value of a gene in the state, in standard deviations times ``mix[0]``, (cell,)."""
        return self.state[:, place]

    def exchanged(self, place: int, order: np.ndarray) -> Probe:
        """Return the same cells with the value of one gene from other cells, in the order given (cell,)."""
        state = self.state.clone()
        state[:, place] = state[torch.from_numpy(order), place]
        return replace(self, state=state)
