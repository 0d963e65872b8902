"""The verdict in words, with the thresholds it goes by."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from scipy.special import stdtr
from scipy.stats import ttest_ind_from_stats

from genediff.core.stats import false_discovery_rates
from genediff.evaluation.metrics import HEADLINE, METRICS
from genediff.evaluation.scoring import POOLED, Score

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from genediff.evaluation.drift import Drift
    from genediff.evaluation.held_out_nats import NatsAtDepth
    from genediff.evaluation.memorisation import Memorisation

Level = Literal["good", "mixed", "poor"]
Scores = dict[tuple[str, str, str], Score]
"""By row, metric and scope."""

# A gap is where a headline figure lies between the floor (0, two real samples) and independent genes (1).
GOOD_MEAN_GAP = 0.35
GOOD_WORST_GAP = 0.5
POOR_MEAN_GAP = 0.8
# A little below 1, since both figures are measured.
NO_BETTER_GAP = 0.95
# Where the baseline is hardly worse than the floor a gap would be noise; AUCs are then measured on this scale.
SMALLEST_AUC_SPAN = 0.1
AUC_SPAN_ALONE = 0.35
# A type is named where its AUC exceeds the others' mean beyond chance and by this; far worse by that.
WORTH_NAMING, FAR_WORSE = 0.05, 0.15
LEVEL, FEWEST_DRAWS, MANY, TINY = 0.05, 3, 1e9, 1e-12

SIMPLE = {
    "subclusters": "the sub-cluster baseline (a negative binomial per k-means cluster of each type)",
    "independent_nb": "the independent per-gene baseline (a negative binomial per type)",
}
"""Baselines that a model must be ahead of, the stronger first."""
NOT_COUNTED = ("w2", "train_ratio", "too_near")
"""Raw W2 falls when cells vary too little; distances to training cells are the memorisation test's matter."""
TOO_FEW_DRAWS = f"With fewer than {FEWEST_DRAWS} draws no difference from simple baselines can be tested."
_OPENING = {
    "good": "Generated cells are nearly indistinguishable from real cells.",
    "mixed": "Generated cells are similar to, but distinguishable from, real cells.",
    "poor": "Generated cells are clearly distinguishable from real cells.",
}


@dataclass(frozen=True)
class Verdict:
    """What the figures mean.

    Parameters
    ----------
    level
        "good": all headline gaps are at most 0.5 and their mean at most 0.35, where 0 is two real samples and 1 is
        independent genes; ahead of every simple baseline, of models in count space in held-out nats too; no label far
        worse than the rest; nothing missing; no memorisation. "poor": copied training cells, a mean gap of at least
        0.8, or no better than independent genes on half of the headline figures. "mixed": all else.
    sentence
        A paragraph for biologists.
    gaps
        Headline metric and its gap.
    no_better
        Headline metrics on which independent genes are as good.
    worst_class
        Label that a classifier recognises more easily than the others, beyond chance; None where there is none.
    behind
        Simple baseline and the metrics in which it is ahead of the model, of all that were worked out.
    """

    level: Level
    sentence: str
    gaps: dict[str, float]
    no_better: tuple[str, ...]
    worst_class: str | None
    behind: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Verdict:
        """Return the verdict that `dataclasses.asdict` wrote."""
        behind = {name: tuple(metrics) for name, metrics in values.get("behind", {}).items()}
        return cls(**{**values, "no_better": tuple(values["no_better"]), "behind": behind})


@dataclass(frozen=True)
class ClassGap:
    """How much more easily than the others a label's cells are recognised, and whether by far."""

    name: str
    excess: float
    far_worse: bool


def judge(
    scores: Sequence[Score],
    *,
    drifted: tuple[Drift, ...],
    memorisation: Memorisation,
    missing: tuple[str, ...],
    nats: NatsAtDepth | None = None,
) -> Verdict:
    """Put figures into words.

    Parameters
    ----------
    scores
        All figures.
    drifted
        Genes whose distribution differs from real cells' beyond chance, worst first.
    memorisation
        The alarm.
    missing
        Labels asked for and never generated.
    nats
        Held-out likelihood beside the closed forms, of models in count space.
    """
    found = {(one.row, one.metric, one.scope): one for one in scores}
    gaps = {name: gap for name in HEADLINE if (gap := _gap(found, name)) is not None}
    no_better = tuple(
        name for name, gap in gaps.items() if gap >= NO_BETTER_GAP and ("independent_nb", name, POOLED) in found
    )
    worst = worst_class(found)
    beside = [row for row in SIMPLE if any(key[0] == row for key in found)]
    tested = [row for row in beside if any(one.repeats >= FEWEST_DRAWS for one in scores if one.row == row)]
    standing = {row: compare_rows(found, "model", row) for row in tested}
    not_ahead = [row for row, (own, other) in standing.items() if len(_headline(own)) <= len(_headline(other))]
    level = _level(gaps, no_better, not_ahead, worst, memorisation, missing)
    if level == "good" and nats is not None and nats.over_mixture.low <= 0:
        level = "mixed"  # cells that look real, of a model that predicts molecules no better than a mixture
    sentences = [
        _opening(level, not_ahead),
        *_classifier(found),
        *_about_baselines(standing),
        *([TOO_FEW_DRAWS] if beside and not tested else []),
        *_about_nats(nats),
        *_about_classes(found, worst, missing),
        *_about_genes(drifted),
        *([memorisation.sentence] if memorisation.level != "none" else []),
    ]
    behind = {row: other for row, (_, other) in standing.items() if other}
    return Verdict(level, " ".join(sentences), gaps, no_better, None if worst is None else worst.name, behind)


def compare_rows(found: Mapping[tuple[str, str, str], Score], own: str, other: str) -> tuple[tuple[str, ...], ...]:
    """Return the metrics in which one row is ahead of another, and those in which it is behind.

    By Welch's t-test over draws of cells, at a false discovery rate of 5% over the metrics. Of fewer than three draws
    the spread is taken to be that of the other row; where that has no more, nothing is tested.
    """
    leads: dict[str, float] = {}
    p: list[float] = []
    for name, metric in METRICS.items():
        a, b = found.get((own, name, POOLED)), found.get((other, name, POOLED))
        if name not in NOT_COUNTED and a is not None and b is not None and b.repeats >= FEWEST_DRAWS:
            leads[name] = metric.cost(b.mean) - metric.cost(a.mean)
            p.append(_p(leads[name], a, b) if leads[name] else 1.0)
    sure = [name for name, rate in zip(leads, false_discovery_rates(np.array(p)), strict=True) if rate < LEVEL]
    return tuple(name for name in sure if leads[name] > 0), tuple(name for name in sure if leads[name] < 0)


def worst_class(found: Mapping[tuple[str, str, str], Score]) -> ClassGap | None:
    """Return the label whose cells a classifier recognises more easily than those of the others, beyond chance.

    The AUC of n cells a side has a variance of about 1 / (6 n) where nothing differs, half of it from the real cells,
    which all draws share; the other half is taken from the spread over draws of generated cells where there are
    several. A label is named where it exceeds the mean of the others by 0.05 and, one-sided and corrected for the
    number of labels (Bonferroni), by more than chance explains at 5%.
    """
    leads = {scope: _lead(found, scope) for scope in dict.fromkeys(key[2] for key in found if key[0] == "model")}
    known = {name: lead for name, lead in leads.items() if name != POOLED and lead is not None}
    if len(known) < 2:
        return None
    name = max(known, key=lambda label: known[label][0])
    auc, variance, freedom = known[name]
    others = [lead for label, lead in known.items() if label != name]
    mean = sum(lead[0] for lead in others) / len(others)
    error = math.sqrt(variance + sum(lead[1] for lead in others) / len(others) ** 2)
    excess = auc - mean
    beyond = stdtr(freedom, -excess / error) < LEVEL / len(known)
    return ClassGap(name, excess, excess > FAR_WORSE) if beyond and excess >= WORTH_NAMING else None


def _lead(found: Mapping[tuple[str, str, str], Score], scope: str) -> tuple[float, float, float] | None:
    """Return the mean AUC of both classifiers, its variance, and the degrees of freedom of that."""
    own = [found[key] for name in ("c2st_pcs", "c2st_genes") if (key := ("model", name, scope)) in found]
    if not own:
        return None
    half = 1 / (12 * max(own[0].n, 1))
    errors = [one.error for one in own if one.error is not None and one.repeats > 1]
    if not errors:
        return sum(one.mean for one in own) / len(own), 2 * half, MANY
    spread = max(errors) ** 2  # the two classifiers see the same cells, so their errors are not averaged away
    freedom = (half + spread) ** 2 / (spread**2 / (own[0].repeats - 1)) if spread > 0 else MANY
    return sum(one.mean for one in own) / len(own), half + spread, freedom


def _p(difference: float, own: Score, other: Score) -> float:
    if other.sd is None:
        return 1.0
    if own.repeats < FEWEST_DRAWS or own.sd is None:
        error = other.sd * math.sqrt(1 / own.repeats + 1 / other.repeats)
        return 0.0 if error < TINY else 2 * float(stdtr(other.repeats - 1, -abs(difference) / error))
    if max(own.sd, other.sd) < TINY:
        return 0.0
    sides = (difference, own.sd, own.repeats, 0.0, other.sd, other.repeats)
    return float(ttest_ind_from_stats(*sides, equal_var=False).pvalue)


def _gap(found: Scores, metric: str) -> float | None:
    own, floor, baseline = (found.get((row, metric, POOLED)) for row in ("model", "floor", "independent_nb"))
    is_auc = metric.startswith("c2st")
    if own is None or (floor is None and not is_auc):
        return None
    bottom = 0.5 if floor is None else floor.mean
    if baseline is None:
        return (own.mean - bottom) / AUC_SPAN_ALONE if is_auc else None
    span = max(baseline.mean - bottom, SMALLEST_AUC_SPAN) if is_auc else baseline.mean - bottom
    return (own.mean - bottom) / span if span > 0 else None


def _headline(metrics: Sequence[str]) -> list[str]:
    return [name for name in metrics if name in HEADLINE]


def _level(
    gaps: dict[str, float],
    no_better: tuple[str, ...],
    not_ahead: Sequence[str],
    worst: ClassGap | None,
    memorisation: Memorisation,
    missing: tuple[str, ...],
) -> Level:
    mean = sum(gaps.values()) / max(len(gaps), 1)
    if memorisation.level == "copied" or mean >= POOR_MEAN_GAP or 2 * len(no_better) >= max(len(gaps), 1):
        return "poor"
    close = mean <= GOOD_MEAN_GAP and all(gap <= GOOD_WORST_GAP for gap in gaps.values()) and not not_ahead
    blemish = memorisation.level != "none" or missing or (worst is not None and worst.far_worse)
    return "good" if close and not blemish else "mixed"


def _opening(level: Level, not_ahead: Sequence[str]) -> str:
    if level == "mixed" and not_ahead:
        return f"Generated cells are not detectably closer to real cells than those of {SIMPLE[not_ahead[0]]}."
    return _OPENING[level]


def _classifier(found: Scores) -> list[str]:
    parts = []
    for metric, features in (("c2st_pcs", "principal components"), ("c2st_genes", "genes")):
        own = found.get(("model", metric, POOLED))
        if own is not None:
            beside = [
                f"{title} {score.mean:.2f}"
                for row, title in (("floor", "real vs. real"), *((row, _short(row)) for row in SIMPLE))
                if (score := found.get((row, metric, POOLED))) is not None
            ]
            parts.append(f"AUC {own.mean:.2f} on {features}" + (f" ({', '.join(beside)})" if beside else ""))
    return [f"A classifier separates real from generated cells with {' and '.join(parts)}; 0.50 is chance."] * bool(
        parts
    )


def _short(row: str) -> str:
    return {"subclusters": "sub-cluster baseline", "independent_nb": "independent genes"}[row]


def _about_baselines(standing: Mapping[str, tuple[tuple[str, ...], ...]]) -> list[str]:
    behind: dict[str, list[str]] = {}
    for row, (_, metrics) in standing.items():
        if metrics:
            behind.setdefault(", ".join(METRICS[name].title for name in metrics), []).append(row)
    if not behind:
        return []
    n = len({name for _, metrics in standing.values() for name in metrics})
    listed = "; ".join(f"{' and '.join(_short(row) for row in rows)}: {titles}" for titles, rows in behind.items())
    return [f"Simple baselines are ahead in {n} figure{'s' if n > 1 else ''} ({listed})."]


def _about_nats(nats: NatsAtDepth | None) -> list[str]:
    if nats is None:
        return []
    gains = [
        f"{gain.mean:+.4f} over {name} (95% interval {gain.low:+.4f} to {gain.high:+.4f})"
        for name, gain in (
            ("the mixture of sub-clusters", nats.over_mixture),
            ("the same recalibrated gene by gene, where it started", nats.over_start),
            ("independent genes", nats.over_independent),
        )
    ]
    return [
        f"Held-out likelihood: after {nats.depth:,} molecules of a cell the next one costs {nats.model:.3f} nats; gain "
        f"{', '.join(gains)}."
    ]


def _about_classes(found: Scores, worst: ClassGap | None, missing: tuple[str, ...]) -> list[str]:
    sentences = []
    if missing:
        sentences.append(f"No cells were generated of: {', '.join(missing)}.")
    if worst is not None:
        own = found.get(("model", "c2st_genes", worst.name)) or found["model", "c2st_pcs", worst.name]
        how = "far less realistic than the other types" if worst.far_worse else "the least realistic type"
        sentences.append(f"{worst.name} is {how} (AUC {own.mean:.2f}).")
    return sentences


def _about_genes(drifted: tuple[Drift, ...]) -> list[str]:
    if not drifted:
        return ["No single gene's distribution differs from real cells' beyond chance."]
    genes = ", ".join(f"{drift.gene} ({drift.direction})" for drift in drifted[:3])
    return [f"Least accurate genes: {genes}."]
