"""What the Regulation page measures, kept for the next look; keys are ids and plain values, never arrays."""

from __future__ import annotations

import contextlib
import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from genediff.core.errors import InputError
from genediff.inspection.regulation.stored_interventions import (
    file_name,
    read_interventions,
    write_interventions,
)
from genediff.ui.kit import inspection_cache

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

    from genediff.data import Dataset
    from genediff.inspection.regulation.attention_flow import Measure
    from genediff.inspection.regulation.edge_probe import Probe
    from genediff.inspection.regulation.interventions import Interventions
    from genediff.inspection.regulation.query import PathSearch
    from genediff.inspection.regulation.shuffled_networks import End
    from genediff.models.generative_model import GenerativeModel
    from genediff.models.model_info import ModelInfo

N_GENERATED = 200
MOST_SHUFFLED = 1  # network beside the interventions, each of which costs as much as they do
MOST_KNOWN = 2000  # training cells that the linear baseline is fitted on


@dataclass(frozen=True, eq=False)
class Population:
    """The cells through which the network is watched: a group of real cells, or generated ones.

    ``rows`` are positions of real cells (None: generated); ``asked`` the level of each condition of generated cells.
    """

    title: str
    rows: np.ndarray | None
    asked: tuple[tuple[str, str], ...] = ()

    @property
    def looked_at(self) -> str:
        """What its cells are, in words."""
        if self.rows is None:
            return "cells that the model generated, which show what it learned and not what holds in real cells"
        return "real cells that it was not trained on"

    @property
    def key(self) -> str:
        """What names it in a cache."""
        if self.rows is None:
            return f"generated {self.asked}"
        return hashlib.sha256(np.ascontiguousarray(self.rows).tobytes()).hexdigest()[:16]


@dataclass(frozen=True)
class Settings:
    """How paths are measured: the time t, the longest path, the measure of flow, cells and shuffled networks."""

    t: float
    steps: int
    measure: Measure
    n_cells: int
    n_shuffled: int

    @property
    def key(self) -> tuple[object, ...]:
        """What names them in a cache."""
        return self.t, self.steps, self.measure, self.n_cells, self.n_shuffled


DEFAULT = Settings(t=0.6, steps=2, measure="variation", n_cells=1024, n_shuffled=5)


@dataclass(frozen=True)
class Genes:
    """The genes of a model's network: regulators, targets, and the target to begin with.

    That is the target of the most certain edge where edges were tested, else the one with the largest learned weights.
    """

    regulators: tuple[str, ...]
    targets: tuple[str, ...]
    default: str


def genes(info: ModelInfo, dataset: Dataset) -> Genes:
    """Return the genes that can be asked about; InputError when the model has no network of genes."""
    found = _genes(str(info.folder), info.created, info)
    everyone = Population("All cells", np.arange(len(dataset.obs)))
    tested = _kept_interventions(info, dataset, interventions_file(info, dataset, everyone, DEFAULT))
    return found if tested is None else replace(found, default=str(tested.edges["target"].iloc[0]))


def answer(
    info: ModelInfo, dataset: Dataset, cells: Population, settings: Settings, *, gene: str, end: End,
    regulator: str | None,
) -> PathSearch:  # fmt: skip
    """Return the tested paths at a gene."""
    tested = interventions(info, dataset, cells, settings).edges

    def make(progress: Callable[[float], None]) -> PathSearch:
        from genediff.inspection.regulation.query import find_paths

        model = inspection_cache.load(info)
        return find_paths(
            model, _probe(model, dataset, cells, settings), gene, end=end, regulator=regulator, steps=settings.steps,
            measure=settings.measure, n_shuffled=settings.n_shuffled, tested=tested, progress=progress,
        )  # fmt: skip

    found: PathSearch = inspection_cache.measured(
        f"Following paths {'to' if end == 'target' else 'from'} {gene}",
        "regulation-paths", info, dataset, make, cells.key, settings.key, gene, end, regulator,
    )  # fmt: skip
    return found


def regulators_of(info: ModelInfo, dataset: Dataset, cells: Population, settings: Settings, gene: str) -> pd.DataFrame:
    """Return all regulators, ranked by what another cell's value of each changes in a gene."""
    tested = interventions(info, dataset, cells, settings).edges

    def make(progress: Callable[[float], None]) -> pd.DataFrame:
        from genediff.inspection.regulation.regulators import regulators_of as rank

        model = inspection_cache.load(info)
        return rank(model, _probe(model, dataset, cells, settings), gene, tested=tested, progress=progress)

    found: pd.DataFrame = inspection_cache.measured(
        f"Exchanging the regulators of {gene}", "regulation-of-gene", info, dataset, make, cells.key, settings.key, gene
    )
    return found


def key_regulators(info: ModelInfo, dataset: Dataset, cells: Population, settings: Settings) -> pd.DataFrame:
    """Return all regulators, tested over all their targets in a population, with the reach of each."""

    def make(progress: Callable[[float], None]) -> pd.DataFrame:
        from genediff.inspection.regulation.regulators import reaches

        model = inspection_cache.load(info)
        return reaches(
            model, _probe(model, dataset, cells, settings), n_shuffled=settings.n_shuffled, measure=settings.measure,
            progress=progress,
        )  # fmt: skip

    tested = interventions(info, dataset, cells, settings).regulators
    reach: pd.DataFrame = inspection_cache.measured(
        "Following the reach of each regulator", "regulation-reach", info, dataset, make, cells.key, settings.key
    )
    return tested.merge(reach, on="regulator")


def interventions(info: ModelInfo, dataset: Dataset, cells: Population, settings: Settings) -> Interventions:
    """Return what replacing each regulator's value does, beside controls; kept on disk, and shipped for the demo."""
    name = interventions_file(info, dataset, cells, settings)
    if (kept := _kept_interventions(info, dataset, name)) is not None:
        return kept

    def make(progress: Callable[[float], None]) -> Interventions:
        done = measure_interventions(inspection_cache.load(info), dataset, cells, settings, progress=progress)
        with contextlib.suppress(OSError):  # what was found is worth more than its file
            write_interventions(done, inspection_cache.folder(info, dataset) / name)
        return done

    found: Interventions = inspection_cache.measured(
        "Replacing the value of each regulator", "regulation-interventions", info, dataset, make, name
    )
    return found


def _kept_interventions(info: ModelInfo, dataset: Dataset, name: str) -> Interventions | None:
    places = (place / name for place in (info.folder, inspection_cache.folder(info, dataset)))
    return next((kept for path in places if (kept := _read_interventions(str(path), path.is_file()))), None)


def interventions_file(info: ModelInfo, dataset: Dataset, cells: Population, settings: Settings) -> str:
    """Return the name of the file that keeps interventions, by all that they depend on."""
    n_shuffled = min(settings.n_shuffled, MOST_SHUFFLED)
    return file_name(info.created, dataset.info.content_hash, cells.key, settings.t, settings.n_cells, n_shuffled)


def measure_interventions(
    model: GenerativeModel, dataset: Dataset, cells: Population, settings: Settings, *,
    progress: Callable[[float], None],
) -> Interventions:  # fmt: skip
    """Replace the value of each regulator, for some minutes."""
    from genediff.inspection.regulation.interventions import interventions as measure
    from genediff.inspection.tokens.inspected_cells import read_cells
    from genediff.inspection.tokens.probe import some_rows

    label = dataset.info.label
    train = dataset.rows("train")
    train = train[some_rows(len(train), MOST_KNOWN)]
    known = read_cells(model, dataset).block(train)[0].cpu().numpy()
    codes = np.zeros(len(train), dtype=int) if label is None else dataset.codes(label)[train]
    given = _probe(model, dataset, cells, settings)
    return measure(model, given, known, codes, n_shuffled=min(settings.n_shuffled, MOST_SHUFFLED), progress=progress)


def compared(
    info: ModelInfo, dataset: Dataset, first: Population, second: Population, settings: Settings, gene: str
) -> pd.DataFrame:
    """Return the strongest paths into a gene in two populations."""

    def make(progress: Callable[[float], None]) -> pd.DataFrame:
        from genediff.inspection.regulation.compare_groups import compare

        model = inspection_cache.load(info)
        one, other = (_probe(model, dataset, cells, settings) for cells in (first, second))
        progress(0.3)
        return compare(model, one, other, gene, steps=settings.steps, measure=settings.measure)

    found: pd.DataFrame = inspection_cache.measured(
        "Comparing paths", "regulation-compare", info, dataset, make, first.key, second.key, settings.key, gene
    )
    return found


def _probe(model: GenerativeModel, dataset: Dataset, cells: Population, settings: Settings) -> Probe:
    from genediff.inspection.regulation.probed_cells import probe, probe_generated

    if cells.rows is not None:
        rows = held_out(model.spec.dataset_id, dataset, cells.rows)
        return probe(model, dataset, rows, t=settings.t, most=settings.n_cells)
    conditions = dict(cells.asked) or None
    made = model.generate(min(settings.n_cells, N_GENERATED), conditions=conditions, seed=0)
    return probe_generated(model, made, t=settings.t, most=settings.n_cells)


def n_cells(info: ModelInfo, dataset: Dataset, cells: Population, settings: Settings) -> int:
    """Return how many cells a test rests on, which may be fewer than were asked for."""
    there = N_GENERATED if cells.rows is None else len(held_out(info.dataset_id, dataset, cells.rows))
    return min(settings.n_cells, there)


def held_out(trained_on: str, dataset: Dataset, rows: np.ndarray) -> np.ndarray:
    """Return those of some cells that a model was not trained on; InputError where they are too few for a test.

    Where fewer than 50 were, training cells were taken, whose noise the model knows.
    """
    from genediff.inspection.regulation.probed_cells import FEWEST_CELLS

    if trained_on != dataset.info.id:
        return rows
    fresh = rows[dataset.obs["split"].to_numpy()[rows] != "train"]
    if len(fresh) < FEWEST_CELLS:
        raise InputError(
            f"{len(fresh)} cells of this group were left out of the model's training, and {FEWEST_CELLS} are needed to "
            "test it; choose a larger group."
        )
    return fresh


@st.cache_data(max_entries=16, show_spinner=False)
def _read_interventions(path: str, is_there: bool) -> Interventions | None:
    return read_interventions(Path(path)) if is_there else None


@st.cache_data(max_entries=16, show_spinner=False)
def _genes(folder: str, created: str, _info: ModelInfo) -> Genes:
    from genediff.inspection.regulation.circuit import circuit_of

    model = inspection_cache.model(_info)
    wiring = circuit_of(model).wiring
    names = np.array(model.genes)
    weight = np.bincount(wiring.edges[1], np.abs(wiring.encoder) + np.abs(wiring.decoder), minlength=len(names))
    return Genes(
        tuple(sorted(names[np.unique(wiring.edges[0])].tolist())),
        tuple(sorted(names[np.unique(wiring.edges[1])].tolist())),
        str(names[int(weight.argmax())]),
    )
