"""Do the activations of two groups of cells differ? By token: the Mann-Whitney test, its AUC, and how sure that is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.special import log_ndtr, ndtri
from scipy.stats import rankdata

from genediff.errors import InputError
from genediff.inspection.replicates import Replicates, between_replicates
from genediff.knowledge.enrichment import false_discovery_rates

if TYPE_CHECKING:
    from collections.abc import Sequence

LEAST_CELLS = 5
MOST_NUMBERS = 1_000_000  # tokens x cells that are ranked; more cells change no digit that is shown
LEAST_SAMPLE = 2_000
_BISECTIONS = 60


@dataclass(frozen=True, eq=False)
class Comparison:
    """The outcome of a test between two groups, token by token.

    Attributes
    ----------
    table
        The largest effect first: ``token``; ``auc``, the chance that a cell of the first group lies above one of the
        second (0.5: no difference), and its interval ``auc_low`` to ``auc_high``; ``difference`` of the means in pooled
        standard deviations, and ``difference_low`` to ``difference_high``; ``p_value`` of the Mann-Whitney test, its
        ``log10_p`` (which does not underflow), and ``fdr`` after Benjamini and Hochberg. With replicates also
        ``p_replicates`` and ``fdr_replicates``.
    n_first, n_second
        Cells in the groups.
    n_used
        Cells that were ranked: all, or a fixed random sample where that is as good.
    replicates
        How replicates were compared; None where there are too few.
    """

    table: pd.DataFrame
    n_first: int
    n_second: int
    n_used: int
    replicates: Replicates | None

    @property
    def caution(self) -> str:
        """What the p-values do not say."""
        cells = (
            "Cells of one donor or dish are not independent of each other, so the p-values of thousands of cells say "
            "that a difference is there in these cells, not that another donor would show it: read the size of the "
            "effect first."
        )
        if self.replicates is None:
            return cells + " This data set names no column of replicates (batch) with three or more in the groups."
        return f"{cells} {self.replicates.sentence}"


def compare_groups(
    values: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
    names: Sequence[str],
    *,
    replicates: np.ndarray | None = None,
    seed: int = 0,
) -> Comparison:
    """Test every token between two groups of cells.

    Parameters
    ----------
    values
        One number per token and cell, (token, cell).
    first, second
        Which cells are in each group, bool (cell,).
    names
        Of the tokens.
    replicates
        The donor, dish or batch of each cell as a code, (cell,); -1 for none.
    seed
        Of the sample that is taken from very many cells.

    Raises
    ------
    InputError
        When a group has fewer than five cells, or a cell is in both.

    Notes
    -----
    The p-value is two-sided, by the normal approximation with correction for ties and continuity (Mann and Whitney
    1947); the interval of the AUC is method 5 of Newcombe 2006, doi:10.1002/sim.2324, which also holds near 0 and 1;
    that of the difference is the usual one of Cohen's d (Hedges and Olkin 1985).
    """
    _check(values, first, second, names)
    own, other = np.flatnonzero(first), np.flatnonzero(second)
    most = max(LEAST_SAMPLE, MOST_NUMBERS // max(1, len(values)))
    draw = np.random.default_rng(seed)
    a, b = (_sample(np.asarray(values), rows, most // 2, draw) for rows in (own, other))  # (token, cell)
    auc, log_p = _mann_whitney(a, b)
    low, high = auc_interval(auc, len(own), len(other))
    difference, spread = _difference(a, b, len(own), len(other))
    p_value = np.exp(log_p)
    table = pd.DataFrame(
        {
            "token": list(names),
            "auc": auc,
            "auc_low": low,
            "auc_high": high,
            "difference": difference,
            "difference_low": difference - spread,
            "difference_high": difference + spread,
            "p_value": p_value,
            "log10_p": log_p / np.log(10),
            "fdr": false_discovery_rates(p_value),
        }
    )
    found = None if replicates is None else between_replicates(values, first, second, replicates)
    if found is not None:
        table["p_replicates"] = found.p_values
        table["fdr_replicates"] = false_discovery_rates(found.p_values)
    order = np.argsort(-np.abs(auc - 0.5), kind="stable")
    n_used = a.shape[1] + b.shape[1]
    return Comparison(table.iloc[order].reset_index(drop=True), len(own), len(other), n_used, found)


def auc_interval(auc: np.ndarray, n_first: int, n_second: int, *, level: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
    """Return the ends of the interval of AUCs (token,), by method 5 of Newcombe 2006."""
    z = float(ndtri(0.5 + level / 2))
    auc = np.asarray(auc, dtype=float)
    pair = (n_first + n_second) / 2 - 1

    def reach(theta: np.ndarray) -> np.ndarray:
        inner = 1 + pair * ((1 - theta) / (2 - theta) + theta / (1 + theta))
        return z * np.sqrt(theta * (1 - theta) * inner / (n_first * n_second))

    def solve(sign: float, end: float) -> np.ndarray:
        # Between the AUC itself and the end of the scale lies the value that is just not rejected.
        near, far = auc.copy(), np.full_like(auc, end)
        for _ in range(_BISECTIONS):
            middle = (near + far) / 2
            inside = sign * (middle - auc) < reach(middle)
            near, far = np.where(inside, middle, near), np.where(inside, far, middle)
        return near

    return solve(-1.0, 0.0), solve(1.0, 1.0)


def _check(values: np.ndarray, first: np.ndarray, second: np.ndarray, names: Sequence[str]) -> None:
    if values.ndim != 2 or len(values) != len(names) or not (len(first) == len(second) == values.shape[1]):
        raise ValueError(f"values {values.shape}, groups {first.shape}, {second.shape} and {len(names)} names differ")
    for group, word in ((first, "first"), (second, "second")):
        if group.sum() < LEAST_CELLS:
            raise InputError(
                f"The {word} group has {int(group.sum())} cells; choose a group of {LEAST_CELLS} or more to compare."
            )
    if both := int((first & second).sum()):
        raise InputError(f"{both:,} cells are in both groups; choose two groups that share no cell.")


def _sample(values: np.ndarray, rows: np.ndarray, most: int, draw: np.random.Generator) -> np.ndarray:
    if len(rows) > most:
        rows = np.sort(draw.permutation(rows)[:most])
    return values[:, rows].astype(np.float64)


def _mann_whitney(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return AUCs and natural logarithms of two-sided p-values, each (token,), for a and b (token, cell)."""
    m, n = a.shape[1], b.shape[1]
    ranks = np.asarray(rankdata(np.concatenate([a, b], axis=1), axis=1))  # (token, cell)
    u = ranks[:, :m].sum(1) - m * (m + 1) / 2
    # Among N ranks Σ(t³ - t) over ties is what their sum of squares lacks, times twelve.
    total = m + n
    variance_of_ranks = ((ranks - (total + 1) / 2) ** 2).sum(1) / (total - 1)
    sd = np.sqrt(m * n / total * variance_of_ranks)
    away = np.maximum(np.abs(u - m * n / 2) - 0.5, 0.0)
    z = np.divide(away, sd, out=np.zeros_like(away), where=sd > 0)
    return u / (m * n), np.minimum(np.log(2) + log_ndtr(-z), 0.0)


def _difference(a: np.ndarray, b: np.ndarray, m: int, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return Cohen's d and half of its 95% interval, each (token,)."""
    variance = (a.var(1, ddof=1) * (a.shape[1] - 1) + b.var(1, ddof=1) * (b.shape[1] - 1)) / (
        a.shape[1] + b.shape[1] - 2
    )
    sd = np.sqrt(variance)
    gap = a.mean(1) - b.mean(1)
    d = np.divide(gap, sd, out=np.zeros_like(gap), where=sd > 0)
    return d, float(ndtri(0.975)) * np.sqrt((m + n) / (m * n) + d**2 / (2 * (m + n)))
