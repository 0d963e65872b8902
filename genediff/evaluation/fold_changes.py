"""Do generated cells keep what sets a type apart: its fold changes against all other types, and its marker genes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

EXPRESSING = 0.1
"""Share of the cells of a type, or of the rest, in which a gene must be detected; fold changes of others are noise."""
FDR = 0.05


@dataclass(frozen=True)
class FoldChanges:
    """How fold changes of generated cells compare with those of equally many real ones, over genes.

    Parameters
    ----------
    slope
        Of generated on real log fold changes (least squares with intercept); below 1 they are too small. Noise of the
        real ones lowers it too, so read it beside the floor.
    correlation
        Pearson's r between the two.
    recall
        Share of the genes differentially expressed in real cells that are so in generated ones, in the same direction;
        NaN where there are none.
    """

    slope: float
    correlation: float
    recall: float


def fold_changes(
    generated: np.ndarray, generated_codes: np.ndarray, real: np.ndarray, real_codes: np.ndarray, code: int
) -> FoldChanges:
    """Compare one type against all others among generated and among real cells.

    A log fold change is log2 of the mean normalised counts plus one, type over rest; differential expression is Welch's
    t-test on log-normalised expression at a false discovery rate of 5%.

    Parameters
    ----------
    generated, real
        Log-normalised expression, ``(cell, gene)``; equally many cells of each type, or the tests differ in power.
    generated_codes, real_codes
        Types as numbers, ``(cell,)``.
    code
        The type.
    """
    within = real_codes == code
    detected = real > 0  # (cell, gene)
    kept = np.maximum(detected[within].mean(0), detected[~within].mean(0)) >= EXPRESSING  # (gene,)
    if kept.sum() < 3:
        return FoldChanges(float("nan"), float("nan"), float("nan"))
    own, own_sign = _contrast(generated[:, kept], generated_codes == code)
    true, true_sign = _contrast(real[:, kept], within)
    fit = stats.linregress(true, own)
    markers = true_sign != 0
    recall = float((own_sign == true_sign)[markers].mean()) if markers.any() else float("nan")
    return FoldChanges(float(fit.slope), float(fit.rvalue), recall)


def _contrast(x: np.ndarray, within: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return log fold changes and the sign of those that are significant, 0 for others, both ``(gene,)``."""
    own, rest = (x[rows].astype(np.float64) for rows in (within, ~within))
    change = np.log2(np.expm1(own).mean(0) + 1) - np.log2(np.expm1(rest).mean(0) + 1)
    varying = np.flatnonzero(own.var(0) + rest.var(0) > 1e-12)
    p = np.ones(x.shape[1])
    p[varying] = stats.ttest_ind(own[:, varying], rest[:, varying], equal_var=False).pvalue
    significant = stats.false_discovery_control(p) < FDR
    return change, np.where(significant, np.sign(own.mean(0) - rest.mean(0)), 0)
