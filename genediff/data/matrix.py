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

from genediff.data.ahead import in_order
from genediff.data.chunks import read_range
from genediff.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Result = TypeVar("Result")

TILE_ENTRIES = 2_000_000
"""Stored values in a tile: about 25 MB with their indices."""
TILE_CELLS = 65_536
"""Rows of a tile by cell at most."""
_DENSE_ENTRIES = 8_000_000


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
    _in_order: Callable[..., Iterator[Any]] = staticmethod(in_order)

    def tiles(self) -> Iterator[Tile]:
        """Yield tiles that cover the matrix once: sorted, without explicit zeros, float32.

        Raises
        ------
        InputError
            When the file turns out to be damaged on the way.
        """
        for start, stop in self._ranges():
            yield self._tile(start, stop)

    def map(self, work: Callable[[Tile], Result]) -> Iterator[Result]:
        """Yield ``work(tile)`` of all tiles in their order; reading and work are done in threads.

        Raises
        ------
        InputError
            As ``tiles``.
        """
        return self._in_order(lambda part: work(self._tile(*part)), self._ranges())

    def sample(self, n_tiles: int) -> Iterator[Tile]:
        """Yield up to ``n_tiles`` tiles spread evenly over the matrix."""
        ranges = self._ranges()
        chosen: Any = (
            np.unique(np.linspace(0, len(ranges) - 1, min(n_tiles, len(ranges))).astype(int)) if ranges else []
        )
        yield from self._in_order(lambda position: self._tile(*ranges[position]), chosen)

    @property
    def n_tiles(self) -> int:
        """How many tiles cover the matrix."""
        return len(self._ranges())

    @abstractmethod
    def _ranges(self) -> list[tuple[int, int]]: ...

    @abstractmethod
    def _tile(self, start: int, stop: int) -> Tile: ...


def _canonical(values: Any) -> Any:
    if values.nnz:
        minor = values.shape[1] if values.format == "csr" else values.shape[0]
        if values.indices.min() < 0 or values.indices.max() >= minor:
            raise InputError("The file is damaged: its matrix points to rows or columns that do not exist.")
    values.sum_duplicates()
    if (values.data == 0).any():
        values.eliminate_zeros()
    return values


class DiskSparse(Matrix):
    """A CSR or CSC matrix in a group of HDF5 or zarr (data, indices, indptr)."""

    def __init__(self, group: Any, layout: str, shape: tuple[int, int]) -> None:
        self.shape, self.layout = shape, layout
        self._data, self._indices = group["data"], group["indices"]
        self._indptr = group["indptr"][:].astype(np.int64)
        self.size = int(self._data.shape[0])
        self.integer = self._data.dtype.kind in "iub"
        majors = shape[0] if layout == "csr" else shape[1]
        consistent = len(self._indptr) == majors + 1 and self._indptr[0] == 0
        if not consistent or self._indptr[-1] != self.size or (np.diff(self._indptr) < 0).any():
            raise InputError("The file is damaged: the matrix in it does not have the shape that it claims.")

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
        try:
            data = read_range(self._data, low, high).astype(np.float32, copy=False)
            indices = read_range(self._indices, low, high).astype(np.int32, copy=False)
        except (OSError, RuntimeError):
            raise InputError("The file is damaged: its matrix cannot be read to the end; copy it again.") from None
        indptr = (self._indptr[start : stop + 1] - low).astype(np.int32)
        n_rows, n_cols = self.shape
        values: Any
        if self.layout == "csr":
            values, rows, cols = sp.csr_matrix((stop - start, n_cols)), slice(start, stop), slice(0, n_cols)
        else:
            values, rows, cols = sp.csc_matrix((n_rows, stop - start)), slice(0, n_rows), slice(start, stop)
        # Set directly: scipy's checks would raise its own errors for a damaged file before ours can.
        values.data, values.indices, values.indptr = data, indices, indptr
        return Tile(rows, cols, _canonical(values))


class DiskDense(Matrix):
    """A dense matrix as an array of HDF5 or zarr, read by whole chunks of rows."""

    layout = "dense"
    _in_order = staticmethod(map)
    """Tiles are large, and HDF5 reads one at a time: so do we."""

    def __init__(self, dataset: Any) -> None:
        self.shape = (int(dataset.shape[0]), int(dataset.shape[1]))
        self._dataset = dataset
        self.size = self.shape[0] * self.shape[1]
        self.integer = dataset.dtype.kind in "iub"

    def _ranges(self) -> list[tuple[int, int]]:
        step = max(1, _DENSE_ENTRIES // max(1, self.shape[1]))
        chunk = self._dataset.chunks[0] if self._dataset.chunks else 1
        if chunk < step:
            step -= step % chunk
        elif chunk * self.shape[1] <= 4 * _DENSE_ENTRIES:
            step = chunk  # part of a chunk costs as much to read as the whole
        return [(start, min(start + step, self.shape[0])) for start in range(0, self.shape[0], step)]

    def _tile(self, start: int, stop: int) -> Tile:
        try:
            block = self._dataset[start:stop]
        except (OSError, RuntimeError):
            raise InputError("The file is damaged: its matrix cannot be read to the end; copy it again.") from None
        return Tile(slice(start, stop), slice(0, self.shape[1]), sp.csr_matrix(block.astype(np.float32, copy=False)))


class MemoryMatrix(Matrix):
    """A matrix that a reader could only give as a whole (10x .h5, CSV)."""

    layout = "csr"

    def __init__(self, values: Any) -> None:
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
