"""Tests and intervals that several rooms need, on rows of numbers; scipy where it has them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import expit, log_ndtr, logit, ndtri
from scipy.stats import false_discovery_control, rankdata
from scipy.stats import t as student_t

if TYPE_CHECKING:
    from collections.abc import Sequence

_BISECTIONS = 60
LEVEL = 0.95
"""Of every interval that is shown."""
FEWEST = 6
"""Cases below which no interval of a mean is given."""


def false_discovery_rates(p_values: np.ndarray) -> np.ndarray:
    """Adjust p-values after Benjamini and Hochberg (1995): the smallest rate at which each is a discovery.

    Parameters
    ----------
    p_values
        Of any shape, all one family; NaN is no test and stays NaN.
    """
    p = np.asarray(p_values, dtype=np.float64)
    rates, tested = np.full(p.shape, np.nan), np.isfinite(p)
    if tested.any():
        rates[tested] = false_discovery_control(p[tested])
    return rates


def adaptive_discovery_rates(p_values: np.ndarray) -> np.ndarray:
    """Adjust p-values as `false_discovery_rates`, with the share of true nulls estimated from those above 0.5.

    For families in which many effects are expected: (1 + number above 0.5) / (n / 2) of the n hypotheses are taken to
    be null, at most all (Storey, Taylor and Siegmund 2004, doi:10.1111/j.1467-9868.2004.00439.x).
    """
    p = np.asarray(p_values, dtype=np.float64)
    n = int(np.isfinite(p).sum())
    null = min(1.0, 2 * (1 + int((p > 0.5).sum())) / n) if n else 1.0
    return null * false_discovery_rates(p)


def spearman_brown(r: float) -> float:
    """Return the correlation of whole samples, from that of their halves: 2 r / (1 + r); 0 where r is not above 0."""
    return 2 * r / (1 + r) if r > 0 else 0.0


@dataclass(frozen=True, eq=False)
class MannWhitney:
    """Mann-Whitney tests, one per row, (row,) each.

    Attributes
    ----------
    auc
        Chance that a value of the first group lies above one of the second, ties counted half; 0.5 for no difference.
    low, high
        Its interval.
    log_p
        Natural logarithm of the two-sided p-value, which does not underflow.
    """

    auc: np.ndarray
    low: np.ndarray
    high: np.ndarray
    log_p: np.ndarray


def mann_whitney(a: np.ndarray, b: np.ndarray, *, level: float = 0.95) -> MannWhitney:
    """Compare two groups of cells row by row.

    The p-value is the normal approximation with correction for ties and continuity (Mann and Whitney 1947). The
    interval is DeLong's (1988, doi:10.2307/2531595) on the logit scale, which also holds where spreads differ or values
    tie; where the groups do not overlap it has no variance to go by, and Newcombe's stands in (`auc_interval`).

    Parameters
    ----------
    a, b
        Values of the groups, (row, cell) each, with two cells or more.
    level
        Of the interval.
    """
    m, n = a.shape[1], b.shape[1]
    ranks = np.asarray(rankdata(np.concatenate([a, b], axis=1), axis=1))  # (row, cell)
    u = ranks[:, :m].sum(1) - m * (m + 1) / 2
    auc = u / (m * n)
    # Placements: the share of the other group below each value.
    above = (ranks[:, :m] - rankdata(a, axis=1)) / n
    below = (ranks[:, m:] - rankdata(b, axis=1)) / m
    low, high = _delong(auc, above.var(1, ddof=1) / m + below.var(1, ddof=1) / n, m, n, level)
    # Among N ranks Σ(t³ - t) over ties is what their sum of squares lacks, times twelve.
    variance_of_ranks = ((ranks - (m + n + 1) / 2) ** 2).sum(1) / (m + n - 1)
    return MannWhitney(auc, low, high, log_p_of_u(u, m, n, variance_of_ranks))


def log_p_of_u(u: np.ndarray, m: int, n: int, variance_of_ranks: np.ndarray) -> np.ndarray:
    """Return the natural logarithm of two-sided p-values of U of m against n cells, (row,)."""
    sd = np.sqrt(m * n / (m + n) * variance_of_ranks)
    away = np.maximum(np.abs(u - m * n / 2) - 0.5, 0.0)
    z = np.divide(away, sd, out=np.zeros_like(away), where=sd > 0)
    return np.minimum(np.log(2) + log_ndtr(-z), 0.0)


def auc_interval(auc: np.ndarray, n_first: int, n_second: int, *, level: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
    """Return the ends of the interval of AUCs (row,) from the sizes of the groups alone.

    Method 5 of Newcombe 2006, doi:10.1002/sim.2324, which also holds at 0 and 1.
    """
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


def _delong(auc: np.ndarray, variance: np.ndarray, m: int, n: int, level: float) -> tuple[np.ndarray, np.ndarray]:
    known = (variance > 0) & (auc > 0) & (auc < 1)
    inside = np.clip(auc, 1e-12, 1 - 1e-12)
    half = float(ndtri(0.5 + level / 2)) * np.sqrt(variance) / (inside * (1 - inside))
    low, high = auc_interval(auc, m, n, level=level)
    return (
        np.where(known, expit(logit(inside) - half), low),
        np.where(known, expit(logit(inside) + half), high),
    )


def cohens_d(a: np.ndarray, b: np.ndarray, *, level: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
    """Return the difference of means in pooled standard deviations, and half of its interval, (row,) each.

    Parameters
    ----------
    a, b
        Values of the groups, (row, cell) each.

    Notes
    -----
    The interval is that of Hedges and Olkin 1985; a row without variance has 0.
    """
    m, n = a.shape[1], b.shape[1]
    sd = np.sqrt((a.var(1, ddof=1) * (m - 1) + b.var(1, ddof=1) * (n - 1)) / (m + n - 2))
    gap = a.mean(1) - b.mean(1)
    d = np.divide(gap, sd, out=np.zeros_like(gap), where=sd > 0)
    return d, float(ndtri(0.5 + level / 2)) * np.sqrt((m + n) / (m * n) + d**2 / (2 * (m + n)))


@dataclass(frozen=True)
class MeanInterval:
    """A mean over ``n`` cases and its interval at ``LEVEL``; ``low`` and ``high`` are NaN where there is none."""

    mean: float
    low: float
    high: float
    n: int

    @property
    def sign(self) -> int | None:
        """1 where the interval lies above 0, -1 where it lies below, 0 where it holds 0; None without an interval."""
        if not np.isfinite([self.low, self.high]).all():
            return None
        return int(self.low > 0) - int(self.high < 0)


def mean_interval(
    values: Sequence[float] | np.ndarray, *, bounds: tuple[float, float] = (-np.inf, np.inf)
) -> MeanInterval:
    """Return the mean of some cases and its Student t interval, within the ``bounds`` of a value; NaN are left out.

    The percentile bootstrap, which stood here before, calls 12 to 18 of 100 differences of three cases real where none
    is: resampling so few values cannot show how much their mean varies.
    """
    kept = np.asarray(values, dtype=np.float64)
    kept = kept[np.isfinite(kept)]
    n = len(kept)
    mean = float(kept.mean()) if n else float("nan")
    if n < FEWEST:
        return MeanInterval(mean, float("nan"), float("nan"), n)
    half = float(student_t.ppf((1 + LEVEL) / 2, n - 1) * kept.std(ddof=1) / np.sqrt(n))
    return MeanInterval(mean, max(mean - half, bounds[0]), min(mean + half, bounds[1]), n)


def p_beside_best(gains: Sequence[float] | np.ndarray, *, rivals: int) -> float:
    """Return the two-sided p-value of a mean gain over the best of some rivals (Student's t); NaN below six cases.

    Who is best of many on these very cases was lucky too: one that is as good as they are lies below the best of six by
    a 95% interval in 10% of cases. So a loss is corrected for the number of rivals (Bonferroni).
    """
    kept = np.asarray(gains, dtype=np.float64)
    kept = kept[np.isfinite(kept)]
    if len(kept) < FEWEST:
        return float("nan")
    mean, error = float(kept.mean()), float(kept.std(ddof=1) / np.sqrt(len(kept)))
    if error < 1e-12:
        return 0.0 if abs(mean) > 1e-12 else 1.0
    p = 2 * float(student_t.sf(abs(mean) / error, len(kept) - 1))
    return p if mean > 0 else min(1.0, p * max(rivals, 1))


def pearson(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return Pearson's r over the last axis; 0 where one of both does not vary, for then nothing is predicted."""
    one = one - one.mean(axis=-1, keepdims=True)
    other = other - other.mean(axis=-1, keepdims=True)
    size = np.sqrt((one**2).sum(axis=-1) * (other**2).sum(axis=-1))
    product = (one * other).sum(axis=-1)
    return np.divide(product, size, out=np.zeros_like(product, dtype=np.float64), where=size > 1e-12)
