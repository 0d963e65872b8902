"""What the Perturb page computes, in the background and kept; keys are ids, choices and contents, never arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from genediff.ui.kit import background, caching
from genediff.ui.perturb import task_choice

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy as np
    import pandas as pd

    from genediff.data import Dataset
    from genediff.perturbation.group_prediction import Joined
    from genediff.perturbation.question import Question
    from genediff.perturbation.question_result import Result

SEED = 0


def result(question: Question) -> Result:
    """Return the result of a question; shows how far it is and stops the page meanwhile."""

    def make(progress: Callable[[float], None]) -> Result:
        from genediff.perturbation.question_result import predict_question

        return predict_question(question, task_choice.reader(), progress, seed=SEED)

    found: Result = background.finished(
        f"Predicting the {task_choice.described(question.perturbation)}", ("perturb", *question.key), make
    )
    return found


def map_of(question: Question, cells: Joined) -> np.ndarray:
    """Return where predicted cells lie on the data set's map, (cell, 2)."""
    from genediff.perturbation.map_positions import between_neighbours

    dataset = question.task.dataset
    return between_neighbours(dataset, dataset.project(cells.x))


def real_map(dataset: Dataset) -> np.ndarray:
    """Return where all cells of a data set lie on its map, (cell, 2)."""
    return dataset.umap if dataset.info.has_umap else dataset.pcs[:, :2]


def genes_table(question: Question, found: Result) -> pd.DataFrame:
    """Return one row per gene: predicted, baseline and measured change with their intervals."""
    from genediff.perturbation.question_result import genes_table as table

    return table(question, found)


def sets_table(question: Question, found: Result, item: str) -> pd.DataFrame:
    """Return one row per gene set of a collection of the library."""
    sets = caching.workspace().library().gene_sets(item)

    def make(progress: Callable[[float], None]) -> pd.DataFrame:
        from genediff.perturbation.question_result import sets_table as table

        return table(question, found, sets)

    scored: Any = background.finished("Scoring the gene sets", ("perturb-sets", *question.key, item), make)
    return scored


def titles(found: Result) -> Mapping[str, str]:
    """Return the words of each kind of value, in the order in which they are drawn."""
    words = {}
    if found.measured is not None:
        words["measured"] = "measured (95% interval over cells)"
    interval = " (90% prediction interval)" if found.predicted.low is not None else ""
    words["predicted"] = f"{found.predicted.title}{interval}"
    if found.baseline is not None:
        words["baseline"] = f"baseline: {found.baseline.title}"
    return words
