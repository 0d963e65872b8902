"""Where a predictor stands against the best simple baseline, measure by measure, on held-out perturbations."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from genediff.core.stats import false_discovery_rates, p_beside_best
from genediff.perturbation.perturbation_metrics import METRICS
from genediff.perturbation.replicate import REPLICATE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from genediff.core.stats import MeanInterval
    from genediff.perturbation.score_table import Scores

Level = Literal["better", "same", "worse", "unknown"]
SHOWN = ("e_distance", "discrimination_score_l1", "weighted_mse", "pearson_perturbed", "de_direction_match", "pr_auc")
"""What is asked besides the correlation of the change: cells, which perturbation, the genes that matter, and how."""
SIGNIFICANT = 0.05
_TIE = 1e-6


@dataclass(frozen=True)
class BaselineComparison:
    """One measure of a predictor beside the best baseline's.

    Attributes
    ----------
    metric
        A key of ``METRICS``.
    value, best_value, replicate
        Means over held-out perturbations: of the predictor, of the best baseline, and of one half of the measured
        cells as the prediction of the other; NaN where there is none.
    best
        The baseline that does best in this measure on these perturbations, by name.
    gain
        Mean of the paired gains over it, above 0 where the predictor is better, and its 95% interval.
    fdr
        False discovery rate at which that is a difference, over the measures and corrected for the choice of the best
        baseline; NaN with few perturbations.
    harm
        Share of perturbations on which the predictor does worse.
    chance
        What the measure is where predictions are drawn at random; NaN where that has no fixed value.
    share, best_share
        Where predictor and baseline lie between a negative control (0) and an interpolated duplicate of the measured
        cells (1); NaN where the measure has no range on these data.
    no_range
        Why it has none; empty where it has.
    """

    metric: str
    value: float
    best: str
    best_value: float
    replicate: float
    gain: MeanInterval
    fdr: float
    harm: float
    chance: float
    share: float = float("nan")
    best_share: float = float("nan")
    no_range: str = ""

    @property
    def level(self) -> Level:
        """Whether the predictor is surely better, surely worse, or neither; unknown with few perturbations."""
        return level_of(self.gain.mean, self.fdr)


def level_of(gain: float, p: float) -> Level:
    """Say what a mean gain and its corrected p-value mean."""
    if not np.isfinite(p):
        return "unknown"
    return "same" if p >= SIGNIFICANT else "better" if gain > 0 else "worse"


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


def compare_with_baselines(
    scores: Scores, predictor: str, metrics: Sequence[str] = SHOWN
) -> tuple[BaselineComparison, ...]:
    """Return where a predictor stands in each measure that was computed.

    The best baseline of a measure is found on the same perturbations: a choice in its favour, so beating it counts,
    and falling behind it counts only beyond what the choice explains.
    """
    baselines = [name for name in scores.titles if name not in (predictor, REPLICATE)]
    errors = {name: float(scores.per_perturbation(name, "mse").mean()) for name in baselines}
    found = []
    for metric in (metric for metric in metrics if metric in scores.metrics):
        means = {name: float(scores.per_perturbation(name, metric).mean()) for name in baselines}
        best = best_of(means, errors, lower=METRICS[metric].better == "low")
        ends = scores.dynamic_range(metric)
        found.append(
            BaselineComparison(
                metric=metric,
                value=float(scores.per_perturbation(predictor, metric).mean()),
                best=best,
                best_value=means[best],
                replicate=float(scores.per_perturbation(REPLICATE, metric).mean()),
                gain=scores.gain(predictor, best, metric),
                fdr=p_beside_best(scores.gains(predictor, best, metric).to_numpy(), rivals=len(baselines)),
                harm=scores.harm(predictor, best, metric),
                chance=scores.chance(metric),
                share=scores.share_of_range(predictor, metric),
                best_share=scores.share_of_range(best, metric),
                no_range="" if ends is None else ends.why_not,
            )
        )
    rates = false_discovery_rates(np.array([one.fdr for one in found]))
    return tuple(replace(one, fdr=float(rate)) for one, rate in zip(found, rates, strict=True))
