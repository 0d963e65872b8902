"""Where a model is needed in a screen: which perturbations did anything, and which of these simple baselines miss."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from genediff.core.stats import pearson
from genediff.perturbation.change_scores import noise_limits
from genediff.perturbation.effect_test import effects_of_screen
from genediff.perturbation.model.leave_out import folds, predict_fold
from genediff.perturbation.model.measured_shifts import measured
from genediff.perturbation.model.model_kinds import KINDS
from genediff.perturbation.model.perturbation_identity import Identity
from genediff.perturbation.model.shrinkage import LeftOut
from genediff.perturbation.target_loss import without_targets

if TYPE_CHECKING:
    from collections.abc import Callable

    from genediff.perturbation.model.measured_shifts import MeasuredTask
    from genediff.perturbation.task import Task

State = Literal["no effect", "solved", "partly", "resists", "not judged"]
SOLVED, RESISTS = 0.8, 0.5
"""Shares of the correlation that noise allows, from which on a baseline solves, and below which it misses."""
STATES: dict[str, str] = {
    "no effect": "No effect on expression detected",
    "solved": "Predicted by a simple baseline",
    "partly": "Partly predicted by a simple baseline",
    "resists": "Missed by all simple baselines",
    "not judged": "Effect, but held-out prediction could not be judged",
}


def screen_overview(
    task: Task, *, seed: int = 0, progress: Callable[[float], None] = lambda share: None
) -> pd.DataFrame:
    """Return one row per perturbation: what it did, and how far simple baselines predict it when it is left out.

    Parameters
    ----------
    task
        Of the scheme "cells". Every perturbation is left out once, with all combinations that its genes are in (for
        a combination: it alone), and predicted by every baseline.

    Returns
    -------
    pandas.DataFrame
        Indexed by perturbation, the strongest first: the columns of ``effects_of_screen``; baseline (its title), r
        and attainable (the r that noise allows) where it was left out; state, a key of ``STATES``.
    """
    table = effects_of_screen(task, seed=seed, progress=lambda share: progress(0.6 * share))
    every_cell = whole(task)
    left = {kind: LeftOut() for kind in KINDS}
    unknown = Identity(task.genes, np.zeros((len(task.genes), 1)))
    every = list(folds(every_cell, seed=seed, cells=False))
    limits: dict[tuple[str, str], float] = {}
    for number, fold in enumerate(every):
        fitted, judging = every_cell.split_controls(seed * 1000 + number)
        predict_fold(fitted, judging, unknown, fold, left, recipes=())
        for group in fold.test:
            keep = without_targets(task, group.perturbation)
            controls = judging.control_rows("train", group.context)
            limits[group.perturbation.label, group.context] = noise_limits(task, group.rows, controls, keep)[1]
        progress(0.6 + 0.4 * (number + 1) / len(every))
    table = table.join(_baselines(left, limits))
    table["state"] = [_state(row) for _, row in table.iterrows()]
    return table.sort_values("e_distance", ascending=False)


def whole(task: Task) -> MeasuredTask:
    """Return the task with all cells of all parts as its training part."""
    groups: dict[tuple[str, str], list] = {}
    for group in task.groups:
        groups.setdefault((group.perturbation.label, group.context), []).append(group)
    joined = tuple(
        replace(parts[0], part="train", rows=np.sort(np.concatenate([one.rows for one in parts])))
        for parts in groups.values()
    )
    known = measured(task)
    controls = dict(known.controls)
    for context in task.contexts:
        rows = [task.controls[context, part] for part in ("train", "validation", "test")]
        controls[context, "train"] = np.unique(np.concatenate(rows))
    return replace(known, groups=joined, controls=controls)


def _baselines(left: dict, limits: dict[tuple[str, str], float]) -> pd.DataFrame:
    """Return baseline, r and attainable by perturbation: of each kind, the baseline with the highest mean r."""
    from genediff.perturbation.perturbation_baselines import BASELINES

    tables = []
    for kind, one in enumerate(left.values()):
        if not len(one):
            continue
        truth = np.stack(one.measured)
        r = pd.DataFrame({name: pearson(np.stack(rows), truth) for name, rows in one.baselines.items()})
        best = str(r.mean().idxmax())
        tables.append(
            pd.DataFrame({
                "perturbation": [label for label, _ in one.labels],
                "kind": kind,
                "baseline": BASELINES[best].title,
                "r": r[best],
                "attainable": [limits[label] for label in one.labels],
            })
        )  # fmt: skip
    if not tables:
        return pd.DataFrame(columns=["baseline", "r", "attainable"])
    rows = pd.concat(tables)
    easiest = rows.groupby("perturbation")["kind"].transform("min")  # a pair of measured genes before one of unknown
    found = rows[rows["kind"] == easiest].groupby("perturbation")
    return found[["r", "attainable"]].mean().assign(baseline=found["baseline"].first())


def _state(row: pd.Series) -> State:
    if not row["effect"]:
        return "no effect"
    if not np.isfinite(row["r"]) or not row["attainable"] > 0:
        return "not judged"
    share = row["r"] / row["attainable"]
    return "solved" if share >= SOLVED else "resists" if share < RESISTS else "partly"
