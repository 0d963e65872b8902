"""What is the same of a screen however it is divided: its levels as they read, its cells by group, and their means."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np
import pandas as pd

from genediff.data.importing.perturbation_names import read_perturbations
from genediff.data.importing.read_levels import kind_of_column
from genediff.data.importing.recipe import stored_recipe
from genediff.perturbation.task_config import ALL_CELLS

if TYPE_CHECKING:
    import scipy.sparse as sp

    from genediff.data.cells.dataset import Dataset
    from genediff.data.importing.perturbation_names import PerturbationLevels
    from genediff.perturbation.task_config import TaskConfig

_MOST_MEANS = 1000


@dataclass(frozen=True, eq=False)
class ScreenCells:
    """The cells of a data set by perturbation and context; those that lack either, or a part, are in none.

    Attributes
    ----------
    levels
        The perturbation column, read.
    rows
        Row numbers by label and context, sorted.
    split
        The part of each cell of the data set, (cell,) of str.
    """

    levels: PerturbationLevels
    rows: dict[tuple[str, str], np.ndarray]
    split: np.ndarray


@dataclass(eq=False)
class _Kept:
    screens: dict[tuple[str | None, ...], ScreenCells] = field(default_factory=dict)
    means: OrderedDict[bytes, np.ndarray] = field(default_factory=OrderedDict)


_kept: WeakKeyDictionary[Dataset, _Kept] = WeakKeyDictionary()


def screen_cells(dataset: Dataset, config: TaskConfig) -> ScreenCells:
    """Return the cells of a screen, read once for all divisions of a data set.

    Another gene on a page is another division of the same cells; to read 100,000 labels took half of its time.
    """
    known = _kept.setdefault(dataset, _Kept()).screens
    key = (config.column, config.control, config.context, config.mode)
    if key not in known:
        known[key] = _read(dataset, config)
    return known[key]


def mean_of_rows(x: sp.csr_matrix, rows: np.ndarray) -> np.ndarray:
    """Return the mean of some rows of x (cell, gene), (gene,) float64."""
    return np.asarray(x[rows].mean(axis=0, dtype=np.float64)).ravel()


def mean_of(dataset: Dataset, x: sp.csr_matrix, rows: np.ndarray) -> np.ndarray:
    """Return the same of x, the data set's; the latest thousand are kept."""
    known = _kept.setdefault(dataset, _Kept()).means
    key = hashlib.blake2b(np.asarray(rows, dtype=np.int64).tobytes(), digest_size=16).digest()
    found = known.get(key)
    if found is None:
        found = known[key] = mean_of_rows(x, rows)
        found.flags.writeable = False
        while len(known) > _MOST_MEANS:
            known.popitem(last=False)
    return found


def _read(dataset: Dataset, config: TaskConfig) -> ScreenCells:
    assert config.column is not None
    column = dataset.obs[config.column].astype("string")
    levels = read_perturbations(
        sorted(column.dropna().unique()), control=config.control, genes=dataset.genes,
        ids=tuple(dataset.gene_ids[place] for place in dataset.chosen), kind=kind_of_column(config.column),
        mode=config.mode, recipe=stored_recipe(dataset.info.folder, config.column),
    )  # fmt: skip
    label = column.map({level: p.label for level, p in levels.of.items()}).to_numpy(dtype=object, na_value=None)
    context = np.full(len(label), ALL_CELLS, dtype=object)
    if config.context:
        context = dataset.obs[config.context].astype("string").to_numpy(dtype=object, na_value=None)
    split = dataset.obs["split"].astype("string").to_numpy(dtype=object, na_value=None)
    codes, labels = pd.factorize(label)
    place, contexts = pd.factorize(context)
    usable = np.flatnonzero((codes >= 0) & (place >= 0) & ~pd.isna(split))
    both = codes[usable] * len(contexts) + place[usable]
    order = np.argsort(both, kind="stable")
    keys, starts = np.unique(both[order], return_index=True)
    parts = np.split(usable[order], starts[1:])
    rows = {
        (str(labels[key // len(contexts)]), str(contexts[key % len(contexts)])): part
        for key, part in zip(keys, parts, strict=True)
    }
    return ScreenCells(levels, rows, split)
