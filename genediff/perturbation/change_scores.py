"""How predicted mean changes meet measured ones on held-out perturbations: direction, size, and what noise allows."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import scipy.sparse as sp

from genediff.core.stats import MeanInterval, mean_interval, p_beside_best, pearson, spearman_brown
from genediff.perturbation.baseline_comparison import Level, best_of, level_of
from genediff.perturbation.score_table import independent_cases
from genediff.perturbation.target_loss import without_targets

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from genediff.perturbation.prediction import Predictor
    from genediff.perturbation.task import Group, Task

CASE = ["perturbation", "context"]
WORSE_BY = 0.02
"""A prediction whose r is lower than the baseline's by more than this is made worse by the model."""
_SPLITS = 4


@dataclass(frozen=True, eq=False)
class ChangeScores:
    """Scores of predicted changes on held-out groups; perturbed genes themselves are left out.

    Attributes
    ----------
    table
        One row per held-out group and predictor: perturbation, context, cells, replicate, attainable, predictor, and
        the scores r (Pearson's, over genes), slope (of measured on predicted change; 1: the size is right, 5: the
        measured change is five times as large) and error (mean squared, of log-normalised units).
    titles
        Of the predictors.
    baselines
        Their names among the predictors.
    """

    table: pd.DataFrame
    titles: Mapping[str, str]
    baselines: tuple[str, ...]

    @property
    def predictor(self) -> str | None:
        """The name of the predictor that is not a baseline; None where baselines alone were scored."""
        return next((name for name in self.titles if name not in self.baselines), None)

    @cached_property
    def wide(self) -> pd.DataFrame:
        """Pearson's r with one row per held-out group and one column per predictor."""
        return self.table.pivot(index=CASE, columns="predictor", values="r")

    @cached_property
    def cases(self) -> pd.DataFrame:
        """One row per held-out group: cells, replicate and attainable, indexed by perturbation and context."""
        return self.table.drop_duplicates(CASE).set_index(CASE)[["cells", "replicate", "attainable"]]

    @property
    def n(self) -> int:
        """Independent cases: distinct perturbations, or contexts where there are more of these."""
        return len(set(self._units))

    @cached_property
    def best(self) -> str:
        """The baseline with the highest mean r on these groups: a choice in its favour, so that beating it counts."""
        means = self.table.groupby("predictor")[["r", "error"]].mean().loc[list(self.baselines)]
        return best_of(means["r"].to_dict(), means["error"].to_dict())

    @property
    def means(self) -> pd.Series:
        """Mean r of every predictor, the highest first; of baselines that tie, the best one."""
        means, best = self.wide.mean(), self.best
        return means[sorted(means.index, key=lambda name: (-round(float(means[name]), 6), name != best))]

    @property
    def gains(self) -> pd.Series:
        """Gain in r over the best baseline, one per independent case."""
        assert self.predictor is not None
        wide = self.wide
        return (wide[self.predictor] - wide[self.best]).groupby(self._units).mean()

    @property
    def gain(self) -> MeanInterval:
        """The mean gain in r over the best baseline, paired, with its 95% t interval."""
        return mean_interval(self.gains.to_numpy())

    @property
    def harm(self) -> float:
        """Share of cases whose r is lower than the best baseline's by more than 0.02."""
        return float((self.gains < -WORSE_BY).mean())

    @property
    def level(self) -> Level:
        """Whether the predictor is better than the best baseline, about the same, or worse."""
        if self.predictor is None:
            return "unknown"
        return level_of(self.gain.mean, p_beside_best(self.gains.to_numpy(), rivals=len(self.baselines)))

    def slope(self, predictor: str) -> float:
        """Return the slope of measured on predicted changes over all cases together; NaN where nothing is predicted."""
        rows = self.table[self.table["predictor"] == predictor]
        weight = rows["predicted_size"] ** 2
        return float((rows["slope"] * weight).sum() / weight.sum()) if weight.sum() > 0 else float("nan")

    @cached_property
    def _units(self) -> pd.Index:
        return independent_cases(self.wide.index)


def score_changes(
    task: Task,
    predictors: Sequence[Predictor],
    *,
    baselines: Sequence[str],
    groups: Sequence[Group] | None = None,
    progress: Callable[[float], None] = lambda share: None,
    seed: int = 0,
) -> ChangeScores:
    """Score predictors on held-out groups.

    Parameters
    ----------
    task
        Predictors must have learnt from its training part alone.
    predictors
        Baselines and at most one model, with names that differ.
    baselines
        Which of them are baselines, by name.
    groups
        What is predicted; None: the test part.
    progress
        Told the share that is done; may raise to stop.
    seed
        Of the halves of the measured cells.
    """
    groups = task.part("test") if groups is None else groups
    rows = []
    for number, group in enumerate(groups):
        keep = without_targets(task, group.perturbation)
        measured = task.delta(group)[keep]
        controls = task.control_rows(group.part, group.context)
        replicate, attainable = noise_limits(task, group.rows, controls, keep, seed=seed)
        known = {"perturbation": group.perturbation.label, "context": group.context, "cells": len(group.rows),
                 "replicate": replicate, "attainable": attainable}  # fmt: skip
        for one in predictors:
            predicted = one.deltas([group.perturbation], group.context)[0][keep]
            rows.append({**known, "predictor": one.name, **change_scores(predicted, measured)})
        progress((number + 1) / len(groups))
    return ChangeScores(pd.DataFrame(rows), {one.name: one.title for one in predictors}, tuple(baselines))


def change_scores(predicted: np.ndarray, measured: np.ndarray) -> dict[str, float]:
    """Return r, slope of measured on predicted, mean squared error, and the spread of the prediction over genes."""
    size = float(predicted.std())
    covariance = float(((predicted - predicted.mean()) * (measured - measured.mean())).mean())
    return {
        "r": float(pearson(predicted, measured)),
        "slope": covariance / size**2 if size > 1e-9 else 0.0,
        "error": float(((predicted - measured) ** 2).mean()),
        "predicted_size": size if size > 1e-9 else 0.0,
    }


def noise_limits(
    task: Task, cells: np.ndarray, controls: np.ndarray, keep: np.ndarray, *, seed: int = 0
) -> tuple[float, float]:
    """Return how well a second experiment would agree with the measured change, and how well the true change would.

    ``cells`` and ``controls`` are row numbers. Halves of the cells, each against its own half of the controls, are
    compared; their correlation r, brought to full size by Spearman and Brown's formula 2 r / (1 + r), is that of a
    replicate. A prediction without noise can reach its square root, which is higher: a replicate carries noise of its
    own. 0 with too few cells.
    """
    draw = np.random.default_rng([seed, 5])
    if min(len(cells), len(controls)) < 4:
        return 0.0, 0.0
    halves = _half_means(task, cells, draw) - _half_means(task, controls, draw)  # (split, half, gene)
    r = float(pearson(halves[:, 0][:, keep], halves[:, 1][:, keep]).mean())
    full = spearman_brown(r)
    return full, float(np.sqrt(full))


def _half_means(task: Task, rows: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """Return the mean x of random halves of some cells, (split, half, gene)."""
    n = len(rows) // 2
    weight = np.zeros((2 * _SPLITS, len(rows)), dtype=np.float32)
    for split in range(_SPLITS):
        order = draw.permutation(len(rows))
        weight[2 * split, order[:n]] = weight[2 * split + 1, order[n : 2 * n]] = 1 / n
    return np.asarray(sp.csr_matrix(weight) @ task.x[rows].toarray()).reshape(_SPLITS, 2, -1)


def nearest(task: Task, gene: str) -> tuple[str, float, float] | None:
    """Return the gene perturbed in training that varies most like this one in training cells.

    Returns
    -------
    tuple | None
        The gene, its similarity (cosine of principal component loadings, -1 to 1), and the share of training genes
        whose own nearest other training gene is less alike. None when the gene or all others are not among the genes.
    """
    places = {name: place for place, name in enumerate(task.genes)}
    seen = sorted(name for name in task.seen_parts if name in places and name != gene)
    if gene not in places or len(seen) < 2:
        return None
    loadings = task.dataset.pca.components.T * np.sqrt(np.maximum(task.dataset.pca.explained, 0))  # (gene, pc)
    unit = loadings / np.maximum(np.linalg.norm(loadings, axis=1, keepdims=True), 1e-12)
    here = unit[[places[name] for name in seen]]  # (seen, pc)
    own = here @ unit[places[gene]]
    among = here @ here.T
    np.fill_diagonal(among, -np.inf)
    best = int(own.argmax())
    return seen[best], float(own[best]), float((among.max(axis=1) < own[best]).mean())
