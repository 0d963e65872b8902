"""Files of cells as they come: h5ad in its dialects, the same as a zarr folder, 10x .h5, tables of text."""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from genediff.data.genes import looks_like_genes
from genediff.data.matrix import DiskDense, DiskSparse, Matrix, MemoryMatrix
from genediff.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

TABLES = (".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz", ".txt.gz")
SUFFIXES = (".h5ad", ".h5", *TABLES)
FOLDER = ".zarr"
"""What the name of a folder of cells ends in."""
_MAX_TABLE_BYTES = 2_000_000_000


@dataclass(eq=False)
class CellFile:
    """An open file: ``obs`` (cells), and per place ("X", "layers/counts", "raw.X") a matrix and its genes.

    Matrices stay on disk where the format allows it; use it as a context manager.
    """

    path: Path
    format: str
    obs: pd.DataFrame
    matrices: dict[str, Matrix]
    var: dict[str, pd.DataFrame]
    notes: list[str] = field(default_factory=list)
    _handle: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._handle is not None:
            self._handle.close()


def read_cells(path: str | Path, *, progress: Callable[[float, str], None] | None = None) -> CellFile:
    """Open a file of cells; matrices in h5ad files and zarr folders are left on disk.

    Parameters
    ----------
    path
        ``.h5ad``, a ``.zarr`` folder as anndata writes it, 10x ``.h5``, or a table (``.csv``, ``.tsv``, ``.txt``, also
        ``.gz``).
    progress
        Told (share done, what is being done); only tables and 10x files take long here.

    Raises
    ------
    InputError
        When the file is missing, empty, cut short, of another format, or holds no matrix of cells and genes.
    """
    path = Path(path)
    name = path.name.lower()
    if not path.exists():
        raise InputError(f"There is no file {path.name} at {path.parent}; check the path.")
    folder = path.is_dir()
    if folder and not name.endswith(FOLDER):
        raise InputError(
            f"{path.name} is a folder; give the path of an .h5ad, 10x .h5, .csv or .tsv file, or of a .zarr folder."
        )
    if not os.access(path, os.R_OK):
        raise InputError(f"{path.name} may not be read by this user; change its permissions.")
    if folder:
        cells = _read_zarr(path)
        _check_shape(cells)
        return cells
    if path.stat().st_size == 0:
        raise InputError(f"{path.name} is empty (0 bytes); the download or copy probably failed, so get it again.")
    if not name.endswith(SUFFIXES):
        raise InputError(f"{path.name} is of no format that is read here; give an .h5ad, 10x .h5, .csv or .tsv file.")
    if progress is not None:
        progress(0.0, f"Opening {path.name}")
    cells = _read_table(path) if name.endswith(TABLES) else _read_hdf5(path)
    _check_shape(cells)
    return cells


def files_of(path: Path) -> list[Path]:
    """Return a file as a list of one, or all files of a folder in an order that depends on their names alone."""
    return sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]


def size_of(path: Path) -> int:
    """Return the bytes of a file, or of all files of a folder."""
    return sum(file.stat().st_size for file in files_of(path))


def _check_shape(cells: CellFile) -> None:
    name = cells.path.name
    if not cells.matrices:
        raise InputError(f"{name} holds no matrix of cells and genes (no X, no layers, no raw); export it again.")
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


# ---------------------------------------------------------------------------------------------------------- HDF5


def _read_hdf5(path: Path) -> CellFile:
    import h5py

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
    try:
        if "obs" in handle and "var" in handle:
            return _read_h5ad(path, handle)
        tenx = "matrix" in handle or any("barcodes" in group for group in handle.values() if hasattr(group, "keys"))
    except (OSError, RuntimeError, KeyError):
        handle.close()
        raise InputError(f"{path.name} is damaged: its contents cannot be read; copy or download it again.") from None
    except BaseException:
        handle.close()
        raise
    handle.close()
    if tenx:
        return _read_10x(path)
    raise InputError(f"{path.name} is an HDF5 file, but neither an .h5ad nor a 10x .h5 (it has no obs and var).")


def _read_zarr(path: Path) -> CellFile:
    import zarr

    try:
        handle = zarr.open_group(path, mode="r")
        if "obs" not in handle or "var" not in handle:
            raise InputError(f"{path.name} is a zarr folder, but not one of cells and genes (it has no obs and var).")
        return _read_h5ad(path, handle, "zarr")
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"{path.name} is no zarr folder that can be read ({type(error).__name__}); write it again with "
            "anndata's write_zarr, and copy it with all that is in it."
        ) from None


def _read_h5ad(path: Path, handle: Any, kind: str = "h5ad") -> CellFile:
    obs, var = _frame(handle, "obs"), _frame(handle, "var")
    matrices: dict[str, Matrix] = {}
    variables: dict[str, pd.DataFrame] = {}
    if (matrix := _matrix(handle, "X")) is not None:
        matrices["X"], variables["X"] = matrix, var
    for layer in handle.get("layers", ()):
        if (matrix := _matrix(handle, f"layers/{layer}")) is not None:
            matrices[f"layers/{layer}"], variables[f"layers/{layer}"] = matrix, var
    for raw_x, raw_var in (("raw/X", "raw/var"), ("raw.X", "raw.var")):
        if raw_x in handle and raw_var in handle and (matrix := _matrix(handle, raw_x)) is not None:
            raw_frame = _frame(handle, raw_var)
            # CELLxGENE keeps the symbols beside X only; the raw genes borrow them by id.
            missing = [column for column in var.columns if column not in raw_frame.columns]
            if missing and var.index.is_unique:
                raw_frame = raw_frame.join(var[missing].astype(object), how="left")
            matrices["raw.X"], variables["raw.X"] = matrix, raw_frame
    return CellFile(path, kind, obs, matrices, variables, _handle=handle if kind == "h5ad" else None)


def _matrix(handle: Any, key: str) -> Matrix | None:
    if key not in handle:
        return None
    node = handle[key]
    if hasattr(node, "dtype"):  # an array of HDF5 or zarr, not a group
        return DiskDense(node) if node.ndim == 2 and node.dtype.kind in "iufb" else None
    attrs = node.attrs
    encoding = str(attrs.get("encoding-type", "")) or str(attrs.get("h5sparse_format", ""))
    layout = encoding.removesuffix("_matrix")
    shape = attrs.get("shape", attrs.get("h5sparse_shape"))
    if layout in ("csr", "csc"):
        _need_all_chunks(node)
    if layout not in ("csr", "csc") or shape is None or not {"data", "indices", "indptr"} <= set(node):
        return None
    return DiskSparse(node, layout, (int(shape[0]), int(shape[1])))


def _need_all_chunks(node: Any) -> None:
    """Refuse a sparse zarr matrix that lacks files: zarr reads them as zeros, and no stored value is zero."""
    for name in ("data", "indices"):
        array = node.get(name)
        stored, expected = getattr(array, "nchunks_initialized", 0), getattr(array, "nchunks", 0)
        if array is not None and stored < expected:
            raise InputError(
                f"The folder is damaged: {expected - stored} of the {expected} parts of {node.name.strip('/')}/{name} "
                "are missing; copy it again."
            )


def _frame(handle: Any, key: str) -> pd.DataFrame:
    """Read obs or var, also as written before anndata 0.7 (a table of records, categories in uns)."""
    import h5py

    node = handle[key]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if isinstance(node, h5py.Dataset):
            return _old_frame(handle, node)
        from anndata.io import read_elem

        try:
            frame = read_elem(node)
        except Exception as error:  # noqa: BLE001 anndata wraps whatever h5py or numpy say into its own kinds
            raise InputError(
                f"The table {key} of the file cannot be read ({type(error).__name__}); write the file again with "
                "a current anndata."
            ) from None
    if not isinstance(frame, pd.DataFrame):
        raise InputError(f"The table {key} of the file is not a table of cells or genes; write the file again.")
    frame.index = frame.index.astype(str)
    return frame


def _old_frame(handle: Any, node: Any) -> pd.DataFrame:
    frame = pd.DataFrame(node[()])
    for column in frame.columns:
        if frame[column].dtype == object:
            frame[column] = [value.decode() if isinstance(value, bytes) else value for value in frame[column]]
        categories = handle.get(f"uns/{column}_categories")
        if categories is not None and frame[column].dtype.kind in "iu":
            levels = [value.decode() if isinstance(value, bytes) else value for value in np.atleast_1d(categories[()])]
            frame[column] = pd.Categorical.from_codes(frame[column].to_numpy(), levels)
    index = next((name for name in ("index", "_index") if name in frame.columns), frame.columns[0])
    return frame.set_index(index).rename_axis(None).rename(index=str)


def _read_10x(path: Path) -> CellFile:
    import scanpy as sc

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            cells = sc.read_10x_h5(path)
        except Exception as error:  # noqa: BLE001 scanpy passes on whatever h5py says
            raise InputError(
                f"{path.name} looks like a 10x .h5 but cannot be read ({type(error).__name__}); "
                "give the filtered_feature_bc_matrix.h5 of Cell Ranger."
            ) from None
    return CellFile(path, "10x h5", cells.obs, {"X": MemoryMatrix(cells.X)}, {"X": cells.var})


# --------------------------------------------------------------------------------------------------------- tables


def _read_table(path: Path) -> CellFile:
    import scanpy as sc

    if path.stat().st_size > _MAX_TABLE_BYTES:
        raise InputError(f"{path.name} is too large for a table of text; convert it to .h5ad (sparse) first.")
    comma = ".csv" in path.name.lower()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            table = (
                sc.read_csv(path, first_column_names=True)
                if comma
                else sc.read_text(path, delimiter="\t", first_column_names=True)
            )
        except Exception:  # noqa: BLE001 the readers raise anything from UnicodeDecodeError to IndexError
            raise InputError(
                f"{path.name} cannot be read as a table of numbers: it needs one row per cell, one column per gene, "
                "names in the first row and column, and only numbers elsewhere."
            ) from None
    notes = []
    if looks_like_genes(list(table.obs_names)) > looks_like_genes(list(table.var_names)):
        table = table.T
        notes.append("The table has one row per gene, so it was turned round.")
    return CellFile(path, "table", table.obs, {"X": MemoryMatrix(table.X)}, {"X": table.var}, notes)
