"""How much each source of prior knowledge counts: as much as it helps for genes that are left out."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from genediff.core.stats import FEWEST, pearson
from genediff.perturbation.model.effect_matrices import effects_of
from genediff.perturbation.model.gene_priors import GenePriors
from genediff.perturbation.model.leave_out import gene_folds
from genediff.perturbation.model.model_kinds import items_of
from genediff.perturbation.model.perturbation_identity import Identity
from genediff.perturbation.model.regression import Recipe, Regression
from genediff.perturbation.target_loss import without_targets

if TYPE_CHECKING:
    from collections.abc import Callable

    from genediff.perturbation.model.measured_shifts import MeasuredTask

STANDARD = Recipe(alike=0, prior=1, centred=True, noise=3)
BELIEVED = 1.0
"""Standard errors by which a source is believed to help before anything is left out."""


def weigh_priors(
    task: MeasuredTask, priors: GenePriors, *, seed: int, check: Callable[[], None] = lambda: None
) -> GenePriors:
    """Return the sources with weights that perturbations of the training part decide.

    Each gene is left out with all that was done to it, and predicted by the mean of the others plus what genes that are
    alike by one source alone differ by. A source's weight is one plus its mean gain in correlation over the mean of the
    others, in standard errors; one that surely does harm has none.
    """
    names = sorted({part for group in task.part("train") for part in group.perturbation.parts})
    known = tuple(one for one in priors.sources if len(set(names) & set(one.genes)) >= 2)
    gains: dict[str, list[pd.Series]] = {one.id: [] for one in known}
    for number, fold in enumerate(gene_folds(task, seed=seed)):
        fitted, judging = task.split_controls(seed * 1000 + number)
        effects = effects_of(fitted.training_on(fold.train))
        groups = [group for group in fold.test if len(group.perturbation.parts) == 1]
        if not groups or len(effects) < 2:
            continue
        items = [items_of(group.perturbation, task.config.mode) for group in groups]
        contexts = [group.context for group in groups]
        mean = Regression(effects, _identity(task), replace(STANDARD, prior=0)).predict(items, contexts)
        for one in known:
            check()
            own = _identity(task, GenePriors((one,), {one.id: 1.0}))
            found = Regression(effects, own, STANDARD).predict(items, contexts)
            gains[one.id].append(_r(judging, groups, found) - _r(judging, groups, mean))
    raw = {name: _strength(pd.concat(rows)) if rows else 0.0 for name, rows in gains.items()}
    total = sum(raw.values())
    return GenePriors(known, {name: weight / total for name, weight in raw.items() if weight > 0} if total else {})


def _identity(task: MeasuredTask, priors: GenePriors | None = None) -> Identity:
    return Identity(task.genes, np.zeros((len(task.genes), 1)), None, priors)


def _r(judging: MeasuredTask, groups: list, predicted: np.ndarray) -> pd.Series:
    found = []
    for group, row in zip(groups, predicted, strict=True):
        keep = without_targets(judging, group.perturbation)
        found.append(float(pearson(row[keep], judging.delta(group)[keep])))
    return pd.Series(found, index=[group.perturbation.label for group in groups])


def _strength(gains: pd.Series) -> float:
    """Return the mean gain in its standard errors over perturbations, plus what is believed beforehand; at least 0."""
    values = gains.groupby(level=0).mean().to_numpy()
    if len(values) < FEWEST or values.std(ddof=1) < 1e-9:
        return 0.0
    return max(0.0, BELIEVED + float(values.mean() / (values.std(ddof=1) / np.sqrt(len(values)))))
