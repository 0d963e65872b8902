"""What the Pathways page computes, kept for the next look; keys are ids and contents, never arrays."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st

from genediff.core.errors import InputError
from genediff.inspection.tokens.probe import some_rows
from genediff.ui.kit import caching, inspection_cache

if TYPE_CHECKING:
    from collections.abc import Callable

    from genediff.data import Dataset
    from genediff.inspection.groups.two_groups import Comparison
    from genediff.inspection.pathways.agreement import Agreement
    from genediff.inspection.pathways.explain_cell import Explained
    from genediff.inspection.tokens.input_attribution import InputAttribution
    from genediff.knowledge import GeneSets
    from genediff.models.model_info import ModelInfo

TOKENS, DECODED, CELLS = "tokens", "decoded", "cells"
MOST_NUMBERS = 20_000_000  # sets x cells that are scored
MOST_DECODED = 20_000  # cells
MOST_READ = 50_000  # cells of a large data set whose genes are read
SMALLEST = 5  # genes of a set that the data must have


@dataclass(frozen=True, eq=False)
class Scored:
    """How active sets are in cells, from one source.

    Attributes
    ----------
    source
        "tokens": the model's own tokens; "decoded": what the model decodes; "cells": the cells alone.
    sets
        The sets, by name in the order of the rows of ``values``.
    rows
        Positions of the cells in the data set's ``obs``, sorted, (cell,).
    values
        (set, cell)
    unit
        Of the values, in words.
    n_cells
        Of the data set.
    """

    source: str
    sets: GeneSets
    rows: np.ndarray
    values: np.ndarray
    unit: str
    n_cells: int

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the sets."""
        return tuple(self.sets.sets)

    @property
    def sampled(self) -> bool:
        """Whether these are not all cells."""
        return len(self.rows) < self.n_cells

    def of(self, name: str) -> np.ndarray:
        """Return the values of one set, (cell,)."""
        return np.asarray(self.values[self.names.index(name)])


def named_sets(info: ModelInfo) -> GeneSets | None:
    """Return the sets that tokens of a model stand for; None where none has such a name."""
    return inspection_cache.model(info).tokenizer.sets


def scored(info: ModelInfo, dataset: Dataset, source: str, collection: str) -> Scored:
    """Return how active sets are in the cells.

    Parameters
    ----------
    collection
        Which gene sets, by their id in the library; the model's tokens have their own.

    Raises
    ------
    InputError
        When the collection has no set with enough of the genes.
    """
    if source == TOKENS:
        sets = named_sets(info)
        assert sets is not None
        found = inspection_cache.activations(info, dataset)
        n = len(sets.sets)
        return Scored(source, sets, found.rows, found.values[:n], "contribution to its genes (logit)", found.n_cells)
    sets = sets_within(dataset if source == CELLS else None, info, collection)
    n_cells = dataset.info.n_cells
    most = min(MOST_NUMBERS // len(sets.sets), MOST_DECODED if source == DECODED else MOST_NUMBERS)
    if dataset.left_on_disk:
        most = min(most, MOST_READ)
    rows = some_rows(n_cells, most)
    if source == CELLS:
        place = caching.place(dataset.info, caching.workspace().library().item(collection))
        values = _scores_of_cells(place, dataset.info.content_hash, collection, dataset, sets, rows)
        return Scored(source, sets, rows, values, "set genes above the others (t value)", n_cells)

    def make(progress: Callable[[float], None]) -> np.ndarray:
        from genediff.inspection.pathways.decoded_sets import decoded_scores
        from genediff.inspection.tokens.inspected_cells import read_cells

        return decoded_scores(read_cells(inspection_cache.load(info), dataset), rows, sets, progress=progress)

    values = inspection_cache.measured("Decoding the cells", "decoded", info, dataset, make, collection)
    return Scored(source, sets, rows, values, "decoded expression of its genes (SD)", n_cells)


def sets_within(dataset: Dataset | None, info: ModelInfo, collection: str) -> GeneSets:
    """Return the sets of a collection within the genes of the data, or of the model; InputError without any."""
    genes = dataset.genes if dataset is not None else inspection_cache.model(info).genes
    kept = caching.workspace().library().gene_sets(collection).within(genes, smallest=SMALLEST)
    if not kept.sets:
        raise InputError(
            f"No set of {kept.title!r} has {SMALLEST} or more of the {len(genes):,} genes here; choose other gene sets."
        )
    return kept


def compared(
    scored: Scored, info: ModelInfo, dataset: Dataset, groups: tuple[str, ...], masks: tuple[np.ndarray, np.ndarray]
) -> Comparison | str:
    """Return the test between two groups, or the sentence that says why there is none.

    Parameters
    ----------
    groups
        What names the groups and all that the masks depend on.
    masks
        Which cells of the data set are in each group, bool (cell,).
    """
    key = (*inspection_cache.key(info, dataset), scored.source, scored.sets.title, *groups)
    # A selection may be deleted and another one get its name: the cells themselves are part of the key.
    marks = tuple(hashlib.sha256(np.packbits(mask).tobytes()).hexdigest() for mask in masks)
    return _compared(str(caching.workspace().root), key, marks, scored, dataset, masks)


def agreed(scored: Scored, info: ModelInfo, dataset: Dataset, kind: str) -> Agreement:
    """Return how activations agree with an independent score of the same sets."""
    label = dataset.info.label

    def make(progress: Callable[[float], None]) -> Agreement:
        from genediff.inspection.pathways.agreement import MOST_CELLS, agreement

        most = MOST_CELLS if len(scored.names) <= 300 else MOST_CELLS // 2
        some = some_rows(len(scored.rows), MOST_READ if dataset.left_on_disk else len(scored.rows))
        rows = scored.rows[some]
        codes = None if label is None else dataset.codes(label)[rows]
        values = scored.values if len(some) == len(scored.rows) else scored.values[:, some]
        effects = agreement(values, dataset.x_of(rows), scored.sets, dataset.genes, kind=kind, labels=codes, most=most,
                         progress=progress)  # fmt: skip
        return replace(effects, rows=some[effects.rows])

    found: Agreement = inspection_cache.measured(
        "Scoring sets without the model",
        "agreement",
        info,
        dataset,
        make,
        scored.source,
        scored.sets.title,
        kind,
    )
    return found


def driven(info: ModelInfo, dataset: Dataset, name: str) -> InputAttribution:
    """Return the genes that drive the activation of a token."""
    found = inspection_cache.activations(info, dataset)

    def make(progress: Callable[[float], None]) -> InputAttribution:
        from genediff.inspection.tokens.input_attribution import attribute_inputs
        from genediff.inspection.tokens.inspected_cells import read_cells

        return attribute_inputs(
            read_cells(inspection_cache.load(info), dataset), found.loadings, found.names.index(name)
        )

    made: InputAttribution = inspection_cache.measured(
        "Measuring which genes move the token", "drivers", info, dataset, make, name, alone=True
    )
    return made


def explained(info: ModelInfo, dataset: Dataset, row: int) -> Explained:
    """Return one cell explained by its tokens."""
    found = inspection_cache.activations(info, dataset)

    def make(progress: Callable[[float], None]) -> Explained:
        from genediff.inspection.pathways.explain_cell import explain_cell
        from genediff.inspection.tokens.inspected_cells import read_cells

        return explain_cell(read_cells(inspection_cache.load(info), dataset), found.loadings, row)

    made: Explained = inspection_cache.measured(
        "Adding tokens one by one", "explained", info, dataset, make, row, alone=True
    )
    return made


@st.cache_resource(max_entries=4, show_spinner="Scoring the sets …")
def _scores_of_cells(
    place: str, content: str, collection: str, _dataset: Dataset, _sets: GeneSets, _rows: np.ndarray
) -> Any:
    from genediff.inspection.pathways.set_scores import score_sets

    return score_sets("ulm", _dataset.x_of(_rows), _sets, _dataset.genes)


@st.cache_data(max_entries=64, show_spinner="Comparing the groups …")
def _compared(
    home_folder: str,
    key: tuple[str, ...],
    marks: tuple[str, ...],
    _scored: Scored,
    _dataset: Dataset,
    _masks: tuple[np.ndarray, np.ndarray],
) -> Comparison | str:
    from genediff.inspection.groups.two_groups import compare_groups

    batch = _dataset.info.batch
    codes = None if batch is None else _dataset.obs[batch].astype("category").cat.codes.to_numpy()[_scored.rows]
    first, second = (mask[_scored.rows] for mask in _masks)
    try:
        return compare_groups(_scored.values, first, second, _scored.names, replicates=codes)
    except InputError as error:
        return str(error)
