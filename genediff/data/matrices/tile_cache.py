"""A file's matrix, read once and kept beside the data set while it is made.

An import looks at every value three times: for totals, to choose genes, to write. Files are often compressed, and
taking them apart costs more than all the rest. So the first pass keeps each tile on disk in its smallest types, as it
went by; the others read that.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp

from genediff.data.matrices.sparse_matrix import Matrix, Result, Tile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from types import TracebackType
    from typing import Self


@dataclass(frozen=True)
class _Kept:
    """Where a tile lies in the file, and what it takes to read it: types of data, indices and indptr."""

    rows: slice
    cols: slice
    shape: tuple[int, int]
    offset: int
    n_entries: int
    types: tuple[np.dtype, np.dtype, np.dtype]


class TileCache(Matrix):
    """The tiles of another matrix, once ``record`` has gone through them; a context manager that leaves no file."""

    def __init__(self, source: Matrix, path: Path) -> None:
        self.shape, self.size, self.layout, self.integer = source.shape, source.size, source.layout, source.integer
        self._source, self._path, self.file, self.where = source, path, source.file, source.where
        self._file = path.open("w+b", buffering=0)
        self._one_reads = threading.Lock()
        self._kept: list[_Kept] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        self._path.unlink(missing_ok=True)

    def record(self, work: Callable[[Tile], Result]) -> Iterator[Result]:
        """Yield ``work(tile)`` of the source's tiles, as ``map`` does, and keep them on the way."""

        def look(tile: Tile) -> tuple[Tile, tuple[np.ndarray, ...], Result]:
            return tile, _smallest(tile.values), work(tile)

        for tile, parts, result in self._source.map(look):
            offset = self._file.tell()
            for part in parts:
                _write(self._file, part)
            types = (parts[0].dtype, parts[1].dtype, parts[2].dtype)
            self._kept.append(_Kept(tile.rows, tile.cols, tile.values.shape, offset, len(parts[0]), types))
            yield result

    @property
    def n_source_tiles(self) -> int:
        """How many tiles ``record`` will yield."""
        return self._source.n_tiles

    def _ranges(self) -> list[tuple[int, int]]:
        return [(number, number + 1) for number in range(len(self._kept))]

    def _tile(self, start: int, stop: int) -> Tile:
        kept = self._kept[start]
        by_gene = self.layout == "csc"
        lengths = (kept.n_entries, kept.n_entries, kept.shape[by_gene] + 1)
        # From the open file, whose name may be gone: what is read is what was written.
        with self._one_reads:
            self._file.seek(kept.offset)
            data, indices, indptr = (
                np.fromfile(self._file, dtype=kind, count=n) for kind, n in zip(kept.types, lengths, strict=True)
            )
        values: Any = sp.csc_matrix(kept.shape) if by_gene else sp.csr_matrix(kept.shape)
        values.data, values.indices = data.astype(np.float32), indices.astype(np.int32)
        values.indptr = indptr.astype(np.int32)
        values.has_canonical_format = True
        return Tile(kept.rows, kept.cols, values)


def _smallest(values: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return data, indices and indptr of a sparse matrix, each in the smallest type that loses nothing."""
    minor = values.shape[1] if values.format == "csr" else values.shape[0]
    indices = values.indices.astype(np.min_scalar_type(max(1, minor - 1)))
    return _whole(values.data), indices, values.indptr.astype(np.uint32)


def _whole(data: np.ndarray) -> np.ndarray:
    if len(data) and data.min() >= 0 and data.max() < 65_536:
        smaller = data.astype(np.uint8 if data.max() < 256 else np.uint16)
        if (smaller == data).all():
            return smaller
    return data


def _write(file: Any, array: np.ndarray) -> None:
    left: Any = np.ascontiguousarray(array).view(np.uint8)
    while len(left):
        left = left[file.write(left) :]
