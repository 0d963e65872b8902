"""Cells of a large data set, looked at like a sparse matrix and left on disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp

if TYPE_CHECKING:
    from genediff.data.dataset import Dataset


class CellRows:
    """Some cells of a data set (cell, gene): counts, or log-normalised values; what is asked for is read.

    Parameters
    ----------
    rows
        Positions in the data set, (cell,).
    as_x
        Whether counts are log-normalised.
    genes
        Which genes are let through, bool (gene,); the others read as zero. All unless given.
    """

    def __init__(
        self, dataset: Dataset, rows: np.ndarray, *, as_x: bool = False, genes: np.ndarray | None = None
    ) -> None:
        self.shape = (len(rows), dataset.info.n_genes)
        self._dataset, self._rows, self._as_x, self._genes = dataset, rows, as_x, genes

    def __getitem__(self, places: np.ndarray | slice | int) -> sp.csr_matrix:
        """Return some of these cells, in the order asked for."""
        rows = np.atleast_1d(self._rows[places])
        values = self._dataset.x_at(rows) if self._as_x else self._dataset.values_at(rows)
        return values if self._genes is None else sp.csr_matrix(values @ sp.diags_array(self._genes.astype(np.float32)))

    def normalised(self) -> CellRows:
        """Return the same cells log-normalised."""
        return CellRows(self._dataset, self._rows, as_x=True, genes=self._genes)

    def only(self, genes: np.ndarray) -> CellRows:
        """Return the same cells with some genes alone, bool (gene,)."""
        return CellRows(self._dataset, self._rows, as_x=self._as_x, genes=genes)
