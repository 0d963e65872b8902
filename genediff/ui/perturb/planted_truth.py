"""For classes: where cells are simulated, what the perturbation truly does, beside what is predicted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import streamlit as st

from genediff.core.errors import InputError
from genediff.core.stats import pearson
from genediff.data.simulation.planted import kept_truth
from genediff.perturbation.task_config import MODES
from genediff.plots import perturbation_plots as plots
from genediff.ui.kit import explain, figures
from genediff.ui.perturb import perturb_data

if TYPE_CHECKING:
    from genediff.data import Dataset
    from genediff.data.simulation.truth import Truth
    from genediff.perturbation.question import Question
    from genediff.perturbation.question_result import Result


def is_known(dataset: Dataset) -> bool:
    """Say whether the cells were simulated from a world that is known."""
    return _truth(str(dataset.info.folder), dataset.info.content_hash, dataset) is not None


def show(question: Question, found: Result, *, name: str) -> None:
    """Draw the true change beside the predicted one."""
    info = question.task.dataset.info
    truth = _truth(str(info.folder), info.content_hash, question.task.dataset)
    if truth is None:
        return
    table = perturb_data.genes_table(question, found)
    try:
        table["truth"] = true_change(question, truth)
    except InputError as error:
        explain.show_input_error(error)
        return
    _interaction(question, truth)
    free = table[~table["perturbed"] & table["truth"].notna()]
    titles = {"truth": "truth (simulated without noise)", **perturb_data.titles(found)}
    rows = free.loc[free["truth"].abs().sort_values(ascending=False).index[:15]]
    left, right = st.columns([0.55, 0.45], gap="medium")
    with left:
        figures.show_figure(
            plots.changes(rows, titles=titles),
            how_to_read="The genes that truly change most. The truth is the change of expected counts, turned into "
            "the same "
            "log-normalised unit without noise; measured values scatter around it, and counting noise pulls both "
            "towards 0 "
            "for genes of few counts.",
            name=f"{name}-truth",
            table=table,
        )
    with right:
        r = float(pearson(free["truth"].to_numpy(), free["predicted"].to_numpy()))
        st.markdown(f"**r = {r:.2f}** between truth and prediction over {len(free):,} genes")
        figures.show_figure(
            plots.against(free, x="truth", y="predicted", x_title="true change", y_title="predicted change"),
            how_to_read="One point per gene. What the prediction misses lies on the horizontal line, what it "
            "invents on the "
            "vertical one.",
            name=f"{name}-truth-all",
            table=free,
        )


def true_change(question: Question, truth: Truth) -> np.ndarray:
    """Return the true change of each gene in log-normalised expression, (gene,); NaN for genes not in the world.

    Expected counts are scaled as the data set scales counts; each cell type counts by its share of the control cells.
    """
    from genediff.data.simulation.truth import Perturbation

    done = Perturbation(question.perturbation.targets, MODES[question.perturbation.mode])  # type: ignore[arg-type]
    dataset = question.task.dataset
    column = dataset.info.label
    types = dataset.obs[column].astype(str).to_numpy()[question.rows] if column else np.array([])
    known, numbers = np.unique(types[np.isin(types, list(truth.types.index))], return_counts=True)
    weights = numbers / max(numbers.sum(), 1)
    if not len(known):  # cells without a type: each type of the world counts the same
        known, weights = np.array(list(truth.types.index)), np.full(len(truth.types.index), 1 / len(truth.types.index))
    places = pd.Index(truth.genes).get_indexer(list(dataset.genes))
    scale = float(dataset.info.target_sum or 1e4)
    total = np.zeros(len(dataset.genes))
    for name, weight in zip(known, weights, strict=True):
        start, end = (truth.expected(str(name), one)[places] for one in (None, done))
        start, end = (np.where(places >= 0, one, 0.0) for one in (start, end))
        total += weight * (np.log1p(end / end.sum() * scale) - np.log1p(start / start.sum() * scale))
    return np.where(places >= 0, total, np.nan)


def _interaction(question: Question, truth: Truth) -> None:
    targets = question.perturbation.targets
    if len(targets) != 2:
        return
    names = " and ".join(explain.plain(gene) for gene in targets)
    if set(targets) <= set(truth.regulators) and truth.additive(*targets):
        st.info(
            f"In this world {names} act independently: the levels that they move add up. An additive "
            "prediction is right.",
            icon=":material/add:",
        )
    elif set(targets) <= set(truth.regulators):
        st.info(
            f"In this world {names} do **not** simply add up: they act on the same genes, or on genes that answer "
            "to both "
            "together. The sum of the single effects must miss a part of it.",
            icon=":material/join:",
        )
    else:
        st.info(f"Of {names} at least one regulates nothing in this world.")


@st.cache_resource(max_entries=8, show_spinner=False)
def _truth(folder: str, content: str, _dataset: Dataset) -> Truth | None:
    return kept_truth(_dataset)
