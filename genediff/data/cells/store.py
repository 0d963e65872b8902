"""How a data set lies on disk: one HDF5 file beside ``dataset.json``, and one of its UMAP where it has one.

``counts`` (cell, chosen gene) by cell, so that training reads cells; ``by_gene`` (cell, any gene) in blocks of
cells, each by gene, so that a plot reads one gene and an import never holds more than a block. Whole numbers are
stored as the smallest unsigned integers that hold them.
"""

from __future__ import annotations

import contextlib
import re
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp

from genediff.core.disk_errors import disk_error, draft
from genediff.core.errors import InputError
from genediff.data.matrices.chunks import PACKED, pack, read_range
from genediff.data.matrices.prefetch import in_order

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from genediff.data.cells.umap_space import UmapSpace

STORE_FILE = "cells.h5"
DAMAGED = "The cells of the data set {folder} are missing or damaged (cells.h5): delete it, and import its file again."
_DAMAGE = re.compile(r"Unable to|Can't |synchronously|inflate|filter|Error raised while reading", re.IGNORECASE)
UMAP_FILE = "umap.h5"
_CHUNK = 65_536
CELLS_CHUNK = 16_384
"""Stored values in a chunk of ``counts``: about 64 cells, as many as block shuffling reads in one go."""
_SEGMENT = 4_000_000
_GAP_CELLS, _RUN_CELLS = 128, 2_048
"""Wanted cells this near to one another are read with all between them, so many at most in one go."""
_COMPRESSION = {"compression": "gzip", "compression_opts": 3, "shuffle": True}
QUICK = {"compression": "lzf", "shuffle": True}
"""For arrays that are written by h5py as they come; sparse matrices are packed in threads (``chunks``)."""


@contextlib.contextmanager
def open_store(folder: Path, mode: str = "r") -> Iterator[Any]:
    """Open the HDF5 file of a data set; reading takes no lock, so that many processes may.

    Raises
    ------
    InputError
        When what is read of the file is damaged.
    """
    import h5py

    if mode != "r":
        with h5py.File(folder / STORE_FILE, mode) as store:
            yield store
        return
    try:
        with h5py.File(folder / STORE_FILE, "r", locking=False) as store:
            yield store
    except Exception as error:
        if not folder.is_dir() or isinstance(error, InputError) or disk_error(error) or not _of_damage(error):
            raise
        raise InputError(DAMAGED.format(folder=folder.name)) from error


def _of_damage(error: Exception) -> bool:
    """Say whether an error is HDF5's or the unpacking's, and none of a program that reads what was never there."""
    return isinstance(error, OSError | zlib.error) or bool(_DAMAGE.search(str(error)))


def is_whole(folder: Path) -> bool:
    """Say whether the file of a data set is HDF5 and as long as it says; what is in it is not looked at."""
    try:
        with (folder / STORE_FILE).open("rb") as file:
            head = file.read(48)
            length = file.seek(0, 2)
    except OSError:
        return False
    if len(head) < 48 or not head.startswith(b"\x89HDF\r\n\x1a\n"):
        return False
    place = 28 if head[8] >= 2 else 40  # of the end's address, in the second and the first kind of superblock
    return int.from_bytes(head[place : place + 8], "little") <= length


@contextlib.contextmanager
def open_umap(folder: Path) -> Iterator[Any]:
    """Open what is stored of a data set's UMAP: ``all`` (cell, 2), and ``rows`` and ``coordinates`` of fitted cells."""
    import h5py

    if (folder / UMAP_FILE).exists():
        with h5py.File(folder / UMAP_FILE, "r", locking=False) as store:
            yield store
    else:  # as imports wrote it that drew it before the cells could be used
        with open_store(folder) as store:
            yield store["umap"]


def write_umap(folder: Path, coordinates: np.ndarray, space: UmapSpace | None) -> None:
    """Store the coordinates of all cells (cell, 2) and what places others, in one step beside the readers."""
    import h5py

    with draft(folder / UMAP_FILE) as partial, h5py.File(partial, "w") as store:
        put_array(store, "all", coordinates)
        if space is not None:
            put_array(store, "rows", space.rows)
            put_array(store, "coordinates", space.coordinates)
            store.attrs["n_neighbors"], store.attrs["seed"] = space.n_neighbors, space.seed


def put_array(group: Any, name: str, values: np.ndarray) -> None:
    """Store an array, compressed where that is worth it."""
    if values.size < 1024:
        group.create_dataset(name, data=values)
        return
    chunks = (min(len(values), max(1, _CHUNK // max(1, values[:1].size))), *values.shape[1:])
    group.create_dataset(name, data=values, chunks=chunks, **_COMPRESSION)


def put_names(group: Any, name: str, names: tuple[str, ...]) -> None:
    """Store a list of names."""
    import h5py

    group.create_dataset(name, data=np.array(names, dtype=object), dtype=h5py.string_dtype(), **_COMPRESSION)


def get_names(group: Any, name: str) -> tuple[str, ...]:
    """Read a list of names."""
    return tuple(group[name].asstr()[:])


def smallest_type(highest: float, *, whole: bool) -> np.dtype:
    """Return the smallest type that holds values from 0 to ``highest``."""
    if not whole:
        return np.dtype(np.float32)
    return np.min_scalar_type(int(highest)) if highest < 2**32 else np.dtype(np.float32)


def gene_blocks(store: Any) -> Iterator[tuple[Any, int, int]]:
    """Yield the parts of ``by_gene``: a group (data, indices, indptr), its first cell and its number of cells."""
    group = store["by_gene"]
    if "data" in group:  # as written before blocks: one of all cells
        yield group, 0, int(store.attrs["n_cells"])
        return
    for number in range(int(group.attrs["n_blocks"])):
        block = group[str(number)]
        yield block, int(block.attrs["first"]), int(block.attrs["n_cells"])


def read_genes(store: Any, positions: np.ndarray) -> sp.csc_matrix:
    """Read some genes (ascending positions) of all cells: CSC (cell, gene), values as stored."""
    parts = [read_block(group, n_cells, positions) for group, _, n_cells in gene_blocks(store)]
    return parts[0] if len(parts) == 1 else sp.csc_matrix(sp.vstack(parts, format="csc"))


def read_block(group: Any, n_cells: int, positions: np.ndarray) -> sp.csc_matrix:
    """Read some genes (ascending positions) of one part of ``by_gene``: CSC (cell of the part, gene)."""
    indptr = group["indptr"][:].astype(np.int64)
    lengths = indptr[positions + 1] - indptr[positions]
    ends = np.concatenate([[0], np.cumsum(lengths)])
    values = np.zeros(ends[-1], dtype=group["data"].dtype)
    rows = np.zeros(ends[-1], dtype=np.int32)
    for first, last in _segments(indptr, positions):
        low, high = int(indptr[positions[first]]), int(indptr[positions[last - 1] + 1])
        some = slice(first, last)
        wanted = np.repeat(indptr[positions[some]] - low - (ends[some] - ends[first]), lengths[some])
        wanted += np.arange(len(wanted))
        values[ends[first] : ends[last]] = read_range(group["data"], low, high)[wanted]
        rows[ends[first] : ends[last]] = read_range(group["indices"], low, high)[wanted]
    return sp.csc_matrix((values, rows, ends), shape=(n_cells, len(positions)))


def _segments(indptr: np.ndarray, positions: np.ndarray) -> list[tuple[int, int]]:
    """Group neighbouring genes that are cheaper to read in one go than one by one (a chunk is read as a whole)."""
    segments, first = [], 0
    for last in range(1, len(positions) + 1):
        done = last == len(positions)
        if not done:
            gap = indptr[positions[last]] - indptr[positions[last - 1] + 1]
            size = indptr[positions[last] + 1] - indptr[positions[first]]
        if done or gap > _CHUNK or size > _SEGMENT:
            segments.append((first, last))
            first = last
    return segments if len(positions) else []


class GrowingSparse:
    """A sparse matrix in a new group, written piece by piece along its major axis; whole once it is closed."""

    def __init__(self, group: Any, dtype: np.dtype, n_minor: int, *, chunk: int = _CHUNK) -> None:
        self._group, self._lengths = group, [np.zeros(1, dtype=np.int64)]
        self._data = _GrowingArray(group, "data", dtype, chunk)
        self._indices = _GrowingArray(group, "indices", np.min_scalar_type(max(1, n_minor - 1)), chunk)

    def append(self, piece: sp.csr_matrix | sp.csc_matrix) -> None:
        """Write the next rows (CSR) or columns (CSC)."""
        self._data.append(piece.data)
        self._indices.append(piece.indices)
        self._lengths.append(np.diff(piece.indptr).astype(np.int64))

    def close(self) -> None:
        """Write what is left, and where each row (or column) begins."""
        self._data.close()
        self._indices.close()
        put_array(self._group, "indptr", np.concatenate(self._lengths).cumsum())


class _GrowingArray:
    """A new array that grows by whole chunks, which are packed in threads; the last one is filled up with zeros."""

    def __init__(self, group: Any, name: str, dtype: np.dtype, chunk: int) -> None:
        self._array = group.create_dataset(name, (0,), dtype, maxshape=(None,), chunks=(chunk,), **PACKED)
        self._chunk, self._written = chunk, 0
        self._rest = np.zeros(0, dtype=dtype)  # less than a chunk

    def append(self, values: np.ndarray) -> None:
        values = np.concatenate([self._rest, values.astype(self._rest.dtype, copy=False)])
        whole = len(values) - len(values) % self._chunk
        self._rest = values[whole:].copy()
        self._write(values[:whole])

    def close(self) -> None:
        n = self._written + len(self._rest)
        if len(self._rest):
            self._write(np.pad(self._rest, (0, self._chunk - len(self._rest))))
        self._array.resize((n,))

    def _write(self, values: np.ndarray) -> None:
        if len(values) == 0:
            return
        self._array.resize((self._written + len(values),))
        for packed in in_order(pack, values.reshape(-1, self._chunk)):
            self._array.id.write_direct_chunk((self._written,), packed)
            self._written += self._chunk


def read_rows(group: Any, indptr: np.ndarray, start: int, stop: int) -> sp.csr_matrix:
    """Read neighbouring rows of a stored CSR matrix (cell, gene) as float32; ``indptr`` is that of all rows."""
    indptr = indptr[start : stop + 1]
    low, high = int(indptr[0]), int(indptr[-1])
    data = read_range(group["data"], low, high).astype(np.float32)
    indices = read_range(group["indices"], low, high).astype(np.int32)
    return csr(data, indices, indptr - low, int(group.attrs["shape"][1]))


def read_indptr(store: Any, name: str) -> np.ndarray:
    """Read where each row of a stored CSR matrix begins, eight bytes a cell: (cell + 1,)."""
    return np.asarray(store[name]["indptr"][:], dtype=np.int64)


def read_in_blocks(store: Any, name: str, size: int) -> Iterator[tuple[int, sp.csr_matrix]]:
    """Yield all rows of a stored CSR matrix (cell, gene) as float32, with the number of the first one."""
    group, indptr = store[name], read_indptr(store, name)
    n_cells = len(indptr) - 1
    for start in range(0, n_cells, size):
        yield start, read_rows(group, indptr, start, min(start + size, n_cells))


def read_scattered(group: Any, indptr: np.ndarray, rows: np.ndarray) -> sp.csr_matrix:
    """Read rows of a stored CSR matrix (cell, gene), in any order, as float32; neighbours are read in one go."""
    order = np.argsort(rows, kind="stable")
    ascending = rows[order]
    cuts = np.flatnonzero(np.diff(ascending) > _GAP_CELLS) + 1
    parts = []
    for run in np.split(ascending, cuts):
        for start in range(0, len(run), _RUN_CELLS):
            some = run[start : start + _RUN_CELLS]
            parts.append(_some(read_rows(group, indptr, int(some[0]), int(some[-1]) + 1), some - some[0]))
    matrix = parts[0] if len(parts) == 1 else sp.csr_matrix(sp.vstack(parts, format="csr"))
    return matrix if (order == np.arange(len(order))).all() else matrix[np.argsort(order)]


def _some(matrix: sp.csr_matrix, rows: np.ndarray) -> sp.csr_matrix:
    # A row that is asked for twice is there once: the number of rows alone does not tell.
    return matrix if np.array_equal(rows, np.arange(matrix.shape[0])) else matrix[rows]


def csr(data: np.ndarray, indices: np.ndarray, indptr: np.ndarray, n_columns: int) -> sp.csr_matrix:
    """Put together a CSR matrix without the checks and copies that take longer than reading it."""
    matrix = sp.csr_matrix((len(indptr) - 1, n_columns), dtype=data.dtype)
    matrix.data, matrix.indices, matrix.indptr = data, indices, indptr.astype(np.int32)
    return matrix


def get_sparse(store: Any, name: str) -> sp.csr_matrix:
    """Read a CSR matrix (cell, gene) as float32."""
    group = store[name]
    n_cells, n_genes = group.attrs["shape"]
    parts = (group["data"][:].astype(np.float32), group["indices"][:].astype(np.int32), group["indptr"][:])
    return sp.csr_matrix(parts, shape=(int(n_cells), int(n_genes)))
