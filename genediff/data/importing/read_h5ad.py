"""Files as anndata writes them, and wrote them since 2017: tables of cells and genes, and where the matrices are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from genediff.data.importing.stored_file import attribute

if TYPE_CHECKING:
    from genediff.data.importing.stored_file import StoredFile
    from genediff.data.matrices.sparse_matrix import Matrix


def read_h5ad(stored: StoredFile) -> tuple[pd.DataFrame, dict[str, Matrix], dict[str, pd.DataFrame], list[str]]:
    """Return the table of cells, the matrices by place ("X", "layers/counts", "raw.X") and their genes, and notes.

    Raises
    ------
    InputError
        When a table cannot be read, or parts contradict one another.
    """
    notes: list[str] = []
    obs, var = read_frame(stored, "obs", notes), read_frame(stored, "var", [])
    matrices: dict[str, Matrix] = {}
    variables: dict[str, pd.DataFrame] = {}
    layers = stored.node("layers")
    for place in ("X", *(f"layers/{name}" for name in _leaves(stored, layers, ""))):
        if (matrix := stored.matrix(place)) is not None:
            matrices[place], variables[place] = matrix, var
    for raw_x, raw_var in (("raw/X", "raw/var"), ("raw.X", "raw.var")):
        if stored.node(raw_var) is not None and (matrix := stored.matrix(raw_x)) is not None:
            raw_frame = read_frame(stored, raw_var, [])
            # CELLxGENE keeps the symbols beside X only; the raw genes borrow them by id.
            missing = [column for column in var.columns if column not in raw_frame.columns]
            if missing and var.index.is_unique:
                raw_frame = raw_frame.join(var[missing].astype(object), how="left")
            matrices["raw.X"], variables["raw.X"] = matrix, raw_frame
    return obs, matrices, variables, notes


def _leaves(stored: StoredFile, group: Any, name: str, depth: int = 4) -> list[str]:
    """Return the names of matrices in a group, also of those whose names have slashes: "RNA/counts"."""
    if not hasattr(group, "keys"):
        return []
    found = []
    for key in group:
        node: Any = stored.node(key, group)
        plain = hasattr(node, "keys") and "encoding-type" not in node.attrs and "h5sparse_format" not in node.attrs
        found += _leaves(stored, node, f"{name}{key}/", depth - 1) if plain and depth else [f"{name}{key}"]
    return found


# --------------------------------------------------------------------------------------------------------- tables


def read_frame(stored: StoredFile, key: str, notes: list[str]) -> pd.DataFrame:
    """Read obs or var; columns that are no lists of numbers, texts or levels are left out, which a note says."""
    node: Any = stored.node(key)
    if node is None or not hasattr(node, "attrs"):
        raise stored.damaged(f"it has no table {key}")
    if hasattr(node, "dtype"):
        return _records(stored, node, key) if node.dtype.names else _overwritten(stored, node, key, notes)
    name = attribute(node, "_index")
    index = stored.node(name, node) if name else None
    if index is None:
        raise stored.damaged(f"the table {key} does not say which of its columns holds the names")
    n = _length(stored, index, key)
    names = _column(stored, node, index, n, f"{key}/{name}")
    if names is None:
        raise stored.damaged(f"the names of {key} cannot be read")
    columns: dict[str, Any] = {}
    left_out = []
    for column in _column_names(node, name):
        part = stored.node(column, node)
        if part is None:
            raise stored.damaged(f"the table {key} lacks its column {column!r}")
        if (values := _column(stored, node, part, n, f"{key}/{column}", column)) is None:
            left_out.append(column)
        else:
            columns[column] = values
    if left_out:
        notes.append(f"Columns of {key} that are not one value per cell were left out: {', '.join(left_out[:8])}.")
    return pd.DataFrame(columns, index=pd.Index(np.asarray(names, dtype=object)).astype(str))


def _column_names(node: Any, index: str) -> list[str]:
    order = node.attrs.get("column-order")
    named = list(node) if order is None else np.atleast_1d(np.asarray(order)).tolist()
    texts = (name.decode(errors="replace") if isinstance(name, bytes) else str(name) for name in named)
    return [name for name in dict.fromkeys(texts) if name not in (index, "__categories")]


def _length(stored: StoredFile, node: Any, key: str) -> int:
    inner = next((part for name in ("values", "codes") if (part := stored.node(name, node)) is not None), None)
    return stored.length(inner if hasattr(node, "keys") else node, f"the list of names of {key}")


def _column(stored: StoredFile, table: Any, node: Any, n: int, what: str, name: str = "") -> Any | None:
    """Return a column as an array or categories, None where it is of another kind."""
    if hasattr(node, "keys"):
        codes, categories = stored.node("codes", node), stored.node("categories", node)
        if codes is not None and categories is not None:
            return _levels(stored, codes, categories, n, what)
        values, mask = stored.node("values", node), stored.node("mask", node)
        if values is None or mask is None:
            return None
        array = stored.values(values, n, what).astype(object)
        array[stored.numbers(mask, n, what).astype(bool)] = None
        return pd.Series(array).convert_dtypes().array if values.dtype.kind in "iufb" else array
    if getattr(node, "ndim", None) != 1 or node.dtype.kind not in "iufbOSUT":
        return None
    if node.dtype.kind in "iu" and (categories := _old_categories(stored, table, node, name)) is not None:
        return _levels(stored, node, categories, n, what)
    return stored.values(node, n, what)


def _old_categories(stored: StoredFile, table: Any, node: Any, name: str) -> Any | None:
    """Return the categories of a column as anndata 0.7 and SeuratDisk (without the reference) write them."""
    return stored.node(f"__categories/{name}", table) if name and name != "__categories" else None


def _levels(stored: StoredFile, codes: Any, categories: Any, n: int, what: str) -> Any:
    if hasattr(categories, "keys"):  # nullable texts
        categories = stored.node("values", categories)
    levels = stored.values(categories, stored.length(categories, what), what)
    return _from_codes(stored, stored.numbers(codes, n, what), levels, what)


def _from_codes(stored: StoredFile, codes: np.ndarray, levels: np.ndarray, what: str) -> Any:
    if codes.dtype.kind not in "iu" or (len(codes) and not -1 <= codes.min() <= codes.max() < len(levels)):
        raise stored.damaged(f"{what} points to levels that it does not have")
    if pd.Index(levels).is_unique and not pd.isna(levels).any():
        return pd.Categorical.from_codes(codes.astype(np.int64), pd.Index(levels))
    return pd.Categorical(np.append(levels.astype(object), [None])[codes])


def _overwritten(stored: StoredFile, node: Any, key: str, notes: list[str]) -> pd.DataFrame:
    """Return a table of numbered rows for one that anndata itself lost: a column without a name is written over it."""
    if attribute(node, "encoding-type") not in ("array", "string-array"):
        raise stored.damaged(f"{key} is no table")
    n = stored.length(node, key)
    notes.append(f"The table {key} is lost: a column without a name was written over it. Rows are numbered.")
    return pd.DataFrame(index=pd.Index([str(row) for row in range(n)]))


def _records(stored: StoredFile, node: Any, key: str) -> pd.DataFrame:
    """Read a table as written before anndata 0.7: records, with the names of levels in uns."""
    frame = pd.DataFrame(stored.records(node, key))
    for column in frame.columns:
        values = frame[column]
        if values.dtype == object:
            frame[column] = [v.decode(errors="replace") if isinstance(v, bytes) else v for v in values]
        categories = stored.node(f"uns/{column}_categories")
        if categories is not None and values.dtype.kind in "iu":
            what = f"{key}/{column}"
            levels = stored.texts(categories, stored.length(categories, what), what)
            frame[column] = _from_codes(stored, values.to_numpy(), levels, what)
    index = next((name for name in ("index", "_index") if name in frame.columns), frame.columns[0])
    return frame.set_index(index).rename_axis(None).rename(index=str)
