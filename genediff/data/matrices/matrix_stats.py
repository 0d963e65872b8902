"""One pass over a matrix: what its values are, and the totals of cells and genes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from genediff.data.matrices.sparse_matrix import Result, Tile

COUNT_TOLERANCE = 1e-4
"""Values this close to a whole number count as whole: some files store counts through float16 or exp/log."""


@dataclass(eq=False)
class Values:
    """What was seen of the values so far."""

    n: int = 0
    lowest: float = 0.0
    highest: float = 0.0
    n_nan: int = 0
    n_fractions: int = 0

    def add(self, data: np.ndarray) -> None:
        """Take in stored values (entry,)."""
        if len(data) == 0:
            return
        finite = np.isfinite(data)
        if not finite.all():
            self.n_nan += int((~finite).sum())
            data = data[finite]
        if len(data):
            self.lowest = min(self.lowest, float(data.min()))
            self.highest = max(self.highest, float(data.max()))
            self.n_fractions += int((np.abs(data - np.rint(data)) > COUNT_TOLERANCE).sum())
        self.n += len(finite)

    def join(self, other: Values) -> None:
        """Take in what was seen elsewhere."""
        self.lowest, self.highest = min(self.lowest, other.lowest), max(self.highest, other.highest)
        self.n, self.n_nan = self.n + other.n, self.n_nan + other.n_nan
        self.n_fractions += other.n_fractions

    @property
    def whole(self) -> bool:
        """Only whole numbers."""
        return self.n > 0 and self.n_fractions == 0

    @property
    def counts(self) -> bool:
        """Raw counts: whole, finite, not negative."""
        return self.whole and self.n_nan == 0 and self.lowest >= 0


class EachTile(Protocol):
    """Gives what a function makes of every tile that covers a matrix, in order: ``Matrix.map``, ``Spool.record``."""

    def __call__(self, work: Callable[[Tile], Result]) -> Iterator[Result]:
        """Yield what ``work`` makes of each tile."""
        ...


@dataclass(eq=False)
class MatrixStats:
    """Totals: per cell ``total``, ``n_genes``, ``mito`` (cell,); per gene ``n_cells`` (gene,)."""

    values: Values
    total: np.ndarray
    n_genes: np.ndarray
    mito: np.ndarray
    n_cells: np.ndarray


def measure_matrix(
    each: EachTile,
    shape: tuple[int, int],
    *,
    use_gene: np.ndarray,
    mito: np.ndarray,
    after_tile: Callable[[], None],
) -> MatrixStats:
    """Sum up a matrix tile by tile.

    Parameters
    ----------
    each
        The matrix's tiles; they are looked at in threads and added up in order.
    shape
        Cells, genes.
    use_gene
        Mask (gene,) of what is gene expression (not antibody tags); the rest is ignored.
    mito
        Mask (gene,) of mitochondrial genes.
    after_tile
        Called after every tile: reports progress, may raise to stop.
    """
    n_cells, n_genes = shape
    result = MatrixStats(Values(), np.zeros(n_cells), np.zeros(n_cells, np.int64), np.zeros(n_cells),
                    np.zeros(n_genes, np.int64))  # fmt: skip

    def look(tile: Tile) -> tuple[slice, np.ndarray, MatrixStats]:
        used = use_gene[tile.cols]
        values: Any = tile.values if used.all() else tile.values[:, used]
        columns = np.flatnonzero(used) + tile.cols.start
        seen = Values()
        seen.add(values.data)
        some = mito[columns]
        from_mito = values @ some.astype(np.float64) if some.any() else np.zeros(values.shape[0])
        part = MatrixStats(
            seen, values @ np.ones(len(columns)), stored(values, axis=1), from_mito, stored(values, axis=0)
        )
        return tile.rows, columns, part

    for rows, columns, part in each(look):
        result.values.join(part.values)
        result.total[rows] += part.total
        result.n_genes[rows] += part.n_genes
        result.mito[rows] += part.mito
        result.n_cells[columns] += part.n_cells
        after_tile()
    return result


def stored(values: Any, *, axis: int) -> np.ndarray:
    """Count the stored values of each column (axis 0) or row (axis 1) of a CSR or CSC matrix."""
    if (values.format == "csr") == (axis == 1):
        return np.diff(values.indptr)
    return np.bincount(values.indices, minlength=values.shape[1 - axis])
