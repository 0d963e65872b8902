"""The kept cells of a file, written to a data set's store one block of cells at a time.

Files by cell come in the order of the blocks. Files by gene bring a little of every block with each gene, so all blocks
grow at once, and the chosen genes are turned to cells afterwards, block by block.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp

from genediff.data.cells.store import CELLS_CHUNK, GrowingSparse, read_block
from genediff.data.matrices.prefetch import in_order

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from genediff.data.matrices.sparse_matrix import Matrix, Tile

BLOCK_ENTRIES = 8_000_000
"""Stored values that are turned from cells to genes at a time: what a block holds, and what bounds the memory."""
BLOCK_CELLS = 65_536
"""Cells of a block at most, so that their numbers take two bytes."""


@dataclass(frozen=True, eq=False)
class Selection:
    """Which cells and genes are kept, and how values are written.

    ``keep`` (file cell,) masks the cells; ``columns`` (gene,) are the kept columns of the file, sorted; ``chosen``
    positions in ``columns``; ``n_entries`` about how many values will be stored.
    """

    keep: np.ndarray
    columns: np.ndarray
    chosen: np.ndarray
    n_entries: int
    dtype: np.dtype
    whole: bool
    log: bool

    @property
    def n_cells(self) -> int:
        """Cells that are kept."""
        return int(self.keep.sum())

    def values(self, data: np.ndarray) -> np.ndarray:
        """Return values as they are stored."""
        return (np.rint(data) if self.whole else np.log1p(data) if self.log else data).astype(self.dtype)


def write_cells(store: Any, matrix: Matrix, selection: Selection, *, after_tile: Callable[[], None]) -> None:
    """Write ``by_gene`` and ``counts`` in one pass over the tiles of a matrix."""
    store.attrs["n_cells"] = selection.n_cells
    by_gene = store.create_group("by_gene")
    group = store.create_group("counts")
    group.attrs["shape"] = (selection.n_cells, len(selection.chosen))
    counts = GrowingSparse(group, selection.dtype, len(selection.chosen), chunk=CELLS_CHUNK)
    write = _from_genes if matrix.layout == "csc" else _from_cells
    for block in write(by_gene, matrix, selection, after_tile):  # (cell, chosen gene)
        counts.append(block)
    counts.close()


def _from_cells(
    by_gene: Any, matrix: Matrix, selection: Selection, after_tile: Callable[[], None]
) -> Iterator[sp.csr_matrix]:
    def turned(rows: list[sp.csr_matrix]) -> tuple[sp.csc_matrix, sp.csr_matrix]:
        block = _stack(rows).tocsc()  # rows stay ascending within a gene
        if len(selection.columns) < block.shape[1]:
            block = block[:, selection.columns]
        return block, block[:, selection.chosen].tocsr()

    first = number = 0
    for block, cells in in_order(turned, _gathered(matrix, selection, after_tile)):
        growing = _new_block(by_gene, number, first, block.shape[0], selection.dtype)
        growing.append(block)
        growing.close()
        yield cells
        first, number = first + block.shape[0], number + 1
    by_gene.attrs["n_blocks"] = number


def _gathered(matrix: Matrix, selection: Selection, after_tile: Callable[[], None]) -> Iterator[list[sp.csr_matrix]]:
    """Yield the kept rows (cell, column of the file) in pieces of a block each."""
    held: list[sp.csr_matrix] = []
    for rows in matrix.map(lambda tile: _kept_rows(tile, selection)):
        n_cells, n_entries = sum(part.shape[0] for part in held), sum(part.nnz for part in held)
        if held and (n_cells + rows.shape[0] > BLOCK_CELLS or n_entries + rows.nnz > BLOCK_ENTRIES):
            yield held
            held = []
        if rows.shape[0]:
            held.append(rows)
        after_tile()
    if held:
        yield held


def _kept_rows(tile: Tile, selection: Selection) -> sp.csr_matrix:
    values, keep = tile.values, selection.keep[tile.rows]
    rows = sp.csr_matrix((selection.values(values.data), values.indices, values.indptr), shape=values.shape)
    return rows if keep.all() else rows[keep]


def _stack(parts: list[sp.csr_matrix]) -> sp.csr_matrix:
    return parts[0] if len(parts) == 1 else sp.csr_matrix(sp.vstack(parts, format="csr"))


def _from_genes(
    by_gene: Any, matrix: Matrix, selection: Selection, after_tile: Callable[[], None]
) -> Iterator[sp.csr_matrix]:
    n_cells = selection.n_cells
    n_blocks = max(1, -(-n_cells // BLOCK_CELLS), -(-selection.n_entries // BLOCK_ENTRIES))
    size = -(-n_cells // n_blocks)
    firsts = list(range(0, n_cells, size))
    blocks = [
        _new_block(by_gene, number, first, min(size, n_cells - first), selection.dtype)
        for number, first in enumerate(firsts)
    ]
    by_gene.attrs["n_blocks"] = len(blocks)

    def cut(tile: Tile) -> list[sp.csc_matrix]:
        low, high = np.searchsorted(selection.columns, [tile.cols.start, tile.cols.stop])
        values = tile.values[:, selection.columns[low:high] - tile.cols.start]  # (file cell, gene)
        rows = values.tocsr()[selection.keep]
        rows.data = selection.values(rows.data)
        return [rows[first : first + size].tocsc() for first in firsts]

    for pieces in matrix.map(cut):
        for piece, block in zip(pieces, blocks, strict=True):
            block.append(piece)
        after_tile()
    for number, block in enumerate(blocks):
        block.close()
        group = by_gene[str(number)]
        yield read_block(group, int(group.attrs["n_cells"]), selection.chosen).tocsr()


def _new_block(by_gene: Any, number: int, first: int, n_cells: int, dtype: np.dtype) -> GrowingSparse:
    group = by_gene.create_group(str(number))
    group.attrs.update({"first": first, "n_cells": n_cells})
    return GrowingSparse(group, dtype, n_cells)
