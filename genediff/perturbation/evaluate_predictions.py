"""Predictors, all baselines and a replicate, judged by the same held-out cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from genediff.core.errors import Cancelled, InputError
from genediff.core.stats import spearman_brown
from genediff.perturbation.perturbation_baselines import BaselinePredictor, fit_baselines
from genediff.perturbation.perturbation_metrics import METRICS
from genediff.perturbation.prediction_scores import Judge
from genediff.perturbation.replicate import CORRELATIONS, DUPLICATE, REPLICATE, REPLICATE_TITLE, split_halves
from genediff.perturbation.score_table import Scores

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from genediff.perturbation.prediction import Predictor
    from genediff.perturbation.task import Group, Task
    from genediff.perturbation.task_config import Part

MOST_CONTROLS = 1000
MOST_CELLS = 1000
_FEW_SHARED = 3


def score(
    task: Task,
    predictors: Sequence[Predictor] = (),
    *,
    part: Part = "test",
    seeds: Sequence[int] = (0,),
    with_baselines: bool = True,
    with_replicate: bool = True,
    with_de: bool = True,
    n_cells: int | None = None,
    progress: Callable[[float, str], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Scores:
    """Judge predictors by held-out cells.

    Every predictor is given the same control cells of the part and context, and judged against the same ones: no
    predictor supplies controls of its own. Baselines are fitted on the training part; the best one, for each metric, is
    chosen by the validation part.

    Parameters
    ----------
    task
        What is held out.
    predictors
        Models; baselines come by themselves.
    part
        "test", or "validation" where something is still to be chosen. Never "train".
    seeds
        Of the predicted cells, and of the halves of the replicate.
    with_baselines
        Whether their rows are wanted too.
    with_replicate
        Whether the row of a replicate, and with baselines the dynamic range of every metric, is wanted too.
    with_de
        Whether responding genes are tested for, which takes most of the time.
    n_cells
        Predicted cells for each perturbation; None: one for each control cell.
    progress, cancelled
        Told the share that is done; asked whether to stop.

    Returns
    -------
    Scores
        One row per predictor, seed, context and perturbation.

    Raises
    ------
    InputError
        When asked for the training part.
    Cancelled
        When ``cancelled()`` said so.
    """
    if part == "train":
        raise InputError("A prediction is not judged by the cells it was trained on; ask for validation or test.")
    baselines: list[Predictor] = [BaselinePredictor(shift) for shift in fit_baselines(task).values()]
    rows = [*predictors, *(baselines if with_baselines else [])]
    titles = {row.name: row.title for row in rows}
    if len(titles) < len(rows):
        raise InputError("Two predictors have the same name.")
    contexts = sorted({group.context for group in task.part(part)})
    total = len(contexts) * (len(seeds) * (len(rows) + with_replicate) + with_replicate * with_baselines)
    best = _best(task, baselines, with_de=with_de) if with_baselines else {}
    tables: list[pd.DataFrame] = []
    ranges: list[pd.DataFrame] = []

    def keep(table: pd.DataFrame, name: str, seed: int, context: str) -> None:
        tables.append(table.reset_index().assign(predictor=name, seed=seed, context=context))
        step(titles.get(name, "Replicate"))

    def step(what: str) -> None:
        if progress is not None:
            progress(min(1.0, (len(tables) + len(ranges) / (len(rows) + 1)) / total), what)
        if cancelled is not None and cancelled():
            raise Cancelled("The evaluation was cancelled.")

    for context in contexts:
        judge, controls = make_judge(task, part, context, with_de=with_de)
        groups = {group.perturbation.label: group for group in task.part(part) if group.context == context}
        for row in rows:
            for seed in seeds:
                predict = _predict(row, groups, controls, n_cells=n_cells, seed=seed)
                keep(judge.judge(predict), row.name, seed, context)
        if with_replicate:
            for seed in seeds:
                keep(split_halves(judge, seed=seed).replicate(), REPLICATE, seed, context)
        if with_replicate and with_baselines:
            halves = split_halves(judge, seed=seeds[0])
            given = controls[halves.controls]
            for row in rows:
                found = halves.judge.judge(_predict(row, groups, given, n_cells=n_cells, seed=seeds[0]))
                ranges.append(found.reset_index().assign(predictor=row.name, context=context))
            found = halves.interpolated_duplicate()
            ranges.append(found.reset_index().assign(predictor=DUPLICATE, context=context))
            step("Dynamic range")
    table = pd.concat(tables, ignore_index=True)
    known = {group.perturbation.label: group.perturbation for group in task.part(part)}
    table["n_parts"] = [len(known[label].parts) for label in table["perturbation"]]
    table["n_seen"] = [task.n_seen(known[label]) for label in table["perturbation"]]
    if with_replicate:
        titles[REPLICATE] = REPLICATE_TITLE
    about = {
        "dataset": task.dataset.info.id,
        "dataset_hash": task.dataset.content_hash,
        "task": task.config.model_dump(mode="json"),
        "part": part,
        "seeds": list(seeds),
    }
    halved = pd.concat(ranges, ignore_index=True) if ranges else None
    return Scores(table, titles, best, about, tuple(_notes(table)), halved)


def make_judge(task: Task, part: Part, context: str, *, with_de: bool = True) -> tuple[Judge, np.ndarray]:
    """Return what judges predictions in a context, and the rows of the control cells that predictors are given."""
    controls = sample_rows(task.control_rows(part, context), MOST_CONTROLS)
    groups = [group for group in task.part(part) if group.context == context]
    return Judge(
        genes=task.genes,
        control=task.x[controls].toarray(),
        real={group.perturbation.label: task.x[sample_rows(group.rows, MOST_CELLS)] for group in groups},
        shared=_shared(task, context),
        project=task.dataset.project,
        with_de=with_de,
        targets={group.perturbation.label: group.perturbation.targets for group in groups},
    ), controls


def sample_rows(rows: np.ndarray, most: int) -> np.ndarray:
    """Return the rows, or so many of them drawn by a fixed seed where there are more."""
    if len(rows) <= most:
        return rows
    return np.sort(np.random.default_rng(0).choice(rows, most, replace=False))


def _best(task: Task, baselines: Sequence[Predictor], *, with_de: bool) -> dict[str, str]:
    """Return the baseline that does best on the validation part, by metric; the first where several tie."""
    tables = []
    for context in sorted({group.context for group in task.part("validation")}):
        judge, controls = make_judge(task, "validation", context, with_de=with_de)
        groups = {group.perturbation.label: group for group in task.part("validation") if group.context == context}
        for row in baselines:
            table = judge.judge(_predict(row, groups, controls, n_cells=None, seed=0))
            tables.append(table.assign(predictor=row.name))
    means = pd.concat(tables).groupby("predictor").mean().reindex([row.name for row in baselines])
    best = {}
    for metric in means.columns.intersection(list(METRICS)):
        if means[metric].notna().any():
            column = means[metric] if METRICS[metric].better == "high" else -means[metric]
            best[metric] = str(column.round(9).idxmax())
    return best


def _shared(task: Task, context: str) -> np.ndarray | None:
    """Return the mean change over training perturbations; None where there are too few to speak of a shared one."""
    train = task.part("train")
    if len({group.perturbation.label for group in train}) < _FEW_SHARED:
        return None
    here = [delta for group, delta in zip(train, task.train_deltas, strict=True) if group.context == context]
    return np.mean(here or list(task.train_deltas), axis=0)


def _predict(
    row: Predictor, groups: dict[str, Group], controls: np.ndarray, *, n_cells: int | None, seed: int
) -> Callable[[str], np.ndarray]:
    def predict(label: str) -> np.ndarray:
        group = groups[label]
        return row.predict(group.perturbation, controls, context=group.context, n_cells=n_cells, seed=seed).x

    return predict


def _notes(table: pd.DataFrame) -> list[str]:
    halves = table[table["predictor"] == REPLICATE]
    if halves.empty:
        return []
    full = {metric: spearman_brown(float(halves[metric].mean())) for metric in CORRELATIONS if metric in halves}
    limits = ", ".join(f"{np.sqrt(r):.2f} ({metric})" for metric, r in full.items() if r > 0)
    return [
        "The replicate compares two halves of the measured cells: it carries noise of its own and is no ceiling. "
        + (f"The true change would correlate {limits} with the measured one." if limits else "")
    ]
