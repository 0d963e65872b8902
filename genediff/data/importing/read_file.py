"""Files of cells as they come: h5ad in its dialects, the same as a zarr folder, 10x .h5, loom, tables of text."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from genediff.core.errors import InputError
from genediff.data.importing.global_heaps import has_endless_heap
from genediff.data.importing.read_h5ad import read_h5ad
from genediff.data.importing.read_table import read_table
from genediff.data.importing.read_tenx import read_loom, read_molecules, read_tenx, tenx_groups
from genediff.data.importing.stored_file import StoredFile
from genediff.data.matrices.sparse_matrix import damaged

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

    import pandas as pd

    from genediff.data.importing.read_table import Rows
    from genediff.data.matrices.sparse_matrix import Matrix

TABLES = tuple(ending + packed for packed in ("", ".gz") for ending in (".csv", ".tsv", ".txt", ".gct"))
SUFFIXES = (".h5ad", ".h5", ".loom", ".h5mu", *TABLES)
FOLDER = ".zarr"
"""What the name of a folder of cells ends in."""
READ = "an .h5ad, 10x .h5, .loom, .h5mu, .csv or .tsv file"
"""What is read, for sentences."""
_OTHERS = {
    (".rds", ".rda", ".rdata", ".robj"): "an R object; write it as .h5ad in R (anndataR, zellkonverter)",
    (".h5seurat",): "a SeuratDisk file; write it as .h5ad in R (SeuratDisk::Convert, or anndataR)",
    (".mtx", ".mtx.gz"): "one of three files of a matrix; read the folder with scanpy.read_10x_mtx and write an .h5ad",
    (".xlsx", ".xls", ".ods"): "a spreadsheet; save it as .csv",
    (".parquet", ".feather", ".arrow"): "a table for data frames; write its counts as .h5ad or .csv",
    (".zip", ".tar", ".tar.gz", ".tgz", ".7z", ".rar", ".bz2", ".xz", ".zst"): "an archive; unpack it first",
    (".fastq", ".fastq.gz", ".fq.gz", ".bam", ".cram"): "sequencing reads; count them first (Cell Ranger, STARsolo)",
}
"""What other files are, and what to do."""


@dataclass(eq=False)
class CellFile:
    """An open file: ``obs`` (cells), and per place ("X", "layers/counts", "raw.X") a matrix and its genes.

    Matrices stay on disk where the format allows it; use it as a context manager. ``stored`` is the open HDF5 file or
    zarr folder, None for tables.
    """

    path: Path
    format: str
    obs: pd.DataFrame
    matrices: dict[str, Matrix]
    var: dict[str, pd.DataFrame]
    notes: list[str] = field(default_factory=list)
    stored: StoredFile | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.stored is not None:
            self.stored.close()


def read_cells(
    path: str | Path, *, rows: Rows | None = None, progress: Callable[[float, str], None] | None = None
) -> CellFile:
    """Open a file of cells; matrices in HDF5 files and zarr folders are left on disk.

    Parameters
    ----------
    path
        ``.h5ad``, a ``.zarr`` folder as anndata writes it, 10x ``.h5``, ``.loom``, ``.h5mu`` (its modality ``rna``), or
        a table (``.csv``, ``.tsv``, ``.txt``, ``.gct``, also ``.gz``).
    rows
        What the rows of a table are; found out unless given.
    progress
        Called with (share done, what is being done); only tables take long here.

    Raises
    ------
    InputError
        When the file is missing, empty, cut short, of another format, contradicts itself, leads to other files, or
        holds no matrix of cells and genes.
    """
    path = Path(path)
    kind = _kind(path)
    if progress is not None:
        progress(0.0, f"Opening {path.name}")
    try:
        cells = (
            CellFile(path, "table", *read_table(path, rows))
            if kind == "table"
            else _read_zarr(path)
            if kind == "zarr"
            else _read_hdf5(path)
        )
    except InputError:
        raise
    except MemoryError:
        raise InputError(f"There is not enough memory to open {path.name}.") from None
    except Exception as error:  # libraries raise whatever damage makes them stumble over
        raise InputError(
            f"{path.name} cannot be read: it is damaged, or was written in a way that is not known here "
            f"({type(error).__name__}); write it again with a current anndata."
        ) from error
    try:
        _check_shape(cells)
    except InputError:
        cells.__exit__(None, None, None)
        raise
    return cells


def _kind(path: Path) -> str:
    """Return which reader a path is for, by its name and what is there."""
    name = path.name.lower()
    if not path.exists():
        raise InputError(f"There is no file {path.name} at {path.parent}; check the path.")
    if path.is_dir():
        if not name.endswith(FOLDER):
            raise InputError(f"{path.name} is a folder; give the path of {READ}, or of a .zarr folder.")
        return "zarr"
    if not path.is_file():
        raise InputError(f"{path.name} is no file; give {READ}.")
    if not os.access(path, os.R_OK):
        raise InputError(f"{path.name} may not be read by this user; change its permissions.")
    if path.stat().st_size == 0:
        raise InputError(f"{path.name} is empty (0 bytes); the download or copy probably failed, so get it again.")
    for endings, what in _OTHERS.items():
        if name.endswith(endings):
            raise InputError(f"{path.name} is {what}.")
    if not name.endswith(SUFFIXES):
        raise InputError(f"{path.name} is of no format that is read here; give {READ}.")
    return "table" if name.endswith(TABLES) else "hdf5"


def _check_shape(cells: CellFile) -> None:
    name = cells.path.name
    if not cells.matrices:
        raise InputError(
            f"{name} holds no matrix of real numbers for cells and genes (in X, layers or raw); export it again."
        )
    for where, matrix in cells.matrices.items():
        if matrix.shape != (len(cells.obs), len(cells.var[where])):
            raise InputError(
                f"{name} is damaged: {where} has {matrix.shape[0]:,} x {matrix.shape[1]:,} values for "
                f"{len(cells.obs):,} cells and {len(cells.var[where]):,} genes."
            )
    n_cells = len(cells.obs)
    n_genes = max(matrix.shape[1] for matrix in cells.matrices.values())
    if n_cells == 0 or n_genes == 0:
        raise InputError(f"{name} holds {n_cells:,} cells and {n_genes:,} genes, so there is nothing to import.")


def _read_hdf5(path: Path) -> CellFile:
    import h5py

    if has_endless_heap(path):
        raise damaged(path.name, "a list of its texts does not end")
    try:
        handle = h5py.File(path, "r", locking=False)
    except OSError as error:
        if "truncated" in str(error):
            raise InputError(
                f"{path.name} is cut short: the file is smaller than it says; copy or download it again."
            ) from None
        raise InputError(
            f"{path.name} is not an HDF5 file, so it is no .h5ad and no 10x .h5, whatever its name says."
        ) from None
    stored = StoredFile(handle, path)
    try:
        return _contents(path, stored)
    except BaseException:
        handle.close()
        raise


def _contents(path: Path, stored: StoredFile) -> CellFile:
    if stored.node("mod") is not None:  # MuData: one AnnData per modality
        stored.top = next((f"mod/{name}" for name in ("rna", "gex", "RNA") if stored.node(f"mod/{name}")), "")
    if stored.node("obs") is not None and stored.node("var") is not None:
        return CellFile(path, "h5ad", *read_h5ad(stored), stored)
    if groups := tenx_groups(stored):
        return CellFile(path, "10x h5", *read_tenx(stored, groups), stored)
    if stored.node("row_attrs") is not None and stored.node("col_attrs") is not None:
        return CellFile(path, "loom", *read_loom(stored), stored)
    if stored.node("barcode_idx") is not None:
        return CellFile(path, "10x molecules", *read_molecules(stored), stored)
    if stored.node("matrix/barcodes") is not None:
        raise stored.damaged("its 10x matrix is incomplete")
    raise InputError(
        f"{path.name} is an HDF5 file, but neither an .h5ad nor a 10x .h5 nor a loom file (it has no obs and var)."
    )


def _read_zarr(path: Path) -> CellFile:
    import zarr

    try:
        stored = StoredFile(zarr.open_group(path, mode="r"), path)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"{path.name} is no zarr folder that can be read ({type(error).__name__}); write it again with "
            "anndata's write_zarr, and copy it with all that is in it."
        ) from None
    if stored.node("obs") is None or stored.node("var") is None:
        raise InputError(f"{path.name} is a zarr folder, but not one of cells and genes (it has no obs and var).")
    return CellFile(path, "zarr", *read_h5ad(stored), stored)
