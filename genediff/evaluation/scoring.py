"""All metrics of one comparison, pooled and label by label, and their means over draws."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from genediff.core.errors import Cancelled
from genediff.evaluation.metrics import METRICS
from genediff.evaluation.prepared_cells import MIN_CLASS_CELLS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from genediff.evaluation.prepared_cells import Comparison

POOLED = "pooled"
Scores = dict[str, dict[str, float]]  # scope -> metric -> value


@dataclass(frozen=True)
class Score:
    """One figure of one row.

    Parameters
    ----------
    row
        "model", "floor" (validation against test cells), or the name of a baseline.
    metric
        A name in `METRICS`.
    scope
        "pooled" or a label.
    mean, sd
        Over comparisons; the sd is None for a single one.
    n
        Cells on each side, the smallest over comparisons.
    repeats
        How many of the comparisons have generated cells of their own; three in evaluations of older versions.
    """

    row: str
    metric: str
    scope: str
    mean: float
    sd: float | None
    n: int
    repeats: int = 3

    @property
    def error(self) -> float | None:
        """The standard error of the mean; None for a single comparison."""
        return None if self.sd is None else self.sd / math.sqrt(self.repeats)


def summarise(row: str, metric: str, scope: str, values: list[float], n: int, *, draws: int | None = None) -> Score:
    """Return mean and standard deviation over comparisons, of which ``draws`` do not share cells (all unless given)."""
    sd = statistics.stdev(values) if len(values) > 1 else None
    repeats = len(values) if draws is None else min(draws, len(values))
    return Score(row, metric, scope, statistics.fmean(values), sd, n, repeats)


def score(
    comparison: Comparison,
    classes: Mapping[str, int],
    *,
    by_class: bool = True,
    cancelled: Callable[[], bool] | None = None,
) -> tuple[Scores, dict[str, int]]:
    """Work out every metric the cells allow.

    Parameters
    ----------
    comparison
        Matched cells.
    classes
        Label names and their codes; empty where there are no labels.
    by_class
        Whether to give each label figures of its own.
    cancelled
        Asked between metrics.

    Returns
    -------
    tuple
        Values by scope ("pooled" or a label) and metric name, and the number of cells a side by scope. A label with
        fewer than 20 cells on a side has a number but no values.

    Raises
    ------
    Cancelled
        When `cancelled` says so.
    """
    scores: Scores = {POOLED: _score(comparison, bool(classes), False, cancelled)}
    sizes = {POOLED: comparison.n}
    for name, code in classes.items() if by_class else ():
        of_class = comparison.of_class(code)
        sizes[name] = of_class.n
        if of_class.n >= MIN_CLASS_CELLS:
            scores[name] = _score(of_class, False, True, cancelled) | _fold_changes(comparison, code)
    return scores, sizes


def _fold_changes(comparison: Comparison, code: int) -> dict[str, float]:
    found = comparison.fold_changes.get(code)
    values = {} if found is None else {
        "lfc_slope": found.slope, "lfc_correlation": found.correlation, "de_recall": found.recall
    }  # fmt: skip
    return {name: value for name, value in values.items() if np.isfinite(value)}


def _score(
    comparison: Comparison, labelled: bool, one_class: bool, cancelled: Callable[[], bool] | None
) -> dict[str, float]:
    has_counts = comparison.generated.counts is not None and comparison.real.counts is not None
    values = {}
    for metric in METRICS.values():
        if cancelled is not None and cancelled():
            raise Cancelled("the evaluation was cancelled")
        left_out = (
            (metric.needs == "counts" and not has_counts)
            or (metric.needs == "labels" and not labelled)
            or (one_class and not metric.per_class)
            or comparison.n < metric.fewest
        )
        if not left_out:
            values[metric.name] = float(metric.function(comparison))
    return {name: value for name, value in values.items() if np.isfinite(value)}
