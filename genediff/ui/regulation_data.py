"""What the Regulation page measures, kept for the next look; keys are ids and plain values, never arrays."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from genediff.ui import caching, inspect_data

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

    from genediff.data import Dataset
    from genediff.inspection.regulation.ask import Answer
    from genediff.inspection.regulation.flow import Measure
    from genediff.inspection.regulation.null import End
    from genediff.inspection.regulation.probe import Probe
    from genediff.model import GeneDiff
    from genediff.model_info import ModelInfo

N_GENERATED = 200


@dataclass(frozen=True, eq=False)
class Population:
    """The cells through which the network is watched: a group of real cells, or generated ones.

    ``rows`` are positions of real cells (None: generated); ``asked`` the level of each condition of generated cells.
    """

    title: str
    rows: np.ndarray | None
    asked: tuple[tuple[str, str], ...] = ()

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


@dataclass(frozen=True)
class Genes:
    """The genes of a model's network: who regulates, who is regulated, and the target that is listened to most."""

    regulators: tuple[str, ...]
    targets: tuple[str, ...]
    default: str


def genes(info: ModelInfo) -> Genes:
    """Return the genes that can be asked about; InputError when the model has no network of genes."""
    return _genes(str(caching.workspace().root), info.id, info.created)


def answer(
    info: ModelInfo, dataset: Dataset, cells: Population, settings: Settings, *, gene: str, end: End,
    regulator: str | None,
) -> Answer:  # fmt: skip
    """Return the tested paths at a gene."""

    def make(progress: Callable[[float], None]) -> Answer:
        from genediff.inspection.regulation.ask import ask

        model = inspect_data.load(info)
        return ask(
            model, _probe(model, dataset, cells, settings), gene, end=end, regulator=regulator, steps=settings.steps,
            measure=settings.measure, n_shuffled=settings.n_shuffled, progress=progress,
        )  # fmt: skip

    found: Answer = inspect_data.measured(
        f"Following paths {'to' if end == 'target' else 'from'} {gene}, and in {settings.n_shuffled} shuffled networks",
        "regulation-paths", info, dataset, make, cells.key, settings.key, gene, end, regulator,
    )  # fmt: skip
    return found


def regulators_of(info: ModelInfo, dataset: Dataset, cells: Population, settings: Settings, gene: str) -> pd.DataFrame:
    """Return all regulators, ranked by what their silence changes in a gene."""

    def make(progress: Callable[[float], None]) -> pd.DataFrame:
        from genediff.inspection.regulation.regulators import regulators_of as rank

        model = inspect_data.load(info)
        return rank(model, _probe(model, dataset, cells, settings), gene, progress=progress)

    found: pd.DataFrame = inspect_data.measured(
        f"Silencing the regulators of {gene}", "regulation-of-gene", info, dataset, make, cells.key, settings.key, gene
    )
    return found


def key_regulators(info: ModelInfo, dataset: Dataset, cells: Population, settings: Settings) -> pd.DataFrame:
    """Return all regulators, ranked by their reach in a population."""

    def make(progress: Callable[[float], None]) -> pd.DataFrame:
        from genediff.inspection.regulation.regulators import key_regulators as rank

        model = inspect_data.load(info)
        return rank(
            model, _probe(model, dataset, cells, settings), n_shuffled=settings.n_shuffled, measure=settings.measure,
            progress=progress,
        )  # fmt: skip

    found: pd.DataFrame = inspect_data.measured(
        "Weighing the regulators, and in shuffled networks", "regulation-key", info, dataset, make, cells.key,
        settings.key,
    )  # fmt: skip
    return found


def compared(
    info: ModelInfo, dataset: Dataset, first: Population, second: Population, settings: Settings, gene: str
) -> pd.DataFrame:
    """Return the strongest paths into a gene in two populations."""

    def make(progress: Callable[[float], None]) -> pd.DataFrame:
        from genediff.inspection.regulation.compare import compare

        model = inspect_data.load(info)
        one, other = (_probe(model, dataset, cells, settings) for cells in (first, second))
        progress(0.3)
        return compare(model, one, other, gene, steps=settings.steps, measure=settings.measure)

    found: pd.DataFrame = inspect_data.measured(
        "Comparing paths", "regulation-compare", info, dataset, make, first.key, second.key, settings.key, gene
    )
    return found


def _probe(model: GeneDiff, dataset: Dataset, cells: Population, settings: Settings) -> Probe:
    from genediff.inspection.regulation.probe import probe, probe_generated

    if cells.rows is not None:
        return probe(model, dataset, cells.rows, t=settings.t, most=settings.n_cells)
    conditions = dict(cells.asked) or None
    made = model.generate(min(settings.n_cells, N_GENERATED), conditions=conditions, seed=0)
    return probe_generated(model, made, t=settings.t, most=settings.n_cells)


@st.cache_data(max_entries=16, show_spinner=False)
def _genes(home_folder: str, model_id: str, created: str) -> Genes:
    from genediff.inspection.regulation.circuit import circuit_of

    model = caching.model(model_id)
    wiring = circuit_of(model).wiring
    names = np.array(model.genes)
    heard = np.bincount(wiring.edges[1], np.abs(wiring.heard) + np.abs(wiring.said), minlength=len(names))
    return Genes(
        tuple(sorted(names[np.unique(wiring.edges[0])].tolist())),
        tuple(sorted(names[np.unique(wiring.edges[1])].tolist())),
        str(names[int(heard.argmax())]),
    )
