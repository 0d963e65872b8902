"""Which obs columns of a data set can colour a map, under names that people read, and their values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from genediff.plots import palettes

if TYPE_CHECKING:
    from genediff.data import Dataset

MOST_LEVELS = 60
TITLES = {
    "qc_total": "Counts per cell (all genes)",
    "qc_genes": "Genes detected per cell",
    "qc_mito": "Mitochondrial counts (%)",
    "library": "Counts per cell (selected genes)",
    "split": "Split: train, validation, test",
}


@dataclass(frozen=True)
class Columns:
    """Names of obs columns that hold classes, and of those that hold numbers."""

    classes: tuple[str, ...]
    numbers: tuple[str, ...]


def colour_columns(dataset: Dataset) -> Columns:
    """Sort a data set's obs columns into classes and numbers; the label comes first, identifiers are left out."""
    obs, info = dataset.obs, dataset.info
    classes, numbers = [], []
    for name in obs.columns:
        column = obs[name]
        if column.dtype.kind in "fiu":
            numbers.append(name)
        elif 1 <= column.nunique() <= MOST_LEVELS:
            classes.append(name)
    roles = (info.label, info.perturbation, *info.conditions, info.batch)
    first = [name for name in roles if name is not None and name in classes]
    quality = [name for name in ("qc_total", "qc_genes", "qc_mito", "library") if name in numbers]
    return Columns(tuple(dict.fromkeys([*first, *classes])), tuple(dict.fromkeys([*quality, *numbers])))


def title(column: str) -> str:
    """Return what a column is called on a page."""
    return TITLES.get(column, column)


def classes(dataset: Dataset, column: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return the class of each cell as a place in the sorted levels, (cell,), -1 for none; and the levels."""
    info = dataset.info
    found: tuple[np.ndarray, tuple[str, ...]] = _classes(str(info.folder), info.content_hash, column, dataset)
    return found


def levels(dataset: Dataset) -> dict[str, tuple[str, int]]:
    """Return every class of every column as "column: class", with its column and its place there.

    Cells without a label are a class of their own, in place -1.
    """
    found: dict[str, tuple[str, int]] = {}
    for column in colour_columns(dataset).classes:
        codes, names = classes(dataset, column)
        found |= {f"{column}: {name}": (column, place) for place, name in enumerate(names)}
        if (codes < 0).any():
            found[f"{column}: {palettes.NO_LABEL}"] = (column, -1)
    return found


def colours(dataset: Dataset, column: str | None) -> dict[str, str]:
    """Return the colour of each level of a column: the same on every plot of the data set, whatever levels it shows."""
    return {} if column is None else palettes.for_levels([*classes(dataset, column)[1], palettes.NO_LABEL])


def numbers(dataset: Dataset, column: str) -> np.ndarray:
    """Return a column of numbers as float32 (cell,)."""
    return dataset.obs[column].to_numpy(dtype=np.float32, na_value=np.nan)


def gene(dataset: Dataset, name: str, *, as_models: bool = False) -> np.ndarray:
    """Return the log-normalised values of a gene, float32 (cell,), kept for the next look; see `gene_values`."""
    return _gene(str(dataset.info.folder), dataset.info.content_hash, name, as_models, dataset)


@st.cache_data(max_entries=64, show_spinner=False)
def _classes(folder: str, content: str, column: str, _dataset: Dataset) -> tuple[np.ndarray, tuple[str, ...]]:
    # Sorting the words of 100,000 cells takes a tenth of a second, several times on a page.
    category = _dataset.obs[column].astype("category").cat
    return category.codes.to_numpy(), tuple(str(level) for level in category.categories)


@st.cache_data(max_entries=64, show_spinner=False)
def _gene(folder: str, content: str, name: str, as_models: bool, _dataset: Dataset) -> np.ndarray:
    return _dataset.gene_values(name, as_models=as_models)
