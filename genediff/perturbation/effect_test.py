"""Which perturbations did anything: a permutation test on the energy distance to control, and the cells needed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from genediff.core.stats import false_discovery_rates

if TYPE_CHECKING:
    from collections.abc import Callable

    from genediff.data.importing.perturbation_names import Perturbation
    from genediff.perturbation.task import Task

MOST_CELLS = 300
"""Cells of each side that are compared; more add time, and what 300 do not show is a small effect."""
N_PERMUTATIONS = 999
PER_TEST = 20
"""Permutations for each of n tests, so that one effect among n can be a discovery."""
FDR = 0.05
FEWEST_CELLS = 4.0
"""Cells of each arm below which no permutation of labels can give p < 0.05."""
_POWER_Z = 0.84
"""Normal quantile of a power of 80%."""


@dataclass(frozen=True)
class Effect:
    """What the test says of one perturbation.

    Attributes
    ----------
    e_distance
        Energy distance of its cells from control cells on the principal components, unbiased; about 0 without effect.
    p
        Share of permuted labels with a distance as large, never 0.
    cells_needed
        Cells of each arm with which this distance would be detected (p < 0.05) in 80 of 100 experiments; NaN where no
        distance was seen at all.
    n_cells
        Cells that were compared.
    """

    e_distance: float
    p: float
    cells_needed: float
    n_cells: int


def e_test(
    perturbed: np.ndarray,
    control: np.ndarray,
    *,
    strata: tuple[np.ndarray, np.ndarray] | None = None,
    n_permutations: int = N_PERMUTATIONS,
    generator: np.random.Generator,
) -> Effect:
    """Test whether two groups of cells differ (E-test, Peidli et al. 2024, doi 10.1038/s41592-023-02144-y).

    Parameters
    ----------
    perturbed, control
        Cells on principal components, (cell, axis) each.
    strata
        Cell type of each perturbed and each control cell: labels are permuted within types, so that another mix of
        types does not look like an effect.
    """
    from scipy.spatial.distance import cdist

    n, m = len(perturbed), len(control)
    places = np.concatenate([perturbed, control])
    apart = cdist(places, places)
    groups = np.zeros(n + m) if strata is None else np.concatenate(strata)
    called = np.zeros(n + m)
    called[:n] = 1
    parts = [_distances(called[None], n, apart)]
    for start in range(0, n_permutations, N_PERMUTATIONS):
        drawn = np.zeros((min(N_PERMUTATIONS, n_permutations - start), n + m))
        for one in np.unique(groups):
            where = np.flatnonzero(groups == one)
            drawn[:, where] = generator.permuted(np.broadcast_to(called[where], (len(drawn), len(where))), axis=1)
        parts.append(_distances(drawn, n, apart))
    distance = np.concatenate(parts)
    observed, null = float(distance[0]), distance[1:]
    p = (1 + int((null >= observed - 1e-12).sum())) / (n_permutations + 1)
    # The null's spread falls as 1 / n, that of a real distance about as 1 / sqrt(n): this counts both as the null's.
    limit = float(np.quantile(null, 0.95) + _POWER_Z * null.std())
    size = 2 / (1 / n + 1 / m)  # of equal arms that are as noisy
    needed = max(float(np.ceil(size * limit / observed)), FEWEST_CELLS) if observed > 0 else float("nan")
    return Effect(observed, p, needed, n)


def _distances(drawn: np.ndarray, n: int, apart: np.ndarray) -> np.ndarray:
    """Return energy distances (draw,) of the n cells called perturbed, 1 in drawn (draw, cell), from the others."""
    m = len(apart) - n
    within = ((drawn @ apart) * drawn).sum(1)  # sum of distances among cells called perturbed
    beside = drawn @ apart.sum(1) - within
    rest = apart.sum() - within - 2 * beside
    return np.asarray(2 * beside / (n * m) - within / (n * (n - 1)) - rest / (m * (m - 1)))


def effects_of_screen(
    task: Task, *, seed: int = 0, progress: Callable[[float], None] = lambda share: None
) -> pd.DataFrame:
    """Return which perturbations of a screen did anything.

    Parameters
    ----------
    task
        All its cells are used, whatever part they are in: nothing is predicted.

    Returns
    -------
    pandas.DataFrame
        One row per perturbation, indexed by label: cells, e_distance, p, fdr (Benjamini and Hochberg over the screen),
        effect (fdr < 0.05) and cells_needed.

    Notes
    -----
    With 999 permutations no p-value is below 0.001, so of 300 perturbations six had to tie there before any could be a
    discovery. Where that is so, those that no permutation reached are permuted again, 20 times for every perturbation.
    """
    draw = np.random.default_rng([seed, 53])
    contexts = _contexts(task)
    every = np.sort(np.concatenate(list(task.controls.values())))
    control = _some(np.unique(every), draw)
    rows_of: dict[str, np.ndarray] = {p.label: _some(task.measured(p), draw) for p in task.perturbations}
    places = {label: task.dataset.project(task.x[rows].toarray()) for label, rows in rows_of.items()}
    ground = task.dataset.project(task.x[control].toarray())

    def test(label: str, n_permutations: int = N_PERMUTATIONS) -> Effect:
        strata = (contexts[rows_of[label]], contexts[control])
        return e_test(places[label], ground, strata=strata, n_permutations=n_permutations, generator=draw)

    found = {}
    for number, label in enumerate(rows_of):
        one = test(label)
        found[label] = {
            "cells": len(task.measured(_of(task, label))), "e_distance": one.e_distance, "p": one.p,
            "cells_needed": one.cells_needed,
        }  # fmt: skip
        progress((number + 1) / len(rows_of))
    table = pd.DataFrame.from_dict(found, orient="index")
    table["p"] = refined(table["p"], lambda label, n: test(label, n).p)
    table.index.name = "perturbation"
    table.insert(3, "fdr", false_discovery_rates(table["p"].to_numpy()))
    table.insert(4, "effect", table["fdr"] < FDR)
    return table


def refined(p: pd.Series, again: Callable[[str, int], float], *, least: float = 1 / (N_PERMUTATIONS + 1)) -> pd.Series:
    """Return p-values by label, those at the least one tested ``again(label, permutations)`` where none can be found.

    At most one in fifty is: of more that tie, all are discoveries as it is.
    """
    tied = p.index[p <= least]
    if len(p) * least < FDR * len(tied):
        return p
    return p.where(p > least, [again(label, PER_TEST * len(p)) if label in tied else 1.0 for label in p.index])


def _of(task: Task, label: str) -> Perturbation:
    return next(p for p in task.perturbations if p.label == label)


def _contexts(task: Task) -> np.ndarray:
    column = task.config.context
    n = task.dataset.info.n_cells
    return np.zeros(n) if column is None else task.dataset.obs[column].astype(str).to_numpy(dtype=str)


def _some(rows: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    return rows if len(rows) <= MOST_CELLS else np.sort(draw.choice(rows, MOST_CELLS, replace=False))
