"""What a metric sees: two sets of cells of equal size, and the training cells as the yardstick."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse
from scipy.spatial.distance import cdist

from genediff.evaluation.fold_changes import FoldChanges, fold_changes

if TYPE_CHECKING:
    from collections.abc import Sequence

MIN_CLASS_CELLS = 20
"""Cells a side below which a type, or a whole comparison, is too small for figures of its own."""


@dataclass(frozen=True, eq=False)
class Cells:
    """Some cells in every form that metrics ask for; rows agree, genes are those of the data set.

    Parameters
    ----------
    x
        Log-normalised expression, `(cell, gene)`, float32.
    pcs
        `(x - training mean) @ components.T`, `(cell, pc)`, float64.
    counts
        UMI counts, `(cell, gene)`; None where the data have none.
    codes
        Label of each cell as a number in the vocabulary; -1 is "no label"; all -1 where there are no labels.
    to_training
        Distance in PCs to the nearest training cell, `(cell,)`.
    """

    x: np.ndarray
    pcs: np.ndarray
    counts: np.ndarray | None
    codes: np.ndarray
    to_training: np.ndarray

    def __len__(self) -> int:
        return len(self.pcs)

    def take(self, rows: np.ndarray) -> Cells:
        """Return the cells of some rows."""
        counts = None if self.counts is None else self.counts[rows]
        x, pcs, codes, to_training = self.x[rows], self.pcs[rows], self.codes[rows], self.to_training[rows]
        return replace(self, x=x, pcs=pcs, counts=counts, codes=codes, to_training=to_training)


@dataclass(frozen=True, eq=False)
class Reference:
    """What is known from training cells alone; nothing here has seen a validation or test cell.

    Parameters
    ----------
    pcs
        `(training cell, pc)`.
    bandwidth
        Median distance between two training cells in PCs, the kernel width of MMD.
    variable
        Positions of the genes that vary most, for correlations; the rest hardly ever rise above their noise.
    """

    pcs: np.ndarray
    bandwidth: float
    variable: np.ndarray


@dataclass(frozen=True, eq=False)
class Comparison:
    """Generated cells beside as many real ones; the argument of every metric.

    Distances between the two sets are worked out once and shared by the metrics that need them.
    """

    generated: Cells
    real: Cells
    reference: Reference
    seed: int

    @property
    def n(self) -> int:
        """Cells on each side."""
        return len(self.real)

    @cached_property
    def between(self) -> np.ndarray:
        """Return distances in PCs, `(generated cell, real cell)`."""
        return cdist(self.generated.pcs, self.real.pcs)

    @cached_property
    def within_generated(self) -> np.ndarray:
        """Return distances in PCs, `(generated cell, generated cell)`."""
        return cdist(self.generated.pcs, self.generated.pcs)

    @cached_property
    def within_real(self) -> np.ndarray:
        """Return distances in PCs, `(real cell, real cell)`."""
        return cdist(self.real.pcs, self.real.pcs)

    @cached_property
    def fold_changes(self) -> dict[int, FoldChanges]:
        """Return how fold changes against all other types compare, for each type with enough cells on both sides."""
        own, real = self.generated, self.real
        kept = [code for code in np.unique(real.codes) if code >= 0 and self._n_of(code) >= MIN_CLASS_CELLS]
        several = len(np.unique(real.codes)) > 1
        return {int(code): fold_changes(own.x, own.codes, real.x, real.codes, code) for code in kept if several}

    def _n_of(self, code: int) -> int:
        return min(int((self.generated.codes == code).sum()), int((self.real.codes == code).sum()))

    def of_class(self, code: int) -> Comparison:
        """Return the comparison of one label's cells, as many on each side as the smaller side has."""
        generated = np.flatnonzero(self.generated.codes == code)
        real = np.flatnonzero(self.real.codes == code)
        n = min(len(generated), len(real))
        return replace(self, generated=self.generated.take(generated[:n]), real=self.real.take(real[:n]))


def dense(matrix: np.ndarray | sparse.spmatrix | sparse.sparray) -> np.ndarray:
    """Return a dense float32 copy of a `(cell, gene)` matrix of the few thousand cells a metric looks at."""
    array = matrix.toarray() if sparse.issparse(matrix) else np.asarray(matrix)  # type: ignore[union-attr]
    return np.asarray(array, dtype=np.float32)


def codes_of(labels: Sequence[object], vocabulary: Sequence[str]) -> np.ndarray:
    """Return the number of each label in the vocabulary, -1 for those that are not in it."""
    number = {name: code for code, name in enumerate(vocabulary)}
    return np.array([number.get(str(name), -1) for name in labels], dtype=np.int64)
