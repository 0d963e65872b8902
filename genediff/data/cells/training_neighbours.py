"""The training cells that other cells lie nearest to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from genediff.data.cells.dataset import Dataset

MOST = 10_000
"""Training cells that are looked through, drawn at random where there are more."""


class TrainingNeighbours:
    """Training cells of a data set by their principal components.

    Attributes
    ----------
    rows
        Which cells of the data set they are, (training cell,).
    """

    def __init__(self, dataset: Dataset, *, most: int = MOST) -> None:
        from sklearn.neighbors import NearestNeighbors

        rows = dataset.rows("train")
        self.rows = rows[np.sort(np.random.default_rng(0).permutation(len(rows))[:most])]
        self._search = NearestNeighbors(algorithm="brute").fit(
            dataset.pcs_at(self.rows)
        )  # too many dimensions for trees

    def of(self, pcs: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
        """Return distances to the nearest training cells, nearest first, and which cells they are.

        Parameters
        ----------
        pcs
            Cells by their principal components, (cell, pc).
        n
            How many for each cell; fewer where there are fewer training cells.

        Returns
        -------
        tuple
            Distances in principal components, and rows of the data set; both (cell, neighbour).
        """
        distances, places = self._search.kneighbors(pcs, min(n, len(self.rows)))
        return distances, self.rows[places]


def commonest(codes: np.ndarray) -> np.ndarray:
    """Return the code that occurs most often in each row of (cell, neighbour), -1 where there is none but -1."""
    return np.array([np.bincount(row[row >= 0]).argmax() if (row >= 0).any() else -1 for row in codes])
