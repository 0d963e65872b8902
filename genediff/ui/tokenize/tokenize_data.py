"""What the Tokenize page computes, kept for the next look; keys are ids and contents, never arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st

from genediff.core.errors import InputError
from genediff.inspection.one_cell import dataset_context
from genediff.inspection.one_cell.cell_reconstruction import CellReconstruction, reconstruct
from genediff.inspection.one_cell.tokenization import Lost, Tokenization, build_tokenization, lost_genes
from genediff.knowledge import Knowledge, stand_in
from genediff.tokenizers import TOKENIZERS
from genediff.training.presets import preset_run
from genediff.ui.kit import caching, inspection_cache

if TYPE_CHECKING:
    from genediff.data import Dataset
    from genediff.inspection.one_cell.dataset_context import Cell, DatasetContext
    from genediff.models.model_info import ModelInfo

MOST_DECODED = 500


@dataclass(frozen=True)
class Chosen:
    """What the reader chose for all strategies alike: the preset, and what those that need it are built on."""

    preset: str
    gene_sets: str | None
    network: str | None


def context(dataset: Dataset) -> DatasetContext:
    """Return what all strategies are built from; InputError when the data set has too few cells."""
    return _context(dataset.info.content_hash, dataset)


def tokenization(dataset: Dataset, chosen: Chosen, strategy: str) -> Tokenization | str:
    """Return a strategy on a data set, or the sentence that says why it cannot be built."""
    return _tokenization(_place(dataset, chosen), dataset.info.content_hash, chosen, strategy, dataset)


def lost(dataset: Dataset, chosen: Chosen, strategy: str, found: Tokenization, cell: Cell) -> Lost:
    """Return what of a cell the tokens of a strategy cannot know."""
    return _lost(_place(dataset, chosen), dataset.info.content_hash, chosen, strategy, cell.name, found, cell)


def typical(dataset: Dataset, column: str) -> dict[str, str]:
    """Return the most typical cell of each level of a column."""
    return _typical(dataset.info.content_hash, column, dataset)


def models(dataset: Dataset) -> dict[str, ModelInfo]:
    """Return for each strategy the model of this data set that is looked through: one's own newest, else a shipped."""
    own = [info for info in caching.workspace().list_models() if info.dataset_id == dataset.info.id]
    found: dict[str, ModelInfo] = {}
    # Newest first among the user's own; shipped ones after them.
    for info in sorted(own, key=lambda one: one.shipped):
        found.setdefault(info.strategy, info)
    return found


def detected(dataset: Dataset, info: ModelInfo, cell: Cell) -> CellReconstruction | str:
    """Return what a trained model sees in a cell, or the sentence that says why it cannot."""
    return _detected(*inspection_cache.key(info, dataset), cell.name, info, dataset)


def round_trip(dataset: Dataset, info: ModelInfo) -> float | None:
    """Return how well held-out cells come back from a model's tokens (Pearson's r); None where nothing is decoded."""
    if "reconstruction_r" in info.measures:
        return info.measures["reconstruction_r"]
    return _round_trip(*inspection_cache.key(info, dataset), info, dataset)


def _place(dataset: Dataset, chosen: Chosen) -> str:
    named = {chosen.gene_sets, chosen.network} - {None}
    return caching.place(dataset.info, *(item for item in caching.workspace().library().list() if item.id in named))


@st.cache_resource(max_entries=4, show_spinner="Measuring the data set …")
def _context(content: str, _dataset: Dataset) -> DatasetContext:
    return dataset_context.DatasetContext.of(_dataset)


@st.cache_resource(max_entries=48, show_spinner="Tokenizing …")
def _tokenization(place: str, content: str, chosen: Chosen, strategy: str, _dataset: Dataset) -> Tokenization | str:
    needs = TOKENIZERS[strategy].needs
    try:
        known = (
            stand_in(
                caching.workspace().library(),
                gene_sets=chosen.gene_sets if "gene_sets" in needs else None,
                network=chosen.network if "network" in needs else None,
                genes=_dataset.genes,
            )
            if needs
            else Knowledge()
        )
        run = preset_run(chosen.preset, _dataset.info, strategy=strategy)
        return build_tokenization(context(_dataset), run, known)
    except InputError as problem:
        return str(problem)


@st.cache_data(max_entries=512, show_spinner=False)
def _lost(
    place: str, content: str, chosen: Chosen, strategy: str, cell: str, _found: Tokenization, _cell: Cell
) -> Lost:
    return lost_genes(_found, _cell)


@st.cache_data(max_entries=16, show_spinner=False)
def _typical(content: str, column: str, _dataset: Dataset) -> dict[str, str]:
    return dataset_context.typical_cells(_dataset, column)


@st.cache_data(max_entries=256, show_spinner=False)
def _detected(
    folder: str, created: str, content: str, cell: str, _info: ModelInfo, _dataset: Dataset
) -> CellReconstruction | str:
    base = context(_dataset)
    try:
        return reconstruct(inspection_cache.model(_info), base, dataset_context.cell_of(_dataset, base, cell))
    except InputError as problem:
        return str(problem)


@st.cache_data(max_entries=64, show_spinner="Decoding held-out cells …")
def _round_trip(folder: str, created: str, content: str, _info: ModelInfo, _dataset: Dataset) -> float | None:
    from genediff.evaluation.reconstruction import reconstruct

    try:
        found = reconstruct(inspection_cache.model(_info), _dataset, most=MOST_DECODED)
    except InputError:
        return None
    return None if found is None else found.correlation
