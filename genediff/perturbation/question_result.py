"""The result of a question: predicted cells beside a baseline's and the measured ones, and tables of what changes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from genediff.perturbation.change_scores import noise_limits
from genediff.perturbation.effect_test import MOST_CELLS, e_test
from genediff.perturbation.expression_changes import changes, over_sets
from genediff.perturbation.group_prediction import predict_group
from genediff.perturbation.question import BaselineSource
from genediff.perturbation.target_loss import without_targets
from genediff.perturbation.verdict import verdict_of_case

if TYPE_CHECKING:
    from collections.abc import Callable

    from genediff.knowledge import GeneSets
    from genediff.perturbation.expression_changes import Changes
    from genediff.perturbation.group_prediction import Joined
    from genediff.perturbation.question import Question
    from genediff.perturbation.screen_reader import ScreenReader
    from genediff.perturbation.verdict import Verdict

SMALLEST = 5  # genes of a set that the data must have


@dataclass(frozen=True, eq=False)
class Result:
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
    verdict
        Of this prediction by its measured cells; None where there are none, or they were learnt from.
    """

    predicted: Joined
    baseline: Joined | None
    measured: Changes | None
    measured_rows: np.ndarray
    learnt_from: bool
    verdict: Verdict | None


def predict_question(
    question: Question, reader: ScreenReader, progress: Callable[[float], None] = lambda share: None, *, seed: int = 0
) -> Result:
    """Predict what is asked, and look up what was measured.

    Raises
    ------
    InputError
        When the predictor can say nothing about the perturbation, or the group holds too few control cells.
    """
    task, rows, contexts = question.task, question.rows, question.contexts
    source, asked = question.source, (question.perturbation, rows, contexts[rows])
    part = 0.8 if source.is_model else 0.9
    predicted = predict_group(
        source.predictor(task, question.kind), *asked, n_cells=question.n_cells, seeds=(seed,),
        progress=lambda share: progress(0.05 + part * share),
    )  # fmt: skip
    baseline = None
    if source.is_model:
        start = BaselineSource(reader, source.starts_at(question)).predictor(task, question.kind)
        baseline = predict_group(start, *asked, n_cells=question.n_cells)
    progress(0.9)
    found = question.measured("test", "validation", "train")
    learnt_from = not len(question.measured("test")) and len(found) > 0
    measured = verdict = None
    if len(found):
        measured = changes(task.x[found], task.x[rows], groups=contexts[found], control_groups=contexts[rows])
        verdict = None if learnt_from else _verdict(question, predicted, measured, found)
    progress(1.0)
    return Result(predicted, baseline, measured, found, learnt_from, verdict)


def _verdict(question: Question, predicted: Joined, measured: Changes, rows: np.ndarray) -> Verdict:
    task, contexts = question.task, question.contexts
    keep, draw = without_targets(task, question.perturbation), np.random.default_rng(0)
    cells, controls = (
        one if len(one) <= MOST_CELLS else draw.choice(one, MOST_CELLS, replace=False) for one in (rows, question.rows)
    )
    places = [task.dataset.project(task.x[one].toarray()) for one in (cells, controls)]
    strata = tuple(contexts[one].astype(str) for one in (cells, controls))
    place = {gene: number for number, gene in enumerate(task.genes)}
    known = [gene for gene in question.perturbation.targets if gene in place]
    return verdict_of_case(
        predicted.delta, measured.change, counted=keep,
        targets={one: (float(predicted.delta[place[one]]), float(measured.change[place[one]])) for one in known},
        effect=e_test(*places, strata=strata, generator=draw),
        attainable=noise_limits(task, rows, question.rows, keep)[1],
    )  # fmt: skip


def genes_table(question: Question, found: Result) -> pd.DataFrame:
    """Return one row per gene: predicted, baseline and measured change with their intervals, and whether perturbed."""
    table = pd.DataFrame({"gene": list(question.task.genes)})
    for kind, one in _kinds(found).items():
        table[kind] = one.delta
        if one.low is not None and one.high is not None:
            table[f"{kind}_low"], table[f"{kind}_high"] = one.low, one.high
    if found.measured is not None:
        table["measured"] = found.measured.change
        table["measured_low"], table["measured_high"] = found.measured.low, found.measured.high
    table["perturbed"] = table["gene"].isin(question.perturbation.targets)
    return table


def sets_table(question: Question, found: Result, sets: GeneSets) -> pd.DataFrame:
    """Return one row per gene set: the mean change over its genes, perturbed genes left out, and 95% intervals."""
    task, genes = question.task, question.task.genes
    keep = np.flatnonzero(without_targets(task, question.perturbation))
    kept = [genes[place] for place in keep]
    sets = sets.within(kept, smallest=SMALLEST)
    if not sets.sets:
        return pd.DataFrame()
    contexts = question.contexts
    start = over_sets(task.x[question.rows][:, keep], sets, kept)
    table = pd.DataFrame({"pathway": list(sets.sets), "genes": [len(members) for members in sets.sets.values()]})
    cells: dict[str, tuple[Any, np.ndarray]] = {kind: (one.x, one.contexts) for kind, one in _kinds(found).items()}
    if found.measured is not None:
        cells["measured"] = (task.x[found.measured_rows], contexts[found.measured_rows])
    for kind, (x, groups) in cells.items():
        one = changes(over_sets(x[:, keep], sets, kept), start, groups=groups, control_groups=contexts[question.rows])
        table[kind], table[f"{kind}_low"], table[f"{kind}_high"] = one.change, one.low, one.high
    return table


def _kinds(found: Result) -> dict[str, Joined]:
    return {"predicted": found.predicted} | ({} if found.baseline is None else {"baseline": found.baseline})
