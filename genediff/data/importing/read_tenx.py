"""Other HDF5 files of cells: 10x .h5 of Cell Ranger 2 and later (and CellBender), loom."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from genediff.core.errors import InputError
from genediff.data.matrices.chunks import read_range
from genediff.data.matrices.sparse_matrix import Matrix, MemoryMatrix

if TYPE_CHECKING:
    from genediff.data.importing.stored_file import StoredFile

Contents = tuple[pd.DataFrame, dict[str, Matrix], dict[str, pd.DataFrame], list[str]]
_PARTS = ("barcodes", "data", "indices", "indptr", "shape")
_GENE_NAMES = ("Gene", "gene_names", "gene_name", "GeneName", "var_names", "Name", "index", "Accession")
_GENE_IDS = ("Accession", "gene_ids", "gene_id", "EnsemblID", "ensembl_id", "GeneID")
_CELL_NAMES = ("CellID", "obs_names", "cell_names", "barcode", "barcodes", "index", "cell_id")
_MOLECULES = 5_000_000
"""Rows of a file of molecules that are read at once."""
_MOST_BARCODES = 50_000_000
"""Those that 10x knows are 7 million."""
_MOST_TOGETHER = 100_000_000
"""Stored values of matrices that are put together in memory."""


def tenx_groups(stored: StoredFile) -> list[str]:
    """Return the groups that hold a 10x matrix: "matrix", or one per genome as Cell Ranger 2 wrote them."""
    top: Any = stored.node("")
    return [key for key in top if (node := stored.node(key)) is not None and hasattr(node, "keys")
            and all(part in node for part in _PARTS)]  # fmt: skip


def read_tenx(stored: StoredFile, groups: list[str]) -> Contents:
    """Read 10x matrices; of several genomes (a mixture of species) one beside the other.

    Raises
    ------
    InputError
        When lengths contradict one another.
    """
    parts = [_one_genome(stored, group) for group in groups]
    obs, matrix, var = parts[0]
    if len(parts) == 1:
        return obs, {"X": matrix}, {"X": var}, []
    if sum(part.size for _, part, _ in parts) > _MOST_TOGETHER:
        raise InputError(
            f"{stored.file} holds the genomes {' and '.join(groups)} as large matrices of their own; write each of "
            "them to a file."
        )
    cells = pd.Index(dict.fromkeys(name for frame, _, _ in parts for name in frame.index))
    blocks = []
    for frame, part, _ in parts:
        values = sp.vstack([tile.values for tile in part.tiles()], format="csr")  # (cell of the genome, gene)
        places = sp.csr_matrix(([1.0] * len(frame), (cells.get_indexer(frame.index), range(len(frame)))),
                               shape=(len(cells), len(frame)), dtype=values.dtype)  # fmt: skip
        blocks.append(places @ values)
    both = pd.concat([frame for _, _, frame in parts])
    note = f"The file holds the genomes {' and '.join(groups)}; their genes were put side by side."
    matrix = MemoryMatrix(sp.hstack(blocks, format="csr"), file=stored.file)
    return pd.DataFrame(index=cells), {"X": matrix}, {"X": both}, [note]


def _one_genome(stored: StoredFile, key: str) -> tuple[pd.DataFrame, Matrix, pd.DataFrame]:
    group = stored.node(key)
    shape = stored.numbers(stored.node("shape", group), 2, f"{key}/shape")
    n_genes, n_cells = int(shape[0]), int(shape[1])
    barcodes = stored.texts(stored.node("barcodes", group), n_cells, f"{key}/barcodes")
    columns = {"id": "gene_ids", "feature_type": "feature_types", "genome": "genome"}
    names = "features/name"
    if stored.node("features", group) is None:
        columns, names = {"genes": "gene_ids"}, "gene_names"
    else:
        columns = {f"features/{part}": column for part, column in columns.items()}
    var = {
        column: stored.texts(node, n_genes, f"{key}/{part}")
        for part, column in columns.items()
        if (node := stored.node(part, group)) is not None
    }
    if (node := stored.node(names, group)) is None:
        raise stored.damaged(f"{key} lacks the names of its genes")
    genes = stored.texts(node, n_genes, f"{key}/{names}")
    # Genes by cells, column by column, is cells by genes, row by row.
    matrix = stored.sparse(group, "csr", (n_cells, n_genes), key)
    return pd.DataFrame(index=pd.Index(barcodes)), matrix, pd.DataFrame(var, index=pd.Index(genes))


def read_molecules(stored: StoredFile) -> Contents:
    """Read a molecule_info.h5 of Cell Ranger 3 and later: a row per molecule, which are counted per cell and gene.

    Cells are the barcodes that Cell Ranger called (``barcode_info/pass_filter``), as in its filtered matrix.

    Raises
    ------
    InputError
        When it lists no called cells, holds several samples, or is too large.
    """
    other = f"give the filtered_feature_bc_matrix.h5 of the same Cell Ranger run instead of {stored.file}"
    called, molecules = stored.node("barcode_info/pass_filter"), stored.node("barcode_idx")
    if called is None or getattr(called, "ndim", 0) != 2 or stored.node("features/name") is None:
        raise InputError(f"{stored.file} (molecules of Cell Ranger) does not list which barcodes are cells; {other}.")
    n = stored.length(molecules, "barcode_idx")
    if n > _MOST_TOGETHER:
        raise InputError(f"{stored.file} lists {n:,} molecules, too many to be counted here; {other}.")
    n_barcodes = stored.length(stored.node("barcodes"), "barcodes")
    if called.shape[0] > n_barcodes or called.shape[1] < 1 or n_barcodes > _MOST_BARCODES:
        raise stored.damaged("its list of cells is no list of its barcodes")
    n_genes = stored.length(stored.node("features/name"), "features/name")
    cells = np.unique(called[:, 0])
    if cells.dtype.kind not in "iu" or (len(cells) and cells[-1] >= n_barcodes):
        raise stored.damaged("its cells are barcodes that it does not list")
    row = np.full(n_barcodes, -1, dtype=np.int64)
    row[cells.astype(np.int64)] = np.arange(len(cells))
    shape: Any = (len(cells), n_genes)
    counts: Any = sp.csr_matrix(shape, dtype=np.float32)
    parts = {name: stored.node(name) for name in ("barcode_idx", "feature_idx", "gem_group")}
    for name, part in parts.items():
        if part is None or stored.length(part, name) != n or part.dtype.kind not in "iu":
            raise stored.damaged(f"{name} is no list of {n:,} whole numbers")
        stored.need_all_chunks(part, name)
    groups: set[int] = set()
    for start in range(0, n, _MOLECULES):
        stop = min(start + _MOLECULES, n)
        barcodes, genes, group = (read_range(part, start, stop) for part in parts.values())
        if barcodes.max() >= n_barcodes or genes.max() >= n_genes:
            raise stored.damaged("it has molecules of barcodes or genes that it does not list")
        rows = row[barcodes.astype(np.int64)]
        own = rows >= 0
        groups |= set(np.unique(group[own]).tolist())
        places = (rows[own], genes[own].astype(np.int64))
        counts += sp.csr_matrix((np.ones(len(places[0]), dtype=np.float32), places), shape=shape)
    if len(groups) > 1:
        raise InputError(f"{stored.file} holds the molecules of {len(groups)} samples together; {other}.")
    listed: Any = stored.node("barcodes")
    barcodes = listed[cells.astype(np.int64)].astype(str)  # of millions that are listed
    group_name = next(iter(groups), 1)
    obs = pd.DataFrame(index=pd.Index([f"{name}-{group_name}" for name in barcodes], dtype=object))
    genes_as = {"id": "gene_ids", "feature_type": "feature_types", "genome": "genome"}
    columns = {
        column: stored.texts(node, n_genes, f"features/{part}")
        for part, column in genes_as.items()
        if (node := stored.node(f"features/{part}")) is not None
    }
    var = pd.DataFrame(columns, index=pd.Index(stored.texts(stored.node("features/name"), n_genes, "features/name")))
    note = f"{n:,} molecules were counted per cell and gene, in the {len(cells):,} barcodes that Cell Ranger called."
    return obs, {"X": MemoryMatrix(counts, file=stored.file)}, {"X": var}, [note]


def read_loom(stored: StoredFile) -> Contents:
    """Read a loom file: genes by cells, and a list of values per gene or cell for each thing that is known of them.

    Raises
    ------
    InputError
        When it does not name its genes, or lengths contradict one another.
    """
    matrix = stored.matrix("matrix", by_gene=True)
    if matrix is None:
        raise stored.damaged("its matrix holds no numbers")
    n_cells, n_genes = matrix.shape
    genes, cells = _attributes(stored, "row_attrs", n_genes), _attributes(stored, "col_attrs", n_cells)
    name = next((column for column in _GENE_NAMES if column in genes), None)
    if name is None:
        raise InputError(f"{stored.file} is a loom file that does not name its genes (no row attribute Gene).")
    var = pd.DataFrame(genes, index=pd.Index(genes[name].astype(object)).astype(str))
    if (ids := next((column for column in _GENE_IDS if column in genes), None)) is not None:
        var["gene_ids"] = genes[ids]
    barcodes = next((cells.pop(column) for column in _CELL_NAMES if column in cells), range(n_cells))
    obs = pd.DataFrame(cells, index=pd.Index(barcodes).astype(str))
    matrices = {"X": matrix}
    layers: Any = stored.node("layers")
    for layer in layers if hasattr(layers, "keys") else ():
        if (other := stored.matrix(f"layers/{layer}", by_gene=True)) is not None:
            matrices[f"layers/{layer}"] = other
    return obs, matrices, dict.fromkeys(matrices, var), []


def _attributes(stored: StoredFile, key: str, n: int) -> dict[str, Any]:
    group: Any = stored.node(key)
    found = {}
    for name in group if hasattr(group, "keys") else ():
        node: Any = stored.node(name, group)
        if getattr(node, "ndim", None) == 1 and node.dtype.kind in "iufbOSU":
            found[name] = stored.values(node, n, f"{key}/{name}")
    return found
