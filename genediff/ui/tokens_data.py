"""What the Tokens page computes, kept for the next look; keys are ids and contents, never arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import streamlit as st

from genediff.ui import caching, data_columns, inspect_data

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from genediff.data import Dataset
    from genediff.inspection.controls import Control
    from genediff.inspection.drives import Drives
    from genediff.inspection.health import Health
    from genediff.inspection.kinds import Kind
    from genediff.inspection.stored import Activations
    from genediff.inspection.token_space import Points
    from genediff.model_info import ModelInfo
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
    found = inspect_data.activations(info, dataset)
    return Subject(info, dataset, found, _kinds(str(caching.workspace().root), info.id, info.created))


def drives(one: Subject, tokens: tuple[int, ...] | None = None) -> Drives:
    """Return which genes tokens drive: those that are all asked, or the ones given."""
    info, dataset, found, asked = one.info, one.dataset, one.found, one.asked if tokens is None else tokens

    def make(progress: Any) -> Drives:
        from genediff.inspection.cells import read_cells
        from genediff.inspection.drives import drives as measure

        return measure(read_cells(inspect_data.load(info), dataset), found, asked, progress=progress)

    words = "Asking each token which genes it drives" if len(asked) > 1 else "Asking the token which genes it drives"
    told: Drives = inspect_data.measured(words, "drives", info, dataset, make, asked)
    return told


def enrichment(one: Subject, told: Drives, collection: str) -> pd.DataFrame | None:
    """Return how both ends of the tokens in ``told`` agree with a collection; None until it is there."""
    sets = caching.workspace().library().gene_sets(collection)

    def make(progress: Any) -> pd.DataFrame:
        from genediff.inspection.naming import enrich_lists, lists_of

        return enrich_lists(lists_of(told), sets, told.genes, progress=progress)

    asked = tuple(told.tokens.tolist())
    table: pd.DataFrame | None = inspect_data.measured(
        "Looking the genes up in gene sets", "enrichment", one.info, one.dataset, make, collection, asked, wait=False
    )
    return table


def controls(one: Subject, told: Drives, collection: str) -> tuple[Control, ...]:
    """Return how many token ends get a name, beside what should or could not."""
    sets = caching.workspace().library().gene_sets(collection)

    def make(progress: Any) -> tuple[Control, ...]:
        from genediff.inspection.controls import name_controls

        return name_controls(told, sets, progress=progress)

    asked = tuple(told.tokens.tolist())
    rows: tuple[Control, ...] = inspect_data.measured(
        "Asking the same of mixtures, shuffled sets and random genes", "name controls", one.info, one.dataset, make,
        collection, asked,
    )  # fmt: skip
    return rows


def cell_points(one: Subject) -> Points:
    """Return where cells lie in token space."""
    found = one.found

    def make(progress: Any) -> Points:
        from genediff.inspection.token_space import cells_as_points

        return cells_as_points(found)

    points: Points = inspect_data.measured(
        "Turning token space to its main axes", "cell points", one.info, one.dataset, make
    )
    return points


def ranked(one: Subject) -> np.ndarray:
    """Return which gene stands at each rank, (cell, rank), for models of ranks."""
    info, dataset = one.info, one.dataset

    def make(progress: Any) -> np.ndarray:
        from genediff.inspection.at_rank import ranked_genes
        from genediff.inspection.cells import read_cells

        return ranked_genes(read_cells(inspect_data.load(info), dataset))

    genes: np.ndarray = inspect_data.measured("Putting the genes of cells in order", "ranked", info, dataset, make)
    return genes


def parts(one: Subject) -> tuple[Explained, ...]:
    """Return what the parts of a hybrid explain; empty for others, and on cells without a test part."""
    info, dataset = one.info, one.dataset

    def make(progress: Any) -> tuple[Explained, ...]:
        from genediff.inspection.cells import read_cells
        from genediff.inspection.parts import explained_by_part

        return explained_by_part(read_cells(inspect_data.load(info), dataset), dataset)

    told: tuple[Explained, ...] = inspect_data.measured("Silencing one part at a time", "parts", info, dataset, make)
    return told


def links(one: Subject) -> np.ndarray | None:
    """Return the adjacency that tokens learned among themselves, (token, token); None where there is none."""
    from genediff.inspection.parts import learned_links

    return learned_links(inspect_data.model(one.info))


def health(one: Subject) -> Health:
    """Return which tokens are silent, and which say the same as another."""
    return _health(inspect_data.key(one.info, one.dataset), one.found)


def group_means(one: Subject, column: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return the mean activity of each token in each class of a column, (token, class), and the classes."""
    codes, levels = data_columns.classes(one.dataset, column)
    return _group_means(inspect_data.key(one.info, one.dataset), column, one.found, codes, len(levels)), levels


def token_points(one: Subject, *, by_genes: bool) -> Points:
    """Return where tokens lie by the genes that they drive, or by their activity over cells."""
    told = drives(one) if by_genes else None
    return _token_points(inspect_data.key(one.info, one.dataset), by_genes, one.found, told)


@st.cache_data(max_entries=32, show_spinner=False)
def _kinds(home_folder: str, model_id: str, created: str) -> tuple[Kind, ...]:
    from genediff.inspection.kinds import token_kinds

    return token_kinds(caching.model(model_id))


@st.cache_resource(max_entries=16, show_spinner=False)
def _health(key: tuple[str, ...], _found: Activations) -> Health:
    from genediff.inspection.health import health as measure

    return measure(_found)


@st.cache_resource(max_entries=32, show_spinner=False)
def _group_means(key: tuple[str, ...], column: str, _found: Activations, _codes: np.ndarray, n: int) -> np.ndarray:
    from genediff.inspection.groups import group_means as measure

    return measure(_found, _codes, n)


@st.cache_resource(max_entries=32, show_spinner=False)
def _token_points(key: tuple[str, ...], by_genes: bool, _found: Activations, _told: Drives | None) -> Points:
    from genediff.inspection.probe import some_rows
    from genediff.inspection.token_space import tokens_as_points

    if _told is not None:
        return tokens_as_points(_told.change)
    return tokens_as_points(_found.values[:, some_rows(len(_found.rows), MOST_COMPARED)])
