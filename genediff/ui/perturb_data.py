"""What the Perturb page computes, in the background and kept; keys are ids, choices and contents, never arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import streamlit as st

from genediff.ui import background, caching, perturb_task

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from genediff.data import Dataset
    from genediff.knowledge import GeneSets
    from genediff.perturbation import Task
    from genediff.perturbation.answer import Joined
    from genediff.perturbation.changes import Changes
    from genediff.ui.perturb_question import Question

SEED = 0
SMALLEST = 5  # genes of a set that the data must have


@dataclass(frozen=True, eq=False)
class Answer:
    """What is predicted, and what it stands beside.

    Attributes
    ----------
    predicted
        By the chosen predictor.
    baseline
        By the best simple baseline; None where that is what was chosen.
    measured
        Change of each gene in the measured cells; None where there are none.
    measured_rows
        Row numbers of the measured cells that are shown: held-out ones where there are any.
    learnt_from
        Whether these cells were learnt from, so that they cannot judge the prediction.
    """

    predicted: Joined
    baseline: Joined | None
    measured: Changes | None
    measured_rows: np.ndarray
    learnt_from: bool


def answer(question: Question) -> Answer:
    """Return the answer to a question; shows how far it is and stops the page meanwhile."""

    def make(progress: Callable[[float], None]) -> Answer:
        return _answer(question, progress)

    found: Answer = background.finished(
        f"Predicting the {perturb_task.said(question.perturbation)}", ("perturb", *question.key), make
    )
    return found


def map_of(question: Question, cells: Joined) -> np.ndarray:
    """Return where predicted cells lie on the data set's map, (cell, 2)."""
    from genediff.perturbation.on_map import between_neighbours

    dataset = question.task.dataset
    return between_neighbours(dataset, dataset.project(cells.x))


def real_map(dataset: Dataset) -> np.ndarray:
    """Return where all cells of a data set lie on its map, (cell, 2)."""
    return dataset.umap if dataset.info.has_umap else dataset.pcs[:, :2]


def genes_table(question: Question, found: Answer) -> pd.DataFrame:
    """Return one row per gene: predicted, baseline and measured change with their intervals."""
    table = pd.DataFrame({"gene": list(question.task.genes), "predicted": found.predicted.delta})
    _interval(table, "predicted", found.predicted)
    if found.baseline is not None:
        table["baseline"] = found.baseline.delta
        _interval(table, "baseline", found.baseline)
    if found.measured is not None:
        table["measured"] = found.measured.change
        table["measured_low"], table["measured_high"] = found.measured.low, found.measured.high
    table["perturbed"] = table["gene"].isin(question.perturbation.targets)
    return table


def sets_table(question: Question, found: Answer, sets: GeneSets) -> pd.DataFrame:
    """Return one row per gene set: the mean change over its genes, perturbed genes left out, and intervals."""
    from genediff.perturbation.changes import changes, over_sets

    task, genes = question.task, question.task.genes
    keep = np.flatnonzero(~np.isin(np.array(genes), question.perturbation.targets))
    kept = [genes[place] for place in keep]
    sets = sets.within(kept, smallest=SMALLEST)
    if not sets.sets:
        return pd.DataFrame()
    contexts = question.contexts
    start = over_sets(task.x[question.rows][:, keep], sets, kept)
    table = pd.DataFrame({"pathway": list(sets.sets), "genes": [len(members) for members in sets.sets.values()]})
    cells: dict[str, tuple[Any, np.ndarray]] = {"predicted": (found.predicted.x, found.predicted.contexts)}
    if found.baseline is not None:
        cells["baseline"] = (found.baseline.x, found.baseline.contexts)
    if found.measured is not None:
        cells["measured"] = (task.x[found.measured_rows], contexts[found.measured_rows])
    for kind, (x, groups) in cells.items():
        one = changes(over_sets(x[:, keep], sets, kept), start, groups=groups, control_groups=contexts[question.rows])
        table[kind], table[f"{kind}_low"], table[f"{kind}_high"] = one.change, one.low, one.high
    return table


def settled(
    title: str, name: str, question: Question, make: Callable[..., Any], *options: Any, wait: bool = True
) -> Any:
    """Return something that is computed for a question in the background, as `background.finished` does."""
    get = background.finished if wait else background.soon
    return get(title, (name, *question.key, *options), make)


def cached_sets(item: str) -> GeneSets:
    """Return a collection of gene sets of the library."""
    return _sets(str(caching.workspace().root), item)


@st.cache_resource(max_entries=8, show_spinner=False)
def _sets(home_folder: str, item: str) -> GeneSets:
    return caching.workspace().library().gene_sets(item)


def _answer(question: Question, progress: Callable[[float], None]) -> Answer:
    from genediff.perturbation.answer import predict_group
    from genediff.perturbation.changes import changes
    from genediff.ui.perturb_predictors import Source

    task, rows, contexts = question.task, question.rows, question.contexts
    is_model = question.source.is_model
    progress(0.02)
    predictor = question.source.predictor(task, question.kind)
    predicted = predict_group(
        predictor,
        question.perturbation,
        rows,
        contexts[rows],
        n_cells=question.n_cells,
        seeds=(SEED,),
        progress=lambda share: progress(0.05 + share * (0.8 if is_model else 0.9)),
    )
    baseline = None
    if is_model:
        baseline = predict_group(
            Source(question.source.starts_at(question)).predictor(task, question.kind),
            question.perturbation,
            rows,
            contexts[rows],
            n_cells=question.n_cells,
            progress=lambda share: progress(0.85 + 0.1 * share),
        )
    measured_rows, learnt_from = _measured(question)
    measured = None
    if len(measured_rows):
        measured = changes(
            task.x[measured_rows], task.x[rows], groups=contexts[measured_rows], control_groups=contexts[rows]
        )
    progress(1.0)
    return Answer(predicted, baseline, measured, measured_rows, learnt_from)


def _measured(question: Question) -> tuple[np.ndarray, bool]:
    """Return measured cells of the group, and whether they were learnt from: held-out ones where there are any."""
    found = {part: _part(question.task, question, part) for part in ("test", "validation", "train")}
    for part, rows in found.items():
        if len(rows) >= 2:
            return rows, part != "test"
    return np.zeros(0, dtype=np.int64), False


def _part(task: Task, question: Question, part: Any) -> np.ndarray:
    rows = task.measured(question.perturbation, part=part)
    return rows[question.members[rows]]


def _interval(table: pd.DataFrame, kind: str, joined: Joined) -> None:
    if joined.low is not None and joined.high is not None:
        table[f"{kind}_low"], table[f"{kind}_high"] = joined.low, joined.high
    elif joined.spread is not None:
        table[f"{kind}_low"], table[f"{kind}_high"] = (
            joined.delta - 1.64 * joined.spread,
            joined.delta + 1.64 * joined.spread,
        )


def titles(found: Answer) -> Mapping[str, str]:
    """Return the words of each kind of value, in the order in which they are drawn."""
    words = {}
    if found.measured is not None:
        words["measured"] = "measured (95% interval over cells)"
    interval = " (90% interval)" if found.predicted.low is not None or found.predicted.spread is not None else ""
    words["predicted"] = f"{found.predicted.title}{interval}"
    if found.baseline is not None:
        words["baseline"] = f"baseline: {found.baseline.title}"
    return words
