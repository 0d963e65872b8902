"""Is one row better than another, in which figure, and by more than their seeds differ?"""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from genediff.comparison.figures import Figure

Finding = Literal["better", "worse", "same", "unknown"]


@dataclass(frozen=True)
class Gain:
    """How one row compares with another in one figure.

    Parameters
    ----------
    percent
        Improvement in per cent of what the other row has (or of its distance to the ideal value, for figures that aim
        at one); above 0 is better. None where the other row is at the ideal already, so that no share can be taken.
    spread
        Of that, from the standard deviations over seeds; None with fewer than two seeds on a side.
    finding
        "better" or "worse" where the means lie further apart than both standard deviations together (root of the sum of
        their squares), "same" where they do not, "unknown" where a side has fewer than two seeds.
    """

    percent: float | None
    spread: float | None
    finding: Finding


def gain(figure: Figure, own: Sequence[float], other: Sequence[float]) -> Gain:
    """Compare the values over seeds of a row with those of another; neither may be empty."""
    own_cost, other_cost = [figure.cost(v) for v in own], [figure.cost(v) for v in other]
    difference = statistics.fmean(other_cost) - statistics.fmean(own_cost)
    scale = _scale(figure, other, other_cost)
    percent = None if scale is None else 100 * difference / scale
    if min(len(own), len(other)) < 2:
        return Gain(percent, None, "unknown")
    spread = math.hypot(statistics.stdev(own_cost), statistics.stdev(other_cost))
    finding: Finding = "same" if abs(difference) <= spread else "better" if difference > 0 else "worse"
    return Gain(percent, None if scale is None else 100 * spread / scale, finding)


def _scale(figure: Figure, values: Sequence[float], costs: Sequence[float]) -> float | None:
    """Return what an improvement is a share of, None where that is nothing."""
    size = statistics.fmean(costs if figure.better != "higher" else values)
    return size if size > 1e-9 else None
