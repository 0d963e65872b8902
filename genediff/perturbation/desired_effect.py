"""A desired effect of a perturbation, and how far a predicted change achieves it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from genediff.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, eq=False)
class GeneObjective:
    """Genes that shall go down or up, scored by their mean change in that direction.

    ``places`` are their columns; a gene that is itself perturbed does not count (``perturbed`` leaves it
    out), or every ranking would be led by the knock-outs of the genes that shall go down.
    """

    places: np.ndarray
    direction: Literal["lower", "raise"]

    def score(self, change: np.ndarray, *, perturbed: Sequence[int] = ()) -> float:
        """Return the mean change of the genes in the desired direction; NaN when all are perturbed themselves."""
        places = np.setdiff1d(self.places, perturbed)
        if not len(places):
            return float("nan")
        return float(np.mean(change[places]) * (1 if self.direction == "raise" else -1))


@dataclass(frozen=True, eq=False)
class CellObjective:
    """Cells that the control cells shall resemble, scored by the share of the squared distance that is closed.

    ``way`` is the mean of the goal cells less that of the control cells, (gene,). 1: the means meet; 0: no nearer;
    below 0: further away.
    """

    way: np.ndarray

    def __post_init__(self) -> None:
        if not float(self.way @ self.way) > 0:
            raise InputError("The goal cells and the control cells are the same; choose other cells to move towards.")

    def score(self, change: np.ndarray, *, perturbed: Sequence[int] = ()) -> float:
        """Return the share of the way that is closed; perturbed genes are left out on both sides."""
        way, moved = np.delete(self.way, perturbed), np.delete(change, perturbed)
        left = way - moved
        return float(1 - (left @ left) / max(float(way @ way), 1e-12))
