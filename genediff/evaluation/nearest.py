"""The real cells that lie nearest to a generated one, and how far real cells lie from one another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from genediff.data.dataset import Dataset

BLOCK, TRAINING = 512, 16_384  # cells and training cells that are compared at a time
MOST_TYPICAL = 2000  # held-out cells that tell what is typical


@dataclass(frozen=True, eq=False)
class Neighbours:
    """The nearest cells of one part of the data: rows in ``dataset.obs`` and distances in PCs, (neighbour,) each."""

    rows: np.ndarray
    distances: np.ndarray


@dataclass(frozen=True, eq=False)
class Nearness:
    """How near cells lie to training cells.

    Attributes
    ----------
    held_out
        Distance of held-out cells to their nearest training cell, (held-out cell,), sorted: what is to be expected of
        a cell that is new.
    generated
        The same of generated cells, (cell,), in their order.
    """

    held_out: np.ndarray
    generated: np.ndarray

    def closer_than(self, cell: int) -> float:
        """Return the share of held-out cells that lie nearer to a training cell than this generated one does.

        Small values are suspicious: below 0.01 a cell is nearer than 99% of real new cells are.
        """
        return float(np.searchsorted(self.held_out, self.generated[cell]) / len(self.held_out))

    @property
    def shares(self) -> np.ndarray:
        """``closer_than`` of every generated cell, (cell,)."""
        return np.searchsorted(self.held_out, self.generated) / len(self.held_out)


def nearness(pcs: np.ndarray, dataset: Dataset, *, seed: int = 0) -> Nearness:
    """Measure generated cells (cell, pc) against training cells, beside held-out ones (at most 2,000 test cells)."""
    training = dataset.pcs[dataset.rows("train")]
    held_out = dataset.rows("test")
    if len(held_out) > MOST_TYPICAL:
        held_out = np.random.default_rng(seed).choice(held_out, MOST_TYPICAL, replace=False)
    typical = _smallest(dataset.pcs[held_out], training)
    return Nearness(np.sort(typical), _smallest(pcs, training))


def nearest(pcs: np.ndarray, dataset: Dataset, split: str, *, k: int = 5) -> Neighbours:
    """Return the k cells of a part ("train", "test", …) nearest to one cell (pc,), nearest first."""
    rows = dataset.rows(split)
    distances = np.linalg.norm(dataset.pcs[rows].astype(np.float64) - pcs.astype(np.float64), axis=1)
    first = np.argsort(distances, kind="stable")[:k]
    return Neighbours(rows[first], distances[first])


def _smallest(cells: np.ndarray, training: np.ndarray) -> np.ndarray:
    """Return the distance of each cell to the nearest training cell, (cell,), block by block."""
    least, nearest = np.full(len(cells), np.inf), np.zeros(len(cells), dtype=np.int64)
    for first in range(0, len(training), TRAINING):
        some = training[first : first + TRAINING].astype(np.float64)
        squares = (some**2).sum(1)
        for start in range(0, len(cells), BLOCK):
            part = slice(start, start + BLOCK)
            away = squares - 2 * cells[part].astype(np.float64) @ some.T  # squared, but for the cell's own square
            place = away.argmin(1)
            value = away[np.arange(len(away)), place]
            nearer = value < least[part]
            least[part][nearer], nearest[part][nearer] = value[nearer], first + place[nearer]
    # From the difference itself: the expanded square would give a copy a distance above zero.
    return np.linalg.norm(cells.astype(np.float64) - training[nearest], axis=1)
