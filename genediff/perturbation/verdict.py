"""What held-out perturbations, and the measured cells of this one, say of a prediction, in sentences."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from genediff.core.stats import FEWEST, pearson
from genediff.perturbation.task_config import KINDS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from genediff.perturbation.baseline_comparison import BaselineComparison
    from genediff.perturbation.change_scores import ChangeScores
    from genediff.perturbation.effect_test import Effect

Tone = Literal["good", "neutral", "caution", "bad", "unknown"]
_ORDER: tuple[Tone, ...] = ("bad", "caution", "unknown", "neutral", "good")
SIZE_OVER_CASES = (0.7, 1.3)
"""Slopes of measured on predicted changes, over held-out perturbations, at which the size counts as right."""
SIZE_OF_ONE = (0.5, 2.0)
"""The same for a single perturbation, whose slope is noisier, and for the perturbed gene itself."""
SIGNIFICANT = 0.05
IN_WORDS = {
    "e_distance": "the distance of predicted from measured cells",
    "discrimination_score_l1": "telling perturbations apart",
    "weighted_mse": "the error over responding genes",
    "pearson_perturbed": "what is specific to a perturbation",
    "de_direction_match": "the direction of responding genes",
    "pr_auc": "finding responding genes",
}


@dataclass(frozen=True)
class Verdict:
    """How far a prediction can be trusted, and why, in sentences."""

    tone: Tone
    text: str

    def beside(self, other: Verdict | None) -> Verdict:
        """Return both as one, the other first: as cautious as the more cautious of them."""
        if other is None:
            return self
        return Verdict(min(self.tone, other.tone, key=_ORDER.index), f"{other.text}\n\n{self.text}")


def verdict_of_kind(
    scores: ChangeScores, kind: str, *, shown: str, comparisons: Sequence[BaselineComparison] | None = None
) -> Verdict:
    """Judge a kind of prediction by the perturbations that were held out.

    Green only for a model whose gain over the best baseline lies above 0 by its 95% interval, whose changes have the
    right size, and which is surely worse in no other measure.

    Parameters
    ----------
    shown
        Name of the predictor that is asked: the model's, or a baseline's.
    comparisons
        The measures beside the correlation, once they are known.
    """
    n, best = scores.n, scores.titles[scores.best]
    on = f"On {n} held-out {'case' if n == 1 else 'cases'} ({KINDS[kind]})"
    limit = f"a noise-free prediction could reach {scores.cases['attainable'].mean():.2f}"
    means, more = scores.means, _clause(comparisons)
    if scores.predictor is None:
        return _of_baseline(scores, shown, on, limit)
    slope, gain = scores.slope(scores.predictor), scores.gain
    figures = f"r = {means[scores.predictor]:.2f} vs {means[scores.best]:.2f}; {limit}"
    if (scores.gains.abs() < 1e-9).all():
        text = f"{on} the model predicts what the simple baseline {best} predicts (r = {means[scores.best]:.2f}; "
        return Verdict("neutral", f"{text}{limit}): nothing beyond it was sure to help.{more}")
    if n < FEWEST:
        return Verdict("unknown", f"{on} the model reaches {figures}: too few to compare it with {best}.")
    interval = f"gain {gain.mean:+.3f}, 95% interval {gain.low:+.3f} to {gain.high:+.3f}"
    size = size_in_words(slope)
    if scores.level == "worse":
        return Verdict("bad", f"{on} the model is worse than the simple baseline {best} ({figures}; {interval}). A "
                       f"baseline is shown first.{more}")  # fmt: skip
    if scores.level == "same":
        return Verdict("caution", f"{on} no advantage over the simple baseline {best} was detected ({figures}; "
                       f"{interval}). A baseline is shown first.{more}")  # fmt: skip
    right_size = SIZE_OVER_CASES[0] <= slope <= SIZE_OVER_CASES[1]
    sure = right_size and not any(one.level == "worse" for one in comparisons or ())
    return Verdict(
        "good" if sure else "caution",
        f"{on} the model is better than the best simple baseline, {best} ({figures}; {interval}), and worse by more "
        f"than 0.02 on {scores.harm:.0%} of them. {size}{more}",
    )


def verdict_of_case(
    predicted: np.ndarray,
    measured: np.ndarray,
    *,
    counted: np.ndarray,
    targets: Mapping[str, tuple[float, float]],
    effect: Effect,
    attainable: float,
) -> Verdict:
    """Judge one prediction by the measured cells of the same perturbation.

    Parameters
    ----------
    predicted, measured
        Changes, (gene,).
    counted
        Which genes are scored, (gene,) of bool: perturbed ones are not.
    targets
        Predicted and measured change of each perturbed gene.
    effect
        Of the measured cells against control.
    attainable
        The correlation that a noise-free prediction could reach.
    """
    own = "; ".join(f"{gene} itself {a:+.2f} predicted, {b:+.2f} measured" for gene, (a, b) in targets.items())
    own = f" Perturbed gene: {own}." if own else ""
    p = f"E-test p = {effect.p:.3f}, {effect.n_cells:,} cells"
    if effect.p >= SIGNIFICANT:
        needed = f"; an effect of the observed size would need about {effect.cells_needed:,.0f} cells per arm"
        needed = needed if np.isfinite(effect.cells_needed) and effect.cells_needed > effect.n_cells else ""
        return Verdict("neutral", f"Measured here: no effect on expression was detected ({p}{needed}), so there is "
                       f"little to predict.{own}")  # fmt: skip
    one, other = predicted[counted], measured[counted]
    r, spread = float(pearson(one, other)), float(one.std())
    slope = float(np.cov(one, other, ddof=0)[0, 1]) / spread**2 if spread > 1e-9 else float("nan")
    text = f"Measured here: {p}. r = {r:.2f} between predicted and measured change; a noise-free prediction could " \
        f"reach {attainable:.2f}. {size_in_words(slope)}{own}"  # fmt: skip
    misses = [gene for gene, (a, b) in targets.items() if abs(b) > 0.1 and not _same_size(a, b)]
    if r <= 0 or not np.isfinite(slope):
        return Verdict("bad", text)
    low, high = SIZE_OF_ONE
    if misses or not low <= slope <= high or r < 0.5 * attainable:
        return Verdict("caution", text)
    return Verdict("good", text)


def size_in_words(slope: float) -> str:
    """Say how the size of predicted changes compares with measured ones, from the slope of measured on predicted."""
    if not np.isfinite(slope):
        return "No change is predicted, so there is no size to compare."
    if slope <= 0:
        return "Size: predicted and measured changes run in opposite directions."
    return f"Size: measured changes are {slope:.1f} times the predicted ones (1 = right)."


def _same_size(predicted: float, measured: float) -> bool:
    ratio = measured / predicted if abs(predicted) > 1e-9 else np.inf
    return SIZE_OF_ONE[0] <= ratio <= SIZE_OF_ONE[1]


def _of_baseline(scores: ChangeScores, shown: str, on: str, limit: str) -> Verdict:
    means, best = scores.means, scores.best
    name = shown if shown in means.index else best
    text = f"{on} the baseline {scores.titles[name]} reaches r = {means[name]:.2f} ({limit})."
    if best != name and means[best] > means[name] + 0.01:
        return Verdict("caution", f"{text} {scores.titles[best]} does better: r = {means[best]:.2f}.")
    if means[name] < 0.2:
        return Verdict("bad", f"{text} That is close to nothing, and no other baseline does better.")
    slope = scores.slope(name)
    right_size = SIZE_OVER_CASES[0] <= slope <= SIZE_OVER_CASES[1]
    return Verdict("neutral" if right_size else "caution", f"{text} No other baseline does better. "
                   f"{size_in_words(slope)}")  # fmt: skip


def _clause(comparisons: Sequence[BaselineComparison] | None) -> str:
    if not comparisons:
        return ""
    better, worse = (
        [IN_WORDS[one.metric] for one in comparisons if one.level == level] for level in ("better", "worse")
    )
    parts = [f"{word} in {', '.join(names)}" for word, names in (("better", better), ("worse", worse)) if names]
    return f" By other measures: {'; '.join(parts) or 'no difference detected'}."
