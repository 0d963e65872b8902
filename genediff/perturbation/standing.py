"""Where a predictor stands against the best simple baseline, measure by measure, on held-out perturbations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from genediff.perturbation.ceiling import CEILING
from genediff.perturbation.metrics import METRICS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from genediff.perturbation.scores import Scores

Level = Literal["better", "same", "worse", "unknown"]
SHOWN = ("e_distance", "discrimination_score_l1", "weighted_mse", "pearson_perturbed", "de_direction_match", "pr_auc")
"""What is asked besides the correlation of the change: cells, which perturbation, the genes that matter, and how."""
FEWEST = 3
_TIE = 1e-6


@dataclass(frozen=True)
class Standing:
    """One measure of a predictor beside the best baseline's.

    Attributes
    ----------
    metric
        A key of ``METRICS``.
    value, best_value, ceiling
        Means over held-out perturbations: of the predictor, of the best baseline, and of measured cells (half of them
        against the other half); NaN where there is none.
    best
        The baseline that does best in this measure on these perturbations, by name.
    gain, low, high
        Mean of the paired gains over it, above 0 where the predictor is better, and its 90% interval.
    harm
        Share of perturbations on which the predictor does worse.
    n
        How many perturbations.
    """

    metric: str
    value: float
    best: str
    best_value: float
    ceiling: float
    gain: float
    low: float
    high: float
    harm: float
    n: int

    @property
    def level(self) -> Level:
        """Whether the predictor is surely better, surely worse, or neither."""
        if self.n < FEWEST or not np.isfinite([self.low, self.high]).all():
            return "unknown"
        return "better" if self.low > 0 else "worse" if self.high < 0 else "same"


def best_of(means: Mapping[str, float], errors: Mapping[str, float], *, lower: bool = False) -> str:
    """Return the baseline that does best; where several tie, that with the least error, then the first.

    A correlation does not tell half an effect from a whole one, so ties are common, and whoever names a best baseline
    asks here.
    """
    sign = -1.0 if lower else 1.0
    known = [name for name in means if np.isfinite(means[name])] or list(means)
    top = max(sign * means[name] for name in known)
    tied = [name for name in known if not sign * means[name] < top - _TIE]
    return min(tied, key=lambda name: errors.get(name, 0.0))


def standings(scores: Scores, predictor: str, metrics: Sequence[str] = SHOWN) -> list[Standing]:
    """Return where a predictor stands in each measure that was computed.

    The best baseline of a measure is found on the same perturbations: a choice in its favour, so beating it counts.
    """
    baselines = [name for name in scores.titles if name not in (predictor, CEILING)]
    errors = {name: float(scores.per_perturbation(name, "mse").mean()) for name in baselines}
    found = []
    for metric in metrics:
        if metric not in scores.metrics:
            continue
        means = {name: float(scores.per_perturbation(name, metric).mean()) for name in baselines}
        best = best_of(means, errors, lower=METRICS[metric].better == "low")
        paired = scores.against(predictor, best, metric)
        found.append(
            Standing(
                metric=metric,
                value=float(scores.per_perturbation(predictor, metric).mean()),
                best=best,
                best_value=means[best],
                ceiling=float(scores.per_perturbation(CEILING, metric).mean()),
                gain=paired["difference"],
                low=paired["low"],
                high=paired["high"],
                harm=paired["harm"],
                n=int(paired["n"]),
            )
        )
    return found
