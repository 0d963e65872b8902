"""How one predictor did on held-out perturbations, beside every baseline and the split-half ceiling, in one table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from genediff.perturbation.standing import FEWEST, Level, best_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from genediff.perturbation.baselines import Shift
    from genediff.perturbation.prediction import Predictor
    from genediff.perturbation.task import Group, Task

N_CELLS = 100
_DRAWS = 2000


@dataclass(frozen=True, eq=False)
class Judged:
    """Scores of held-out groups: the correlation of predicted and measured change over genes.

    Attributes
    ----------
    table
        One row per held-out perturbation and context: perturbation, context, cells, ceiling, a column per baseline, and
        ``predictor`` where one was judged. Genes that are perturbed themselves are left out: their change is known
        without any prediction.
    titles
        Of the columns.
    best
        The baseline with the highest mean on these groups, by ``best_of``. That is a choice in its favour, so that
        beating it counts.
    """

    table: pd.DataFrame
    titles: Mapping[str, str]
    best: str

    @property
    def means(self) -> pd.Series:
        """Mean of every column of scores, the highest first; of baselines that tie, the best one."""
        means = self.table[list(self.titles)].mean()
        return means[sorted(means.index, key=lambda name: (-round(float(means[name]), 6), name != self.best))]

    def gain(self, *, seed: int = 0) -> tuple[float, float, float]:
        """Return the mean gain of the predictor over the best baseline with its 95% bootstrap interval, paired."""
        gains = (self.table["predictor"] - self.table[self.best]).to_numpy()
        draws = np.random.default_rng(seed).choice(gains, (_DRAWS, len(gains))).mean(axis=1)
        low, high = np.quantile(draws, [0.025, 0.975])
        return float(gains.mean()), float(low), float(high)

    @property
    def harm(self) -> float:
        """Share of held-out groups on which the predictor does worse than the best baseline."""
        return float((self.table["predictor"] < self.table[self.best] - 1e-9).mean())

    @property
    def level(self) -> Level:
        """Whether the predictor is better than the best baseline, about the same, or worse."""
        if "predictor" not in self.table or len(self.table) < FEWEST:
            return "unknown"
        _, low, high = self.gain()
        return "better" if low > 0 else "worse" if high < 0 else "same"


def judge(
    task: Task, shifts: Mapping[str, Shift], predictor: Predictor | None = None, *,
    progress: Callable[[float], None] = lambda share: None, seed: int = 0,
) -> Judged:  # fmt: skip
    """Judge baselines and a predictor on the test groups of a task.

    Parameters
    ----------
    task
        Its test part is what is predicted; predictor and baselines must have learnt from its training part alone.
    shifts
        Fitted on this task.
    predictor
        None: baselines alone.
    progress
        Told the share that is done; may raise to stop.
    seed
        Of the predicted cells and of the halves.
    """
    rows, places = [], {gene: place for place, gene in enumerate(task.genes)}
    errors = dict.fromkeys(shifts, 0.0)
    groups = task.part("test")
    for number, group in enumerate(groups):
        keep = np.ones(len(task.genes), dtype=bool)
        keep[[places[gene] for gene in group.perturbation.targets if gene in places]] = False
        measured = task.delta(group)[keep]
        row: dict[str, object] = {
            "perturbation": group.perturbation.label,
            "context": group.context,
            "cells": len(group.rows),
            "ceiling": ceiling(task, group, keep, seed=seed),
        }
        for name, one in shifts.items():
            said = one.delta(group.perturbation, group.context)[keep]
            row[name] = pearson(said, measured)
            errors[name] += float(((said - measured) ** 2).mean())
        if predictor is not None:
            made = predictor.predict(
                group.perturbation, task.control_rows("test", group.context), context=group.context, n_cells=N_CELLS,
                seed=seed,
            )  # fmt: skip
            row["predictor"] = pearson(made.delta[keep], measured)
        rows.append(row)
        progress((number + 1) / len(groups))
    titles = {name: one.title for name, one in shifts.items()}
    if predictor is not None:
        titles = {"predictor": predictor.title, **titles}
    table = pd.DataFrame(rows)
    return Judged(table, titles, best_of({name: float(table[name].mean()) for name in shifts}, errors))


def ceiling(task: Task, group: Group, keep: np.ndarray, *, seed: int = 0) -> float:
    """Return how well the changes of two samples as large as the measured one would agree, 0 with too few cells.

    Two halves of the cells (and of the controls) are compared, and their correlation is brought to full size by
    Spearman and Brown's formula 2 r / (1 + r).
    """
    draw = np.random.default_rng([seed, 5])
    halves = []
    parts = [draw.permutation(rows) for rows in (group.rows, task.control_rows(group.part, group.context))]
    if min(len(part) for part in parts) < 4:
        return 0.0
    for half in (0, 1):
        cells, control = (part[half::2] for part in parts)
        halves.append((task.mean(cells) - task.mean(control))[keep])
    r = pearson(*halves)
    return 2 * r / (1 + r) if r > 0 else 0.0


def pearson(one: np.ndarray, other: np.ndarray) -> float:
    """Return Pearson's r, 0 where one of both does not vary."""
    one, other = one - one.mean(), other - other.mean()
    size = float(np.linalg.norm(one) * np.linalg.norm(other))
    return float(one @ other) / size if size > 1e-12 else 0.0


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
