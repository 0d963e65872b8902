"""What the obs columns of a file are, and which of them look like labels, batches, perturbations or a split."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from genediff.data.cells.split import reads_as_split
from genediff.data.importing.gene_ids import make_unique
from genediff.data.importing.read_levels import kind_of_column

Kind = Literal["levels", "numbers", "identifiers", "one value"]
RESERVED = ("split", "library", "qc_total", "qc_genes", "qc_mito")
_NO_VALUE = {"", "nan", "NaN", "NA", "N/A", "None", "<NA>", "null"}
_MAX_SHOWN = 30

_LABEL = (
    r"^cell_?types?$",
    r"cell_?type",
    r"cell_ontology",
    r"annotation",
    r"bulk_labels",
    r"^labels?$",
    r"cell_?class|subclass|cell_?state|cell_?identity",
    r"^cluster|leiden|louvain|seurat_clusters",
)
_BATCH = (
    r"^batch",
    r"^gem_?group$",
    r"batch",
    r"^(donor|patient|subject|individual)",
    r"^sample",
    r"^(bio|tech)?_?rep(licate)?(_|$)",
    r"orig\.?ident",
    r"^(library|lane|channel|pool|chip|plate|run)(_?id)?$",
    r"^(dataset|study)(_?id)?$",
)
_LEAVE_OUT = re.compile(
    r"^(filtered([-_ ]?out)?|doublets?|multiplets?|low[-_ ]?quality|debris|removed?|excluded?|qc[-_ ]?fail(ed)?)$",
    re.IGNORECASE,
)
_SPLIT = re.compile(r"^(split|set|partition|fold|train_?test|data_?split)", re.IGNORECASE)


@dataclass(frozen=True)
class ObsColumn:
    """One obs column: its kind, how many levels and missing values; the commonest levels with their cells."""

    name: str
    kind: Kind
    n_levels: int
    n_missing: int
    levels: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Proposal:
    """Columns that look fit for a role, or None; levels of the label that look like cells to leave out."""

    label: str | None
    batch: str | None
    perturbation: str | None
    control: str | None
    split_column: str | None
    exclude_levels: tuple[str, ...]


def clean_obs(obs: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Bring obs into plain form: text as categories, missing values as missing, unique cell names.

    Returns
    -------
    tuple
        The table, and sentences on what was changed.
    """
    notes = []
    names, changed = make_unique([str(name) for name in obs.index])
    if changed:
        notes.append(f"{changed:,} cells had a name that others have too; they were numbered.")
    clean: dict[str, pd.Series] = {}
    for position, original in enumerate(obs.columns):
        name = str(original).replace("/", "_")
        while name in RESERVED or name in clean:
            name += "_in_file"
        if name != str(original):
            notes.append(f"The obs column {original!r} is called {name!r} here.")
        clean[name] = _clean_column(obs.iloc[:, position])
    return pd.DataFrame({name: column.to_numpy() if column.dtype != "category" else column.array
                         for name, column in clean.items()}, index=pd.Index(names, name=None)), notes  # fmt: skip


def _clean_column(column: pd.Series) -> pd.Series:
    if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
        if pd.api.types.is_extension_array_dtype(column.dtype):
            return pd.Series(column.to_numpy(dtype=np.float64, na_value=np.nan))
        return column
    return as_levels(column)


def as_levels(column: pd.Series) -> pd.Series:
    """Turn a column into categories of text; empty text and "nan" count as missing, whole floats lose their ".0".

    "None" is a level where the column speaks of treatments: the cells that were given nothing.
    """
    if pd.api.types.is_float_dtype(column.dtype):
        values = column.to_numpy(dtype=np.float64, na_value=np.nan)
        if (np.isnan(values) | (values == np.rint(values))).all():
            column = pd.Series(values).astype("Int64")
    categorical = pd.Categorical(column)
    text = [str(level).strip() for level in categorical.categories]
    no_value = _NO_VALUE - {"None"} if kind_of_column(str(column.name)) == "drug" else _NO_VALUE
    kept = sorted({level for level in text if level not in no_value})
    number = {level: code for code, level in enumerate(kept)}
    recode = np.array([*(number.get(level, -1) for level in text), -1])
    codes = recode[categorical.codes]
    used = np.unique(codes[codes >= 0])
    renumber = np.full(len(kept) + 1, -1)
    renumber[used] = np.arange(len(used))
    return pd.Series(pd.Categorical.from_codes(renumber[codes], [kept[code] for code in used]), name=column.name)


def describe(obs: pd.DataFrame) -> tuple[ObsColumn, ...]:
    """Describe every column of a clean obs table."""
    return tuple(_describe(name, obs[name]) for name in obs.columns)


def _describe(name: str, column: pd.Series) -> ObsColumn:
    n, n_missing = len(column), int(column.isna().sum())
    numeric = column.dtype != "category"
    n_levels = int(column.nunique())
    whole = numeric and n_levels <= min(50, max(2, n // 10)) and bool((column.dropna() == column.dropna() // 1).all())
    kind: Kind = "levels"
    if n_levels <= 1:
        kind = "one value"
    elif numeric and not whole:
        kind = "numbers"
    elif n_levels > max(50, n // 2):
        kind = "identifiers"
    common: tuple[tuple[str, int], ...] = ()
    if kind in ("levels", "one value"):
        sizes = as_levels(column).value_counts().head(_MAX_SHOWN)
        common = tuple((str(level), int(size)) for level, size in sizes.items())
    return ObsColumn(name, kind, n_levels, n_missing, common)


def propose(columns: tuple[ObsColumn, ...], *, perturbation: str | None = None, control: str | None = None) -> Proposal:
    """Propose a role for columns by their names and levels, beside the perturbations found before."""
    usable = [column for column in columns if column.kind == "levels"]
    split = next(
        (c.name for c in usable if _SPLIT.match(c.name) and reads_as_split(level for level, _ in c.levels)), None
    )
    usable = [column for column in usable if column.name != split]
    rest = [column for column in usable if column.name != perturbation]
    label = _first(rest, _LABEL, most=300)
    batch = _first([column for column in rest if column.name != label], _BATCH, most=500)
    label = label or perturbation
    levels = next((column.levels for column in columns if column.name == label), ())
    leave_out = tuple(level for level, _ in levels if _LEAVE_OUT.match(level))
    return Proposal(label, batch, perturbation, control, split, leave_out)


def _first(columns: list[ObsColumn], patterns: tuple[str, ...], *, most: int) -> str | None:
    for pattern in patterns:
        for column in columns:
            if re.search(pattern, column.name, re.IGNORECASE) and column.n_levels <= most:
                return column.name
    return None
