"""How far the model may leave its baseline: as far as perturbations that were left out of the fit say that it helps.

For each kind of question, part of the training perturbations is left out as that kind would be, everything is fitted on
the rest, and both are held against what was measured. The model's weight is above zero only where the gain is sure: its
lower bound over the left-out perturbations is above zero for the error of the changes, for their correlation, and for
the gap between predicted and measured cells on the axes on which the energy distance compares them. (Given the right
mean, moved cells are as near to measured ones as these are to each other: that distance is all but a matter of means.)
Steps by prior knowledge of genes are believed by one standard error before anything is left out: see ``_helps``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict
from scipy import stats

from genediff.core.stats import FEWEST, pearson
from genediff.perturbation.model.regression import Recipe

if TYPE_CHECKING:
    from collections.abc import Sequence

    from genediff.perturbation.model.model_kinds import Kind

WEIGHTS = (0.25, 0.5, 0.75, 1.0)
SIMPLEST_FIRST = ("mean_perturbed", "matching_mean", "additive", "linear", "nearest")
"""Order in which baselines are preferred for genes that were never perturbed; no change has no direction at all."""
FEWEST_TO_CHOOSE = 3
"""Left-out perturbations (or contexts) by which a baseline is chosen; a step away from it is a claim and asks for more.

Of Kang's five cell types three or four can be left out. With the mean of the others as the baseline, whatever they
said, interferon in a new type had r = .77 and slopes of .50 to 1.56; with the nearest type, which they name, .83 and
.72 to 1.13.
"""
CONFIDENCE = 0.9
"""One-sided, of a gain over left-out perturbations; the validation part checks what is chosen so."""

RECIPES: tuple[Recipe, ...] = (
    Recipe(alike=0),
    Recipe(alike=0, noise=3),
    Recipe(),
    Recipe(noise=0.3),
    Recipe(noise=3),
    Recipe(rank=20),
    Recipe(rank=8),
    Recipe(alike=3),
    Recipe(law=True),
    Recipe(law=True, rank=20),
    Recipe(pair=0.3),
    Recipe(pair=1),
    Recipe(pair=3, noise=0.3),
    Recipe(pair=1, law=True, noise=0.3),
    Recipe(pair=0.3, law=True),
    Recipe(context=20, reach=1, noise=0.1),
    Recipe(context=100, reach=2, noise=0.03),
    Recipe(context=20, reach=0.3, noise=0.3),
    Recipe(carry=0.1),
    Recipe(carry=0.3),
    Recipe(alike=0, prior=1, centred=True, noise=1),
    Recipe(alike=0, prior=1, centred=True, noise=3),
    Recipe(alike=0, prior=1, centred=True, noise=10),
    Recipe(alike=0.3, prior=1, centred=True, noise=3),
    Recipe(alike=0.3, centred=True, noise=3),
)
"""What is tried. All are cheap, and few enough that the best of them is not the luckiest."""


class Shrinkage(BaseModel):
    """How far predictions of a kind go from the baseline towards the model, and what that rests on.

    Attributes
    ----------
    baseline
        Where predictions start.
    recipe
        The prior of the model that does best, of ``RECIPES``.
    weight
        Of the model against the baseline, 0 to 1; 0: predictions are the baseline's.
    n
        Distinct perturbations (or contexts, where there are more of these) that were left out to find this.
    error, error_baseline
        Mean squared error of the changes (over genes, then perturbations), with that weight and of the baseline.
    r, r_baseline
        Mean correlation of predicted and measured changes.
    gap, gap_baseline
        Mean squared distance of predicted and measured means on the principal components.
    harm
        Share of left-out perturbations with a larger error than the baseline's.
    why
        In words.
    """

    model_config = ConfigDict(frozen=True)

    baseline: str
    recipe: Recipe = Recipe()
    weight: float = 0.0
    n: int = 0
    error: float = 0.0
    error_baseline: float = 0.0
    r: float = 0.0
    r_baseline: float = 0.0
    gap: float = 0.0
    gap_baseline: float = 0.0
    harm: float = 0.0
    why: str = ""


@dataclass
class LeftOut:
    """Predictions for perturbations that were left out, by kind: measured, baselines' and recipes' changes.

    ``labels`` name perturbation and context of each entry: the same one is left out several times, and counts once.
    ``controls`` are the means that the changes start from: no gene falls below zero. Perturbed genes hold 0 throughout.
    """

    labels: list[tuple[str, str]] = field(default_factory=list)
    measured: list[np.ndarray] = field(default_factory=list)
    controls: list[np.ndarray] = field(default_factory=list)
    baselines: dict[str, list[np.ndarray]] = field(default_factory=dict)
    recipes: dict[int, list[np.ndarray]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.measured)

    @property
    def units(self) -> np.ndarray:
        """What entries are independent by, (entry,): the perturbation, or the context where there are more of these."""
        return max(np.array(self.labels, dtype=object).reshape(-1, 2).T, key=lambda names: len(set(names)))

    @property
    def n(self) -> int:
        """How many independent ones were left out."""
        return len(set(self.units))

    def extend(self, other: LeftOut) -> None:
        """Add what another holds."""
        self.labels += other.labels
        self.measured += other.measured
        self.controls += other.controls
        for name, rows in other.baselines.items():
            self.baselines.setdefault(name, []).extend(rows)
        for place, rows in other.recipes.items():
            self.recipes.setdefault(place, []).extend(rows)


def decide(kind: Kind, left: LeftOut, default: str, axes: np.ndarray) -> Shrinkage:
    """Choose baseline, recipe and weight for a kind of question; cells are compared on the ``axes``, (axis, gene)."""
    how_many = f"{f'Only {left.n}' if left.n else 'No'} perturbations could be left out as this kind would be"
    if left.n < FEWEST_TO_CHOOSE:
        return Shrinkage(baseline=default, n=left.n, why=f"{how_many}, so the baseline stays.")
    units = left.units
    measured = np.stack(left.measured)
    shifts = {name: np.stack(rows) for name, rows in left.baselines.items()}
    baseline = simplest(shifts, measured, units) if kind == "single" else best_by_correlation(shifts, measured)
    start = shifts[baseline]
    control = np.stack(left.controls)
    error_0, r_0 = errors(start, measured), pearson(start, measured)
    gap_0 = gaps(start, measured, control, axes)
    common = {
        "baseline": baseline,
        "n": left.n,
        "error_baseline": float(error_0.mean()),
        "r_baseline": float(r_0.mean()),
        "gap_baseline": float(gap_0.mean()),
    }
    stays = {name: common[f"{name}_baseline"] for name in ("error", "r", "gap")}
    if left.n < FEWEST:
        return Shrinkage(**common, **stays, why=f"{how_many}: enough to choose a baseline by, too few to leave it.")
    best: tuple[float, int, float] | None = None
    for number, rows in left.recipes.items():
        step = np.stack(rows) - start
        prior = RECIPES[number].prior > 0
        for weight in (1.0,) if prior else WEIGHTS:  # a step by prior knowledge is as short as its noise makes it
            moved = start + weight * step
            error, gap = errors(moved, measured), gaps(moved, measured, control, axes)
            better = pearson(moved, measured) - r_0
            if prior:
                score = _helps(better, error_0 - error, gap_0 - gap, units)
            else:
                gain, gap = np.log(error_0 / error), np.log(gap_0 / gap)
                sure = min(lower_bound(one, units) for one in (gain, better, gap)) > 0
                score = lower_bound(better, units) if sure else -np.inf
            if np.isfinite(score) and (best is None or score > best[0] + 1e-9):
                best = (score, number, weight)
    if best is None:
        why = "No step away from the baseline was sure to help on perturbations that were left out, so it stays."
        return Shrinkage(**common, **stays, why=why)
    _, number, weight = best
    moved = start + weight * (np.stack(left.recipes[number]) - start)
    error, r = errors(moved, measured), pearson(moved, measured)
    gap = gaps(moved, measured, control, axes)
    why = (
        f"On {left.n} perturbations that were left out, the error falls by {1 - error.mean() / error_0.mean():.0%}, "
        f"the correlation rises by {r.mean() - r_0.mean():.3f}, and the squared distance of predicted and measured "
        f"cells (of their means, on the principal components) falls by {1 - gap.mean() / gap_0.mean():.0%}."
    )
    return Shrinkage(
        **common, recipe=RECIPES[number], weight=weight, error=float(error.mean()), r=float(r.mean()),
        gap=float(gap.mean()), harm=float((error > error_0).mean()), why=why,
    )  # fmt: skip


def _helps(better: np.ndarray, error: np.ndarray, gap: np.ndarray, units: np.ndarray) -> float:
    """Score a step by prior knowledge by its mean gain in correlation; -inf where anything is worse on average.

    Errors and gaps, by how much they fall, count as they are and not relative to the baseline's, which would give
    perturbations without an effect, of which all errors are small, as much to say as the others.

    That genes of one complex or pathway respond alike is known from elsewhere, and the step is no longer than such
    similarity makes it: of a gene like no measured one, the baseline stays. Its gains are many zeros and a few large
    ones, of which twenty left-out perturbations show two or three: a lower bound above 0 is out of their reach, and
    asking for one closed real gains as often as chance ones. With permuted gene names some steps pass; they are as
    short, and change correlations by a few thousandths.
    """
    means = [float(pd.Series(one).groupby(units).mean().mean()) for one in (better, error, gap)]
    return means[0] if min(means) > 0 else -np.inf


def simplest(shifts: dict[str, np.ndarray], measured: np.ndarray, units: np.ndarray) -> str:
    """Return the simplest baseline whose mean correlation is within one standard error of the best (paired).

    Which of several near ones is best on twenty left-out genes is chance, and the simplest does least harm.
    """
    r = pd.DataFrame({name: pearson(rows, measured) for name, rows in shifts.items()}).groupby(units).mean()
    behind = -r.sub(r[best_by_correlation(shifts, measured)], axis=0)
    error = behind.std(ddof=1) / np.sqrt(len(r))
    near = [name for name in r if behind[name].mean() <= error[name] + 1e-9]
    return min(near, key=lambda name: SIMPLEST_FIRST.index(name) if name in SIMPLEST_FIRST else len(SIMPLEST_FIRST))


def best_by_correlation(shifts: dict[str, np.ndarray], measured: np.ndarray) -> str:
    """Return the baseline with the highest mean correlation; of several, that with the least error."""
    r = {name: float(pearson(rows, measured).mean()) for name, rows in shifts.items()}
    top = max(r.values())
    return min(
        (name for name in shifts if r[name] >= top - 1e-9),
        key=lambda name: float(errors(shifts[name], measured).mean()),
    )


def errors(predicted: np.ndarray, measured: np.ndarray) -> np.ndarray:
    """Return the mean squared error of changes, (entry,)."""
    return np.maximum(((predicted - measured) ** 2).mean(1), 1e-12)


def gaps(predicted: np.ndarray, measured: np.ndarray, control: np.ndarray, axes: np.ndarray) -> np.ndarray:
    """Return squared distances of predicted and measured means on the axes, (entry,); no mean falls below zero."""
    floor = np.where((control < 0).any(), -np.inf, -control)  # scaled values have none
    apart = (np.maximum(predicted, floor) - measured) @ axes.T  # (entry, axis)
    return np.maximum((apart**2).sum(1), 1e-12)


def lower_bound(gains: Sequence[float] | np.ndarray, units: Sequence[object] | np.ndarray | None = None) -> float:
    """Return the one-sided lower bound (Student's t) of a mean gain; gains of the same unit count as their mean."""
    values = np.asarray(gains, dtype=float)
    if units is not None:
        values = pd.Series(values).groupby(np.asarray(units)).mean().to_numpy()
    if len(values) < FEWEST:
        return -np.inf
    spread = float(values.std(ddof=1)) / np.sqrt(len(values))
    return float(values.mean() - stats.t.ppf(CONFIDENCE, len(values) - 1) * spread)
