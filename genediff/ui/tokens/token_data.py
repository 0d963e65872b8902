"""What the Tokens page computes, kept for the next look; keys are ids and contents, never arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import streamlit as st

from genediff.ui.kit import caching, inspection_cache, obs_columns

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from genediff.data import Dataset
    from genediff.inspection.tokens.inactive_tokens import InactiveTokens
    from genediff.inspection.tokens.inspectable import Kind
    from genediff.inspection.tokens.naming_controls import Control
    from genediff.inspection.tokens.output_effects import OutputEffects
    from genediff.inspection.tokens.token_space import Points
    from genediff.inspection.tokens.token_store import Activations
    from genediff.models.model_info import ModelInfo
    from genediff.tokenizers.hybrid import Explained

MOST_ASKED = 128  # tokens that are all asked which genes they drive; of more tokens one at a time
MOST_COMPARED = 1024  # cells over which tokens are compared with one another


@dataclass(frozen=True, eq=False)
class Subject:
    """The model and the cells that the page is about, and what each of its tokens says of each cell."""

    info: ModelInfo
    dataset: Dataset
    found: Activations
    kinds: tuple[Kind, ...]

    @property
    def free(self) -> tuple[int, ...]:
        """Positions of the tokens that have no name yet."""
        return tuple(i for i, kind in enumerate(self.kinds) if kind == "free")

    @property
    def asked(self) -> tuple[int, ...]:
        """Positions of the tokens that are all asked which genes they drive: all, where they are few; the free ones."""
        if len(self.kinds) <= MOST_ASKED:
            return tuple(range(len(self.kinds)))
        return self.free[:MOST_ASKED]


def subject(info: ModelInfo, dataset: Dataset) -> Subject:
    """Return what the page is about; measures the tokens of all cells at the first look."""
    found = inspection_cache.activations(info, dataset)
    return Subject(info, dataset, found, _kinds(str(info.folder), info.created, info))


def output_effects(one: Subject, tokens: tuple[int, ...] | None = None) -> OutputEffects:
    """Return which genes tokens drive: those that are all asked, or the ones given."""
    info, dataset, found, asked = one.info, one.dataset, one.found, one.asked if tokens is None else tokens

    def make(progress: Any) -> OutputEffects:
        from genediff.inspection.tokens.inspected_cells import read_cells
        from genediff.inspection.tokens.output_effects import measure_output_effects as measure

        return measure(read_cells(inspection_cache.load(info), dataset), found, asked, progress=progress)

    words = "Measuring the effects of tokens on genes"
    effects: OutputEffects = inspection_cache.measured(words, "drives", info, dataset, make, asked, alone=True)
    return effects


def enrichment(one: Subject, effects: OutputEffects, collection: str) -> pd.DataFrame | None:
    """Return how both ends of the tokens in ``effects`` agree with a collection; None until it is there."""
    sets = caching.workspace().library().gene_sets(collection)

    def make(progress: Any) -> pd.DataFrame:
        from genediff.inspection.tokens.token_naming import enrich_lists, lists_of

        return enrich_lists(lists_of(effects), sets, effects.genes, progress=progress)

    asked = tuple(effects.tokens.tolist())
    table: pd.DataFrame | None = inspection_cache.measured(
        "Testing for enriched gene sets", "enrichment", one.info, one.dataset, make, collection, asked, wait=False
    )
    return table


def controls(one: Subject, effects: OutputEffects, collection: str) -> tuple[Control, ...]:
    """Return how many token ends get a name, beside what should or could not."""
    sets = caching.workspace().library().gene_sets(collection)

    def make(progress: Any) -> tuple[Control, ...]:
        from genediff.inspection.tokens.naming_controls import name_controls

        return name_controls(effects, sets, progress=progress)

    asked = tuple(effects.tokens.tolist())
    rows: tuple[Control, ...] = inspection_cache.measured(
        "Testing mixtures, shuffled sets and random genes", "name controls", one.info, one.dataset, make,
        collection, asked,
    )  # fmt: skip
    return rows


def cell_points(one: Subject) -> Points:
    """Return where cells lie in token space."""
    found = one.found

    def make(progress: Any) -> Points:
        from genediff.inspection.tokens.token_space import cells_as_points

        return cells_as_points(found)

    points: Points = inspection_cache.measured(
        "Principal components of token space", "cell points", one.info, one.dataset, make, alone=True
    )
    return points


def ranked(one: Subject) -> np.ndarray:
    """Return which gene stands at each rank, (cell, rank), for models of ranks."""
    info, dataset = one.info, one.dataset

    def make(progress: Any) -> np.ndarray:
        from genediff.inspection.tokens.at_rank import ranked_genes
        from genediff.inspection.tokens.inspected_cells import read_cells

        return ranked_genes(read_cells(inspection_cache.load(info), dataset))

    genes: np.ndarray = inspection_cache.measured(
        "Putting the genes of cells in order", "ranked", info, dataset, make, alone=True
    )
    return genes


def parts(one: Subject) -> tuple[Explained, ...]:
    """Return what the parts of a hybrid explain; empty for others, and on cells without a test part."""
    info, dataset = one.info, one.dataset

    def make(progress: Any) -> tuple[Explained, ...]:
        from genediff.inspection.tokens.hybrid_parts import explained_by_part
        from genediff.inspection.tokens.inspected_cells import read_cells

        return explained_by_part(read_cells(inspection_cache.load(info), dataset), dataset)

    effects: tuple[Explained, ...] = inspection_cache.measured(
        "Silencing one part at a time", "parts", info, dataset, make, alone=True
    )
    return effects


def links(one: Subject) -> np.ndarray | None:
    """Return the adjacency that tokens learned among themselves, (token, token); None where there is none."""
    from genediff.inspection.tokens.hybrid_parts import learned_links

    return learned_links(inspection_cache.model(one.info))


def inactive_tokens(one: Subject) -> InactiveTokens:
    """Return which tokens are inactive, and which are redundant."""
    return _inactive_tokens(inspection_cache.key(one.info, one.dataset), one.found)


def group_means(one: Subject, column: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return the mean activity of each token in each class of a column, (token, class), and the classes."""
    codes, levels = obs_columns.classes(one.dataset, column)
    return _group_means(inspection_cache.key(one.info, one.dataset), column, one.found, codes, len(levels)), levels


def token_points(one: Subject, *, by_genes: bool) -> Points:
    """Return where tokens lie by the genes that they drive, or by their activity over cells."""
    effects = output_effects(one) if by_genes else None
    return _token_points(inspection_cache.key(one.info, one.dataset), by_genes, one.found, effects)


@st.cache_data(max_entries=32, show_spinner=False)
def _kinds(folder: str, created: str, _info: ModelInfo) -> tuple[Kind, ...]:
    from genediff.inspection.tokens.inspectable import token_kinds

    return token_kinds(inspection_cache.model(_info))


@st.cache_resource(max_entries=16, show_spinner=False)
def _inactive_tokens(key: tuple[str, ...], _found: Activations) -> InactiveTokens:
    from genediff.inspection.tokens.inactive_tokens import find_inactive_tokens as measure

    return measure(_found)


@st.cache_resource(max_entries=32, show_spinner=False)
def _group_means(key: tuple[str, ...], column: str, _found: Activations, _codes: np.ndarray, n: int) -> np.ndarray:
    from genediff.inspection.groups.group_means import group_means as measure

    return measure(_found.values, _codes[_found.rows], n)


@st.cache_resource(max_entries=32, show_spinner=False)
def _token_points(key: tuple[str, ...], by_genes: bool, _found: Activations, _effects: OutputEffects | None) -> Points:
    from genediff.inspection.tokens.probe import some_rows
    from genediff.inspection.tokens.token_space import tokens_as_points

    if _effects is not None:
        return tokens_as_points(_effects.change)
    return tokens_as_points(_found.values[:, some_rows(len(_found.rows), MOST_COMPARED)])
