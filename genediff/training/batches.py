"""Minibatches of training cells: which cells are in step k is a function of the seed and k alone.

Nothing about the order needs saving, so a resumed run sees the same cells as an unbroken one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix
    from torch import Tensor


def stream(seed: int, *numbers: int) -> torch.Generator:
    """Return a CPU generator for one numbered purpose of a seed: the same numbers, the same draws."""
    state = np.random.SeedSequence([seed, *numbers]).generate_state(2, np.uint32)
    return torch.Generator().manual_seed(int(state[0]) << 31 ^ int(state[1]))


class CellsByRow(Protocol):
    """Cells that give rows when asked for them, such as cells on disk."""

    def __getitem__(self, rows: np.ndarray) -> csr_matrix:
        """Return some cells, (cell, gene)."""


class Shuffle:
    """Endless epochs of shuffled row numbers, cut into batches of equal size."""

    def __init__(self, n: int, batch_size: int, *, seed: int) -> None:
        self.n, self.batch_size, self.seed = n, min(batch_size, n), seed
        self._epoch, self._order = -1, torch.empty(0, dtype=torch.long)

    def rows(self, step: int) -> Tensor:
        """Return the rows of a step (counted from 0), (batch,)."""
        per_epoch = self.n // self.batch_size  # a short last batch is left out; it is drawn anew in the next epoch
        epoch, place = divmod(step, per_epoch)
        if epoch != self._epoch:
            self._order = torch.randperm(self.n, generator=stream(self.seed, 7, epoch))
            self._epoch = epoch
        return self._order[place * self.batch_size : (place + 1) * self.batch_size]


def dense(matrix: csr_matrix | CellsByRow, rows: Tensor) -> Tensor:
    """Return rows of a sparse matrix (cell, gene), in memory or on disk, as a dense float tensor (batch, gene)."""
    return torch.from_numpy(matrix[rows.numpy()].toarray())
