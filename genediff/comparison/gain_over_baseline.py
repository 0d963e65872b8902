"""Is one row better than another, in which figure, and by more than training with other seeds would change it?"""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, TypeVar

import numpy as np
from scipy.special import stdtr, stdtrit
from scipy.stats import false_discovery_control

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from genediff.comparison.table_metrics import Figure

Finding = Literal["better", "worse", "same", "unknown"]
FEWEST_SEEDS = 3
"""Of two seeds the standard deviation is known so badly that no difference of training can be told from chance."""
LEVEL, POWER = 0.05, 0.8
Key = TypeVar("Key")


@dataclass(frozen=True)
class Gain:
    """How one row compares with another in one figure.

    Parameters
    ----------
    difference
        In the figure's own unit, above 0 is better; of figures that aim at a value, how much nearer to it.
    percent
        The difference in per cent of what the other row has. None for figures that aim at a value or may be negative:
        a share of the distance to 0.5 makes 16% of one hundredth of an AUC.
    spread
        Standard deviation of the difference over seeds; None with fewer than two seeds on a side.
    p
        Two-sided, Welch's t-test over seeds; corrected by `holm` or `false_discovery`. None below three seeds a side.
    detectable
        The difference that this number of seeds would find with a power of 80%, after the same correction as p; None
        below three seeds a side.
    finding
        "better" or "worse" where p is below 0.05, "same" where no difference was detected, "unknown" below three seeds.
    freedom
        Degrees of freedom of the test.
    """

    difference: float
    percent: float | None
    spread: float | None
    p: float | None
    detectable: float | None
    finding: Finding
    freedom: float = math.inf

    def corrected(self, p: float | None, n_tests: int = 1) -> Gain:
        """Return the same gain with a p-value that takes other tests into account, and the finding that follows."""
        if p is None or self.detectable is None:
            return replace(self, p=None, finding="unknown")
        finding: Finding = "same" if p >= LEVEL else "better" if self.difference > 0 else "worse"
        detectable = self.detectable * least_detected(self.freedom, n_tests) / least_detected(self.freedom, 1)
        return replace(self, p=p, detectable=detectable, finding=finding)


def gain(figure: Figure, own: Sequence[float], other: Sequence[float]) -> Gain:
    """Compare the values over seeds of a row with those of another; neither may be empty."""
    own_cost, other_cost = [figure.cost(v) for v in own], [figure.cost(v) for v in other]
    difference = statistics.fmean(other_cost) - statistics.fmean(own_cost)
    size = abs(statistics.fmean(other))
    percent = 100 * difference / size if figure.is_ratio and size > 1e-9 else None
    spread = p = detectable = None
    freedom = math.inf
    if min(len(own), len(other)) >= 2:
        spread = math.hypot(statistics.stdev(own_cost), statistics.stdev(other_cost))
    if min(len(own), len(other)) >= FEWEST_SEEDS:
        p, detectable, freedom = _welch(own_cost, other_cost)
    return Gain(difference, percent, spread, p, detectable, "unknown", freedom).corrected(p)


def holm(gains: Mapping[Key, Gain]) -> dict[Key, Gain]:
    """Correct the gains that carry claims so that one false finding among all is as rare as 5% (Holm 1979)."""
    return _correct(gains, _holm)


def false_discovery(gains: Mapping[Key, Gain]) -> dict[Key, Gain]:
    """Correct many gains so that 5% of the findings are false on average (Benjamini and Hochberg 1995)."""
    return _correct(gains, false_discovery_control)


def _correct(gains: Mapping[Key, Gain], adjust: Callable[[np.ndarray], np.ndarray]) -> dict[Key, Gain]:
    tested = {key: own.p for key, own in gains.items() if own.p is not None}
    adjusted = dict(zip(tested, adjust(np.array(list(tested.values()))), strict=True)) if tested else {}
    return {
        key: own.corrected(float(adjusted[key]) if key in adjusted else None, len(tested)) for key, own in gains.items()
    }


def _holm(p: np.ndarray) -> np.ndarray:
    order = np.argsort(p)
    stepped = np.maximum.accumulate(np.minimum(1.0, p[order] * np.arange(len(p), 0, -1)))
    return stepped[np.argsort(order)]


def least_detected(freedom: float, n_tests: int) -> float:
    """Return the least difference that is detected with a power of 80%, in standard errors, by one of so many tests.

    The tests are t-tests of these degrees of freedom, two-sided at 5% in all (Bonferroni).
    """
    return float(stdtrit(freedom, 1 - LEVEL / 2 / n_tests) + stdtrit(freedom, POWER))


def _welch(own: Sequence[float], other: Sequence[float]) -> tuple[float, float, float]:
    """Return p of Welch's t-test, the difference it would detect for the variances that were seen, and its freedom."""
    shares = [statistics.variance(values) / len(values) for values in (own, other)]
    error = math.sqrt(sum(shares))
    difference = statistics.fmean(other) - statistics.fmean(own)
    if error < 1e-12:
        return (1.0 if abs(difference) < 1e-12 else 0.0), 0.0, math.inf
    freedom = error**4 / sum(s**2 / (len(v) - 1) for s, v in zip(shares, (own, other), strict=True))
    return float(2 * stdtr(freedom, -abs(difference) / error)), least_detected(freedom, 1) * error, freedom
