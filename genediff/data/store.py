"""How a data set lies on disk: one HDF5 file beside ``dataset.json``.

``counts`` (cell, chosen gene) by cell, ``by_gene`` (cell, any gene) by gene, so that training reads cells and a plot
reads one gene. Whole numbers are stored as the smallest unsigned integers that hold them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp

from genediff.data.survey import entries

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from genediff.data.matrix import Matrix

STORE_FILE = "cells.h5"
BATCH_ENTRIES = 48_000_000
"""Stored values that are turned from cells to genes at a time; with 8 bytes each they bound the memory."""
_CHUNK = 65_536
_SEGMENT = 4_000_000
_COMPRESSION = {"compression": "gzip", "compression_opts": 3, "shuffle": True}


def open_store(folder: Path, mode: str = "r") -> Any:
    """Open the HDF5 file of a data set; reading takes no lock, so that many processes may."""
    import h5py

    return h5py.File(folder / STORE_FILE, mode, locking=False) if mode == "r" else h5py.File(folder / STORE_FILE, mode)


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


@dataclass(frozen=True, eq=False)
class Selection:
    """Which cells and genes are kept, and how values are written.

    ``new_row`` (file cell,) is the row in the data set or -1; ``columns`` (gene,) the kept columns of the file, sorted;
    ``n_entries`` (gene,) an upper bound of stored values for each of them.
    """

    new_row: np.ndarray
    n_rows: int
    columns: np.ndarray
    n_entries: np.ndarray
    dtype: np.dtype
    whole: bool
    log: bool


def write_by_gene(store: Any, matrix: Matrix, selection: Selection, *, after_tile: Callable[[], None]) -> None:
    """Write the kept cells and genes by gene, in as many passes over the file as memory asks for."""
    group = store.create_group("by_gene")
    row_type = np.min_scalar_type(max(1, selection.n_rows - 1))
    shape = {"shape": (0,), "maxshape": (None,), "chunks": (_CHUNK,), **_COMPRESSION}
    group.create_dataset("data", dtype=selection.dtype, **shape)
    group.create_dataset("indices", dtype=row_type, **shape)
    lengths = []
    for low, high in gene_batches(selection.n_entries):
        values, rows, indptr = _gather(matrix, selection, low, high, row_type, after_tile)
        start = group["data"].shape[0]
        for name, array in (("data", values), ("indices", rows)):
            group[name].resize((start + len(array),))
            group[name][start:] = array
        lengths.append(np.diff(indptr))
    put_array(group, "indptr", np.concatenate([[0], *lengths]).cumsum().astype(np.int64))


def gene_batches(n_entries: np.ndarray) -> list[tuple[int, int]]:
    """Cut genes into ranges with at most ``BATCH_ENTRIES`` values each (or a single gene)."""
    ends = np.concatenate([[0], np.cumsum(n_entries, dtype=np.int64)])
    batches, low = [], 0
    while low < len(n_entries):
        high = int(np.searchsorted(ends, ends[low] + BATCH_ENTRIES, side="right")) - 1
        high = min(max(high, low + 1), len(n_entries))
        batches.append((low, high))
        low = high
    return batches


def _gather(
    matrix: Matrix, selection: Selection, low: int, high: int, row_type: np.dtype, after_tile: Callable[[], None]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Collect columns ``low`` to ``high`` of the selection: values, rows (entry,) and indptr (gene + 1,)."""
    slots = np.full(matrix.shape[1], -1, dtype=np.int32)
    slots[selection.columns[low:high]] = np.arange(high - low, dtype=np.int32)
    starts = np.concatenate([[0], np.cumsum(selection.n_entries[low:high], dtype=np.int64)])
    following = starts[:-1].copy()
    values = np.zeros(starts[-1], dtype=selection.dtype)
    rows = np.zeros(starts[-1], dtype=row_type)
    wanted = selection.columns[low:high]
    for tile in matrix.tiles():
        if tile.cols.stop <= wanted[0] or tile.cols.start > wanted[-1]:
            after_tile()
            continue
        row, col, data = entries(tile)
        slot, new = slots[col], selection.new_row[row]
        kept = (slot >= 0) & (new >= 0)
        slot, new, data = slot[kept], new[kept], data[kept]
        order = np.argsort(slot, kind="stable")  # rows stay ascending within a gene
        slot, new, data = slot[order], new[order], data[order]
        counts = np.bincount(slot, minlength=high - low)
        first = np.concatenate([[0], np.cumsum(counts)[:-1]])
        place = following[slot] + np.arange(len(slot)) - first[slot]
        values[place] = np.rint(data) if selection.whole else np.log1p(data) if selection.log else data
        rows[place] = new
        following += counts
        after_tile()
    used = following - starts[:-1]
    if (used < selection.n_entries[low:high]).any():
        filled = np.repeat(starts[:-1], used) + np.arange(used.sum()) - np.repeat(np.cumsum(used) - used, used)
        values, rows = values[filled], rows[filled]
    return values, rows, np.concatenate([[0], np.cumsum(used)])


def read_genes(store: Any, positions: np.ndarray) -> sp.csc_matrix:
    """Read some genes (ascending positions) of all cells: CSC (cell, gene), values as stored."""
    group = store["by_gene"]
    indptr = group["indptr"][:]
    lengths = indptr[positions + 1] - indptr[positions]
    ends = np.concatenate([[0], np.cumsum(lengths)])
    values = np.zeros(ends[-1], dtype=group["data"].dtype)
    rows = np.zeros(ends[-1], dtype=np.int32)
    for first, last in _segments(indptr, positions):
        low, high = int(indptr[positions[first]]), int(indptr[positions[last - 1] + 1])
        some = slice(first, last)
        wanted = np.repeat(indptr[positions[some]] - low - (ends[some] - ends[first]), lengths[some])
        wanted += np.arange(len(wanted))
        values[ends[first] : ends[last]] = group["data"][low:high][wanted]
        rows[ends[first] : ends[last]] = group["indices"][low:high][wanted]
    return sp.csc_matrix((values, rows, ends), shape=(int(store.attrs["n_cells"]), len(positions)))


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


def put_sparse(store: Any, name: str, matrix: sp.csr_matrix) -> None:
    """Store a CSR matrix (cell, gene) with the smallest index type."""
    group = store.create_group(name)
    group.attrs["shape"] = matrix.shape
    put_array(group, "data", matrix.data)
    put_array(group, "indices", matrix.indices.astype(np.min_scalar_type(max(1, matrix.shape[1] - 1))))
    put_array(group, "indptr", matrix.indptr.astype(np.int64))


def get_sparse(store: Any, name: str) -> sp.csr_matrix:
    """Read a CSR matrix (cell, gene) as float32."""
    group = store[name]
    n_cells, n_genes = group.attrs["shape"]
    parts = (group["data"][:].astype(np.float32), group["indices"][:].astype(np.int32), group["indptr"][:])
    return sp.csr_matrix(parts, shape=(int(n_cells), int(n_genes)))
