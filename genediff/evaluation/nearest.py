"""The real cells that lie nearest to a generated one, and how far real cells lie from one another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from genediff.evaluation.neighbours import nearest_distance

if TYPE_CHECKING:
    from genediff.data.cells.dataset import Dataset

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
    typical = nearest_distance(dataset.pcs[held_out], training)
    return Nearness(np.sort(typical), nearest_distance(pcs, training))


def nearest(pcs: np.ndarray, dataset: Dataset, split: str, *, k: int = 5) -> Neighbours:
    """Return the k cells of a part ("train", "test", …) nearest to one cell (pc,), nearest first."""
    rows = dataset.rows(split)
    distances = np.linalg.norm(dataset.pcs[rows].astype(np.float64) - pcs.astype(np.float64), axis=1)
    first = np.argsort(distances, kind="stable")[:k]
    return Neighbours(rows[first], distances[first])
