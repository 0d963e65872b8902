"""Cells that stay on disk: looked at like a sparse matrix, read a window at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp

from genediff.training.blocks import Windows

if TYPE_CHECKING:
    from pathlib import Path

    from genediff.data.cells.dataset import Dataset

BOUND = 500_000_000
"""Bytes of expression (eight for each stored value) above which cells stay on disk unless told otherwise; training in
memory takes about three times as many."""
MOST_VALIDATED = 4096
"""Held-out cells that are looked at where cells stay on disk."""
MOST_SAMPLED = 50_000
"""Training cells that medians, smallest values and networks are found in where cells stay on disk."""


class DiskCells:
    """Some cells of a data set (cell, gene) on its disk: counts, or log-normalised values where there are none.

    ``scratch`` is a folder for what is made of them and does not fit in memory either; the system's where None.
    """

    def __init__(self, dataset: Dataset, rows: np.ndarray, *, scratch: Path | None = None) -> None:
        self.scratch = scratch
        self.shape = (len(rows), dataset.info.n_genes)
        self._dataset, self._rows = dataset, rows
        self.windows = Windows(self._read)

    def __getitem__(self, rows: slice | np.ndarray) -> sp.csr_matrix:
        """Return some cells; those of a window that is held are not read again."""
        wanted = np.arange(self.shape[0])[rows] if isinstance(rows, slice) else np.asarray(rows)
        parts = None if isinstance(rows, slice) else self.windows.parts(wanted)
        if parts is None:
            return self._read(wanted)
        if len(parts) == 1:
            return parts[0][1]
        places = np.concatenate([place for place, _ in parts])
        stacked: Any = sp.vstack([part for _, part in parts], format="csr")
        return stacked[np.argsort(places)]

    def sample(self, most: int) -> np.ndarray:
        """Return evenly spread cells, ``most`` at most, (cell,)."""
        n = self.shape[0]
        return np.unique(np.linspace(0, n - 1, min(n, most)).astype(int))

    def _read(self, rows: np.ndarray) -> sp.csr_matrix:
        return self._dataset.values_at(self._rows[rows])
