"""How far the model may leave its baseline: as far as perturbations that were left out of the fit say that it helps.

For each kind of question, part of the training perturbations is left out as that kind would be, everything is fitted on
the rest, and both are held against what was measured. The model's weight is above zero only where the gain is sure: its
lower bound over the left-out perturbations is above zero for the error of the changes, for their correlation, and for
the gap between predicted and measured cells on the axes on which the energy distance compares them. (Given the right
mean, moved cells are as near to measured ones as these are to each other: that distance is all but a matter of means.)
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from pydantic import BaseModel, ConfigDict
from scipy import stats

from genediff.response.regression import Recipe

if TYPE_CHECKING:
    from collections.abc import Sequence

    from genediff.response.kinds import Kind

WEIGHTS = (0.25, 0.5, 0.75, 1.0)
CONFIDENCE = 0.9
FEWEST = 3
"""Left-out perturbations without which nothing is sure."""
FEW = 6
"""Where training has no more than these, the validation part is asked as well, in place of a check afterwards."""

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
)
"""What is tried. All are cheap, and few enough that the best of them is not the luckiest."""


class Gate(BaseModel):
    """What was decided for a kind of question, and what that rests on.

    Attributes
    ----------
    baseline
        Where predictions start.
    recipe
        The prior of the model that does best, of ``RECIPES``.
    weight
        Of the model against the baseline, 0 to 1; 0: predictions are the baseline's.
    n
        Perturbations that were left out to find this.
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

    ``controls`` are the means that the changes start from: no gene falls below zero.
    """

    measured: list[np.ndarray] = field(default_factory=list)
    controls: list[np.ndarray] = field(default_factory=list)
    baselines: dict[str, list[np.ndarray]] = field(default_factory=dict)
    recipes: dict[int, list[np.ndarray]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.measured)

    def extend(self, other: LeftOut) -> None:
        """Add what another holds."""
        self.measured += other.measured
        self.controls += other.controls
        for name, rows in other.baselines.items():
            self.baselines.setdefault(name, []).extend(rows)
        for place, rows in other.recipes.items():
            self.recipes.setdefault(place, []).extend(rows)


def decide(kind: Kind, left: LeftOut, default: str, axes: np.ndarray) -> Gate:
    """Choose baseline, recipe and weight for a kind of question; cells are compared on the ``axes``, (axis, gene)."""
    if len(left) < FEWEST:
        n = f"Only {len(left)}" if len(left) else "No"
        why = f"{n} perturbations could be left out as this kind would be, so the baseline stays."
        return Gate(baseline=default, n=len(left), why=why)
    measured = np.stack(left.measured)
    shifts = {name: np.stack(rows) for name, rows in left.baselines.items()}
    baseline = best_by_correlation(shifts, measured)
    start = shifts[baseline]
    control = np.stack(left.controls)
    error_0, r_0 = errors(start, measured), correlations(start, measured)
    gap_0 = gaps(start, measured, control, axes)
    best: tuple[float, int, float] | None = None
    for number, rows in left.recipes.items():
        step = np.stack(rows) - start
        for weight in WEIGHTS:
            moved = start + weight * step
            gain = np.log(error_0 / errors(moved, measured))
            better = correlations(moved, measured) - r_0
            if lower_bound(gain) <= 0 or lower_bound(better) <= 0:
                continue
            if lower_bound(np.log(gap_0 / gaps(moved, measured, control, axes))) <= 0:
                continue
            score = float(gain.mean())
            if best is None or score > best[0] + 1e-9:
                best = (score, number, weight)
    common = {
        "baseline": baseline,
        "n": len(left),
        "error_baseline": float(error_0.mean()),
        "r_baseline": float(r_0.mean()),
        "gap_baseline": float(gap_0.mean()),
    }
    if best is None:
        why = "No step away from the baseline was sure to help on perturbations that were left out, so it stays."
        return Gate(
            **common, error=common["error_baseline"], r=common["r_baseline"], gap=common["gap_baseline"], why=why
        )
    _, number, weight = best
    moved = start + weight * (np.stack(left.recipes[number]) - start)
    error, r = errors(moved, measured), correlations(moved, measured)
    gap = gaps(moved, measured, control, axes)
    why = (
        f"On {len(left)} perturbations that were left out, the error falls by {1 - error.mean() / error_0.mean():.0%}, "
        f"the correlation rises by {r.mean() - r_0.mean():.3f}, and the squared distance of predicted and measured "
        f"cells (of their means, on the principal components) falls by {1 - gap.mean() / gap_0.mean():.0%}."
    )
    return Gate(
        **common, recipe=RECIPES[number], weight=weight, error=float(error.mean()), r=float(r.mean()),
        gap=float(gap.mean()), harm=float((error > error_0).mean()), why=why,
    )  # fmt: skip


def best_by_correlation(shifts: dict[str, np.ndarray], measured: np.ndarray) -> str:
    """Return the baseline with the highest mean correlation; of several, that with the least error."""
    r = {name: float(correlations(rows, measured).mean()) for name, rows in shifts.items()}
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


def correlations(predicted: np.ndarray, measured: np.ndarray) -> np.ndarray:
    """Return Pearson's r of changes over genes, (entry,); 0 where one does not vary."""
    one = predicted - predicted.mean(1, keepdims=True)
    other = measured - measured.mean(1, keepdims=True)
    size = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    return np.divide((one * other).sum(1), size, out=np.zeros(len(one)), where=size > 1e-12)


def lower_bound(gains: Sequence[float] | np.ndarray) -> float:
    """Return the one-sided lower bound (Student's t) of a mean gain over perturbations."""
    values = np.asarray(gains, dtype=float)
    if len(values) < 2:
        return -np.inf
    spread = float(values.std(ddof=1)) / np.sqrt(len(values))
    return float(values.mean() - stats.t.ppf(CONFIDENCE, len(values) - 1) * spread)
