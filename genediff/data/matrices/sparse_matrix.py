"""Matrices that are read a tile at a time, wherever they lie.

A tile is a range of rows times a range of columns as a sparse matrix. Everything the import computes is a sum over
tiles, so row-wise (CSR, dense) and column-wise (CSC) files are served alike and no file needs to fit in memory.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import scipy.sparse as sp

from genediff.core.errors import InputError
from genediff.data.matrices.chunks import read_range, read_region
from genediff.data.matrices.prefetch import in_order

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Result = TypeVar("Result")

TILE_ENTRIES = 2_000_000
"""Stored values in a tile: about 25 MB with their indices."""
TILE_CELLS = 65_536
"""Rows of a tile by cell at most."""
_DENSE_ENTRIES = 8_000_000
MOST_DUPLICATES = 16
"""Values that may stand at one place, to be added up; a row that is longer than that is no row of cells."""


@dataclass(frozen=True, eq=False)
class Tile:
    """A rectangle of a matrix: global ``rows`` and ``cols``, and its values (row, col) as CSR or CSC."""

    rows: slice
    cols: slice
    values: sp.csr_matrix | sp.csc_matrix


class Matrix(ABC):
    """Cells x genes that can be read in tiles; ``size`` is the number of stored values."""

    shape: tuple[int, int]
    size: int
    layout: str
    integer: bool
    file: str
    where: str
    """What sentences call it: the name of its file, and its place there ("X")."""
    _in_order: Callable[..., Iterator[Any]] = staticmethod(in_order)

    def tiles(self) -> Iterator[Tile]:
        """Yield tiles that cover the matrix once: sorted, without explicit zeros, float32.

        Raises
        ------
        InputError
            When the file turns out to be damaged on the way.
        """
        for start, stop in self._ranges():
            yield self._read(start, stop)

    def map(self, work: Callable[[Tile], Result]) -> Iterator[Result]:
        """Yield ``work(tile)`` of all tiles in their order; reading and work are done in threads.

        Raises
        ------
        InputError
            As ``tiles``.
        """
        return self._in_order(lambda part: work(self._read(*part)), self._ranges())

    def sample(self, n_tiles: int) -> Iterator[Tile]:
        """Yield up to ``n_tiles`` tiles spread evenly over the matrix."""
        ranges = self._ranges()
        chosen: Any = (
            np.unique(np.linspace(0, len(ranges) - 1, min(n_tiles, len(ranges))).astype(int)) if ranges else []
        )
        yield from self._in_order(lambda position: self._read(*ranges[position]), chosen)

    @property
    def n_tiles(self) -> int:
        """How many tiles cover the matrix."""
        return len(self._ranges())

    def _read(self, start: int, stop: int) -> Tile:
        try:
            return self._tile(start, stop)
        except InputError:
            raise
        except MemoryError:
            raise InputError(f"There is not enough memory to read {self.where} of {self.file}.") from None
        except Exception as error:
            raise damaged(self.file, f"{self.where} cannot be read to the end") from error

    @abstractmethod
    def _ranges(self) -> list[tuple[int, int]]: ...

    @abstractmethod
    def _tile(self, start: int, stop: int) -> Tile: ...


def damaged(file: str, how: str) -> InputError:
    """Return the sentence for a file whose parts contradict one another."""
    return InputError(f"{file} is damaged: {how}; copy or download it again.")


def _canonical(values: Any) -> Any:
    values.sum_duplicates()
    if (values.data == 0).any():
        values.eliminate_zeros()
    return values


class DiskSparse(Matrix):
    """A CSR or CSC matrix (cell, gene) in a group of HDF5 or zarr: data, indices, indptr.

    Everything that they say of one another is checked before a value is read: libraries that trust them write beyond
    their memory.

    Raises
    ------
    InputError
        When lengths, types or ranges contradict one another.
    """

    def __init__(self, group: Any, layout: str, shape: tuple[int, int], *, file: str, where: str) -> None:
        self.shape, self.layout, self.file, self.where = shape, layout, file, where
        self._data, self._indices = group["data"], group["indices"]
        indptr = group["indptr"]
        self._minor = shape[1] if layout == "csr" else shape[0]
        majors = shape[0] if layout == "csr" else shape[1]
        for part, array, kinds in (("data", self._data, "iufb"), ("indices", self._indices, "iu"),
                                   ("indptr", indptr, "iu")):  # fmt: skip
            if getattr(array, "ndim", 0) != 1 or array.dtype.kind not in kinds:
                raise damaged(
                    file, f"the {part} of {where} are not a list of {'' if part == 'data' else 'whole '}numbers"
                )
        if indptr.shape[0] != majors + 1:
            raise damaged(file, f"{where} has {indptr.shape[0]:,} row pointers for {majors:,} rows")
        if self._data.shape != self._indices.shape:
            raise damaged(file, f"{where} has {self._data.shape[0]:,} values at {self._indices.shape[0]:,} places")
        self.size = int(self._data.shape[0])
        self.integer = self._data.dtype.kind in "iub"
        self._indptr = read_range(indptr, 0, majors + 1).astype(np.int64)
        lengths = np.diff(self._indptr)
        if self._indptr[0] != 0 or self._indptr[-1] != self.size or (lengths < 0).any():
            raise damaged(file, f"the row pointers of {where} do not lead through its {self.size:,} values")
        if len(lengths) and lengths.max() > MOST_DUPLICATES * self._minor:
            raise damaged(file, f"{where} has {lengths.max():,} values in a row of {self._minor:,}")

    def _ranges(self) -> list[tuple[int, int]]:
        ranges, start, majors = [], 0, len(self._indptr) - 1
        while start < majors:
            stop = int(np.searchsorted(self._indptr, self._indptr[start] + TILE_ENTRIES, side="right")) - 1
            stop = min(max(stop, start + 1), majors)
            if self.layout == "csr":
                stop = min(stop, start + TILE_CELLS)
            ranges.append((start, stop))
            start = stop
        return ranges

    def _tile(self, start: int, stop: int) -> Tile:
        low, high = int(self._indptr[start]), int(self._indptr[stop])
        data = read_range(self._data, low, high).astype(np.float32, copy=False)
        places = read_range(self._indices, low, high)
        # In their own type: 2**32 + 5 would be 5 in 32 bits.
        if len(places) and not 0 <= places.min() <= places.max() < self._minor:
            raise damaged(self.file, f"{self.where} has values in rows or columns that do not exist")
        indptr = (self._indptr[start : stop + 1] - low).astype(np.int32)
        n_rows, n_cols = self.shape
        values: Any
        if self.layout == "csr":
            values, rows, cols = sp.csr_matrix((stop - start, n_cols)), slice(start, stop), slice(0, n_cols)
        else:
            values, rows, cols = sp.csc_matrix((n_rows, stop - start)), slice(0, n_rows), slice(start, stop)
        # Set directly: all that scipy would check has been.
        values.data, values.indices, values.indptr = data, places.astype(np.int32, copy=False), indptr
        return Tile(rows, cols, _canonical(values))


class DiskDense(Matrix):
    """A dense matrix as an array of HDF5 or zarr, read by whole chunks of cells.

    ``by_gene`` says that the array is (gene, cell) and not (cell, gene).
    """

    layout = "dense"
    _in_order = staticmethod(map)
    """Tiles are large, and HDF5 reads one at a time: so do we."""

    def __init__(self, dataset: Any, *, file: str, where: str, by_gene: bool = False) -> None:
        self._dataset, self._by_gene, self.file, self.where = dataset, by_gene, file, where
        n_cells, n_genes = dataset.shape[::-1] if by_gene else dataset.shape
        self.shape = (int(n_cells), int(n_genes))
        self.size = self.shape[0] * self.shape[1]
        self.integer = dataset.dtype.kind in "iub"

    def _ranges(self) -> list[tuple[int, int]]:
        step = max(1, _DENSE_ENTRIES // max(1, self.shape[1]))
        chunk = self._dataset.chunks[1 if self._by_gene else 0] if self._dataset.chunks else 1
        if chunk < step:
            step -= step % chunk
        elif chunk * self.shape[1] <= 4 * _DENSE_ENTRIES:
            step = chunk  # part of a chunk costs as much to read as the whole
        return [(start, min(start + step, self.shape[0])) for start in range(0, self.shape[0], step)]

    def _tile(self, start: int, stop: int) -> Tile:
        cells, genes = slice(start, stop), slice(0, self.shape[1])
        block = (
            read_region(self._dataset, genes, cells).T if self._by_gene else read_region(self._dataset, cells, genes)
        )
        return Tile(cells, genes, sp.csr_matrix(block.astype(np.float32, copy=False)))


class MemoryMatrix(Matrix):
    """A matrix that a reader could only give as a whole (tables)."""

    layout = "csr"

    def __init__(self, values: Any, *, file: str, where: str = "X") -> None:
        self.file, self.where = file, where
        self.integer = values.dtype.kind in "iub"
        self._values = sp.csr_matrix(values, dtype=np.float32)
        self.shape = self._values.shape
        self.size = int(self._values.nnz)

    def _ranges(self) -> list[tuple[int, int]]:
        mean = max(1, self.size // max(1, self.shape[0]))
        step = min(max(1, TILE_ENTRIES // mean), TILE_CELLS)
        return [(start, min(start + step, self.shape[0])) for start in range(0, self.shape[0], step)]

    def _tile(self, start: int, stop: int) -> Tile:
        return Tile(slice(start, stop), slice(0, self.shape[1]), _canonical(self._values[start:stop].copy()))


class RoundedMatrix(Matrix):
    """Another matrix with its values rounded to whole numbers."""

    def __init__(self, source: Matrix) -> None:
        self.shape, self.size, self.layout = source.shape, source.size, source.layout
        self.file, self.where, self.integer = source.file, source.where, False
        self._source = source

    def _ranges(self) -> list[tuple[int, int]]:
        return self._source._ranges()

    def _tile(self, start: int, stop: int) -> Tile:
        tile = self._source._tile(start, stop)
        np.rint(tile.values.data, out=tile.values.data)
        return Tile(tile.rows, tile.cols, _canonical(tile.values))
