"""A plain smoother of shallow cells: the profile of the training cells that are nearest to what was read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy.sparse import csr_matrix

if TYPE_CHECKING:
    from torch import Tensor

N_NEIGHBOURS, N_PCS = 30, 30
PRIOR = 1.0
"""Counts of a gene that the profile of all training cells is worth: no gene is impossible."""


class KnnSmoother:
    """Expects of a cell what its nearest training cells have: log-normalised, on principal components, Euclidean.

    Parameters
    ----------
    counts
        Training cells, (cell, gene).
    seed
        Of the components.
    """

    def __init__(self, counts: csr_matrix, *, seed: int = 0) -> None:
        from sklearn.decomposition import TruncatedSVD
        from sklearn.neighbors import NearestNeighbors

        self.counts = csr_matrix(counts, dtype=np.float64)
        self.target = max(float(np.median(np.asarray(self.counts.sum(1)))), 1.0)
        total = np.asarray(self.counts.sum(0)).ravel() + 0.1
        self.profile = total / total.sum()
        x = self._normalised(self.counts)
        self.axes = TruncatedSVD(min(N_PCS, min(x.shape) - 1), random_state=seed).fit(x)
        self.near = NearestNeighbors(n_neighbors=min(N_NEIGHBOURS, x.shape[0])).fit(self.axes.transform(x))

    def log_shares(self, read: Tensor, library: Tensor, codes: Tensor) -> Tensor:
        """Return the log share of each gene in the unread molecules, (cell, gene); libraries and labels are unused."""
        found = self.near.kneighbors(
            self.axes.transform(self._normalised(csr_matrix(read.numpy().astype(np.float64)))), return_distance=False
        )  # (cell, neighbour)
        pick = csr_matrix(
            (np.ones(found.size), found.ravel(), np.arange(0, found.size + 1, found.shape[1])),
            shape=(len(found), self.counts.shape[0]),
        )
        counts = (pick @ self.counts).toarray()  # (cell, gene), of all neighbours together
        expected = counts.sum(1, keepdims=True) * self.profile
        mean = self.profile * (counts + PRIOR) / (expected + PRIOR)
        return torch.from_numpy(np.log(mean / mean.sum(1, keepdims=True))).float()

    def _normalised(self, counts: csr_matrix) -> csr_matrix:
        x = csr_matrix(counts, copy=True)
        library = np.maximum(np.asarray(x.sum(1)).ravel(), 1)
        x.data = np.log1p(x.data * np.repeat(self.target / library, np.diff(x.indptr)))
        return x
