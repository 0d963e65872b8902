"""What the Tokenize page computes, kept for the next look; keys are ids and contents, never arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st

from genediff.analysis import ground as grounds
from genediff.analysis.cut import Cut, cut_of
from genediff.analysis.look import Look, look
from genediff.errors import InputError
from genediff.knowledge import Knowledge, stand_in
from genediff.presets import preset_run
from genediff.tokenizers import TOKENIZERS
from genediff.ui import caching

if TYPE_CHECKING:
    from genediff.analysis.ground import Cell, Ground
    from genediff.data import Dataset
    from genediff.model_info import ModelInfo

MOST_DECODED = 500


@dataclass(frozen=True)
class Chosen:
    """What the reader chose for all strategies alike: the preset, and what those that need it are built on."""

    preset: str
    gene_sets: str | None
    network: str | None


def ground(dataset: Dataset) -> Ground:
    """Return what all strategies are built from; InputError when the data set has too few cells."""
    return _ground(dataset.info.content_hash, dataset)


def cut(dataset: Dataset, chosen: Chosen, strategy: str) -> Cut | str:
    """Return a strategy on a data set, or the sentence that says why it cannot be built."""
    return _cut(str(caching.workspace().root), dataset.info.content_hash, chosen, strategy, dataset)


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


def seen(dataset: Dataset, info: ModelInfo, cell: Cell) -> Look | str:
    """Return what a trained model sees in a cell, or the sentence that says why it cannot."""
    return _seen(str(caching.workspace().root), dataset.info.content_hash, info.id, info.created, cell.name, dataset)


def round_trip(dataset: Dataset, info: ModelInfo) -> float | None:
    """Return how well held-out cells come back from a model's tokens (Pearson's r); None where nothing is decoded."""
    if "reconstruction_r" in info.measures:
        return info.measures["reconstruction_r"]
    return _round_trip(str(caching.workspace().root), dataset.info.content_hash, info.id, info.created, dataset)


@st.cache_resource(max_entries=4, show_spinner="Measuring the data set …")
def _ground(content: str, _dataset: Dataset) -> Ground:
    return grounds.Ground.of(_dataset)


@st.cache_resource(max_entries=48, show_spinner="Cutting cells into tokens …")
def _cut(home_folder: str, content: str, chosen: Chosen, strategy: str, _dataset: Dataset) -> Cut | str:
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
        return cut_of(ground(_dataset), run, known)
    except InputError as problem:
        return str(problem)


@st.cache_data(max_entries=16, show_spinner=False)
def _typical(content: str, column: str, _dataset: Dataset) -> dict[str, str]:
    return grounds.typical_cells(_dataset, column)


@st.cache_data(max_entries=256, show_spinner=False)
def _seen(home_folder: str, content: str, model_id: str, created: str, cell: str, _dataset: Dataset) -> Look | str:
    base = ground(_dataset)
    try:
        return look(caching.model(model_id), base, grounds.cell_of(_dataset, base, cell))
    except InputError as problem:
        return str(problem)


@st.cache_data(max_entries=64, show_spinner="Decoding held-out cells …")
def _round_trip(home_folder: str, content: str, model_id: str, created: str, _dataset: Dataset) -> float | None:
    from genediff.evaluation.reconstruction import reconstruct

    try:
        found = reconstruct(caching.model(model_id), _dataset, most=MOST_DECODED)
    except InputError:
        return None
    return None if found is None else found.correlation
