"""Tests whose sample size is the number of replicates (donors, dishes, batches), not of cells."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.special import digamma, polygamma
from scipy.stats import t as student
from scipy.stats import ttest_1samp, ttest_ind

LEAST_CELLS = 5  # of a replicate in a group, for it to count
LEAST_REPLICATES = 3


@dataclass(frozen=True, eq=False)
class Design:
    """Which replicates stand for each group: ``cells`` of each (index arrays), first and second group.

    ``paired``: the same replicates, in the same order, are in both groups.
    """

    first: tuple[np.ndarray, ...]
    second: tuple[np.ndarray, ...]
    paired: bool

    @property
    def sentence(self) -> str:
        """What is compared with what."""
        if self.paired:
            return f"The same {len(self.first)} replicates are in both groups and were compared pairwise."
        return f"{len(self.first)} replicates were compared with {len(self.second)}."


@dataclass(frozen=True, eq=False)
class Replicates:
    """Two-sided p-values (row,) of a test between replicates, and what was compared."""

    p_values: np.ndarray
    design: Design


def design(first: np.ndarray, second: np.ndarray, replicates: np.ndarray) -> Design | None:
    """Return the replicates of two groups, paired where three or more are in both; None where there are too few.

    Parameters
    ----------
    first, second
        Which cells are in each group, bool (cell,).
    replicates
        The replicate of each cell as a code, (cell,); -1 for none.
    """
    a, b = _cells(first, replicates), _cells(second, replicates)
    both = sorted(set(a) & set(b))
    if len(both) >= LEAST_REPLICATES:
        return Design(tuple(a[code] for code in both), tuple(b[code] for code in both), paired=True)
    if both or min(len(a), len(b)) < LEAST_REPLICATES:
        return None
    return Design(tuple(a.values()), tuple(b.values()), paired=False)


def between_replicates(
    values: np.ndarray, first: np.ndarray, second: np.ndarray, replicates: np.ndarray
) -> Replicates | None:
    """Test tokens between groups by the means of replicates (paired t-test, or Welch's); None where there are too few.

    Parameters
    ----------
    values
        One number per token and cell, (token, cell).
    first, second, replicates
        As in `design`.
    """
    found = design(first, second, replicates)
    if found is None:
        return None
    left, right = (
        np.stack([np.asarray(values[:, rows], dtype=np.float64).mean(1) for rows in group], axis=1)
        for group in (found.first, found.second)
    )  # (token, replicate)
    gaps = left - right if found.paired else None
    moves = (left.std(1) + right.std(1) if gaps is None else gaps.std(1)) > 1e-12
    p = np.ones(len(left))
    p[moves] = np.asarray(
        ttest_ind(left[moves], right[moves], axis=1, equal_var=False).pvalue
        if gaps is None
        else ttest_1samp(gaps[moves], 0.0, axis=1).pvalue
    )
    return Replicates(p, found)


def moderated_t(left: np.ndarray, right: np.ndarray, *, paired: bool) -> np.ndarray:
    """Return two-sided p-values of t-tests whose variances are shrunk towards those of all rows, (row,).

    With three donors a variance of its own says little; that of thousands of genes says much (limma: Smyth 2004,
    doi:10.2202/1544-6115.1027). 1 where nothing varies.

    Parameters
    ----------
    left, right
        One number per row and replicate, (row, replicate).
    paired
        Whether columns belong together.
    """
    m, n = left.shape[1], right.shape[1]
    if paired:
        gaps = left - right
        effect, freedom, scale = gaps.mean(1), m - 1, 1 / m
        variance = gaps.var(1, ddof=1)
    else:
        effect, freedom, scale = left.mean(1) - right.mean(1), m + n - 2, 1 / m + 1 / n
        variance = (left.var(1, ddof=1) * (m - 1) + right.var(1, ddof=1) * (n - 1)) / freedom
    moves = variance > 1e-12
    p = np.ones(len(left))
    if moves.any():
        prior_freedom, prior = _prior(variance[moves], freedom)
        if np.isinf(prior_freedom):
            shrunk = np.full(int(moves.sum()), prior)
        else:
            shrunk = (prior_freedom * prior + freedom * variance[moves]) / (prior_freedom + freedom)
        p[moves] = 2 * student.sf(np.abs(effect[moves]) / np.sqrt(shrunk * scale), prior_freedom + freedom)
    return p


def _prior(variance: np.ndarray, freedom: float) -> tuple[float, float]:
    """Return degrees of freedom and value of the variance that all rows have in common (Smyth 2004, section 6.2)."""
    e = np.log(variance) - digamma(freedom / 2) + np.log(freedom / 2)
    excess = float(e.var(ddof=1) - polygamma(1, freedom / 2)) if len(e) > 1 else 0.0
    if excess <= 1e-6:
        return np.inf, float(np.exp(e.mean()))
    half = float(brentq(lambda x: float(polygamma(1, x)) - excess, 1e-6, 1e7))
    return 2 * half, float(np.exp(e.mean() + digamma(half) - np.log(half)))


def _cells(group: np.ndarray, replicates: np.ndarray) -> dict[int, np.ndarray]:
    """Return the cells of every replicate that has enough of them in the group."""
    codes = np.unique(replicates[group & (replicates >= 0)]).tolist()
    found = {code: np.flatnonzero(group & (replicates == code)) for code in codes}
    return {code: rows for code, rows in found.items() if len(rows) >= LEAST_CELLS}
