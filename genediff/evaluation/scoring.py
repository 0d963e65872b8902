"""All metrics of one comparison, pooled and label by label."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from genediff.errors import Cancelled
from genediff.evaluation.metrics import METRICS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from genediff.evaluation.cells import Comparison

POOLED = "pooled"
MIN_CLASS_CELLS = 20
Scores = dict[str, dict[str, float]]  # scope -> metric -> value


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
            scores[name] = _score(of_class, False, True, cancelled)
    return scores, sizes


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
        )
        if not left_out:
            values[metric.name] = float(metric.function(comparison))
    return {name: value for name, value in values.items() if np.isfinite(value)}
