"""The verdict in words, with the thresholds it goes by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from genediff.evaluation.metrics import HEADLINE

if TYPE_CHECKING:
    from collections.abc import Callable

    from genediff.evaluation.drift import Drift
    from genediff.evaluation.memorisation import Memorisation

Level = Literal["good", "mixed", "poor"]

# A gap is where a headline figure lies between the floor (0, two real samples) and the simple baseline (1).
GOOD_MEAN_GAP = 0.35
GOOD_WORST_GAP = 0.5
POOR_MEAN_GAP = 0.8
# A little below 1, since both figures are measured.
NO_BETTER_GAP = 0.95
# A label is far worse than the rest when the classifier's lead over its floor exceeds the others' median by this.
FAR_WORSE = 0.15
CLASS_WORTH_NAMING = 0.10
# Where the baseline is hardly worse than the floor a gap would be noise; AUCs are then measured on this scale.
SMALLEST_AUC_SPAN = 0.1
# Between halves of fewer cells the debiased W2² of two real samples strays further than most models do.
FEWEST_CELLS_FOR_W2 = 300
AUC_SPAN_ALONE = 0.35

_IN_WORDS = {
    "c2st_pcs": "the classifier on principal components",
    "c2st_genes": "the classifier on genes",
    "w2_debiased": "the distance between the clouds of cells (debiased W2²)",
}
_OPENING = {
    "good": "These cells are hard to tell from real ones.",
    "mixed": "These cells resemble real ones, but they can be told apart.",
    "poor": "These cells are not close to real ones yet.",
}


@dataclass(frozen=True)
class Verdict:
    """What the figures mean.

    Parameters
    ----------
    level
        "good": all headline gaps are at most 0.5 and their mean at most 0.35, where 0 is two real samples and 1 is
        cells drawn gene by gene; no label far worse than the rest; nothing missing; no memorisation. "poor": copied
        training cells, a mean gap of at least 0.8, or no better than drawn gene by gene on half of the headline
        figures. "mixed": all else.
    sentence
        A paragraph for biologists.
    gaps
        Headline metric and its gap.
    no_better
        Headline metrics on which a simple baseline is as good.
    worst_class
        Label the classifier recognises best, where it is worth naming.
    """

    level: Level
    sentence: str
    gaps: dict[str, float]
    no_better: tuple[str, ...]
    worst_class: str | None

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Verdict:
        """Return the verdict that `dataclasses.asdict` wrote."""
        return cls(**{**values, "no_better": tuple(values["no_better"])})


@dataclass(frozen=True)
class ClassGap:
    """How much more often than between real samples a label's cells are recognised; see `FAR_WORSE`."""

    name: str
    excess: float
    far_worse: bool


def judge(
    value: Callable[[str, str, str], float | None],
    *,
    classes: tuple[str, ...],
    drifted: tuple[Drift, ...],
    memorisation: Memorisation,
    missing: tuple[str, ...],
    n_cells: int,
) -> Verdict:
    """Put figures into words.

    Parameters
    ----------
    value
        From row, metric and scope to the mean over seeds, or None.
    classes
        Labels with figures of their own.
    drifted
        Genes further off than chance explains, worst first.
    memorisation
        The alarm.
    missing
        Labels asked for and never generated.
    n_cells
        Cells on each side; with few of them W2 is shown but not judged by.
    """
    judged_by = [name for name in HEADLINE if name != "w2_debiased" or n_cells >= FEWEST_CELLS_FOR_W2]
    gaps = {name: gap for name in judged_by if (gap := _gap(value, name)) is not None}
    no_better = tuple(name for name, gap in gaps.items() if gap >= NO_BETTER_GAP and _has_baseline(value, name))
    worst = worst_class(value, classes)
    level = _level(gaps, no_better, worst, memorisation, missing)
    sentences = [
        _OPENING[level],
        *_classifier(value),
        *_about_classes(value, worst, missing),
        *_about_genes(drifted, floor=value("floor", "c2st_pcs", "pooled") is not None),
        *([memorisation.sentence] if memorisation.level != "none" else []),
        *_about_baseline(no_better),
    ]
    named = worst.name if worst is not None and (worst.far_worse or worst.excess >= CLASS_WORTH_NAMING) else None
    return Verdict(level, " ".join(sentences), gaps, no_better, named)


def worst_class(value: Callable[[str, str, str], float | None], classes: tuple[str, ...]) -> ClassGap | None:
    """Return the label recognised best beyond its floor, averaged over both classifiers.

    Parameters
    ----------
    value
        From row, metric and scope to a figure, or None.
    classes
        Labels with figures of their own.
    """
    excess = {name: _excess(value, name) for name in classes}
    known = {name: lead for name, lead in excess.items() if lead is not None}
    if not known:
        return None
    name = max(known, key=lambda label: known[label])
    others = sorted(lead for label, lead in known.items() if label != name)
    middle = others[len(others) // 2] if others else known[name]
    return ClassGap(name, known[name], known[name] > middle + FAR_WORSE)


def _excess(value: Callable[[str, str, str], float | None], scope: str) -> float | None:
    leads = []
    for metric in ("c2st_pcs", "c2st_genes"):
        own, floor = value("model", metric, scope), value("floor", metric, scope)
        if own is not None:
            leads.append(own - (0.5 if floor is None else max(floor, 0.5)))
    return sum(leads) / len(leads) if leads else None


def _has_baseline(value: Callable[[str, str, str], float | None], metric: str) -> bool:
    return value("independent_nb", metric, "pooled") is not None


def _gap(value: Callable[[str, str, str], float | None], metric: str) -> float | None:
    own, floor = value("model", metric, "pooled"), value("floor", metric, "pooled")
    baseline = value("independent_nb", metric, "pooled")
    is_auc = metric.startswith("c2st")
    if own is None or (floor is None and not is_auc):
        return None
    bottom = 0.5 if floor is None else floor
    if baseline is None:
        return (own - bottom) / AUC_SPAN_ALONE if is_auc else None
    span = max(baseline - bottom, SMALLEST_AUC_SPAN) if is_auc else baseline - bottom
    return (own - bottom) / span if span > 0 else None


def _level(
    gaps: dict[str, float],
    no_better: tuple[str, ...],
    worst: ClassGap | None,
    memorisation: Memorisation,
    missing: tuple[str, ...],
) -> Level:
    mean = sum(gaps.values()) / max(len(gaps), 1)
    if memorisation.level == "copied" or mean >= POOR_MEAN_GAP or 2 * len(no_better) >= max(len(gaps), 1):
        return "poor"
    close = mean <= GOOD_MEAN_GAP and all(gap <= GOOD_WORST_GAP for gap in gaps.values())
    blemish = memorisation.level != "none" or missing or (worst is not None and worst.far_worse)
    return "good" if close and not blemish else "mixed"


def _classifier(value: Callable[[str, str, str], float | None]) -> list[str]:
    own = value("model", "c2st_pcs", "pooled")
    if own is None:
        return []
    sentence = (
        f"Shown one real and one generated cell, a classifier picks out the generated one {_percent(own)} of the time "
        f"({_beside(value, 'c2st_pcs', spelled=True)})"
    )
    genes = value("model", "c2st_genes", "pooled")
    if genes is not None:
        beside = _beside(value, "c2st_genes", spelled=False)
        sentence += f"; with every gene to look at, {_percent(genes)}" + (f" ({beside})" if beside else "")
    return [sentence + "."]


def _beside(value: Callable[[str, str, str], float | None], metric: str, *, spelled: bool) -> str:
    floor, baseline = value("floor", metric, "pooled"), value("independent_nb", metric, "pooled")
    parts = ["50% is chance"] if spelled else []
    if floor is not None:
        parts.append(f"two real samples: {_percent(floor)}")
    if baseline is not None:
        parts.append(f"cells drawn gene by gene: {_percent(baseline)}")
    return "; ".join(parts)


def _about_classes(
    value: Callable[[str, str, str], float | None], worst: ClassGap | None, missing: tuple[str, ...]
) -> list[str]:
    sentences = []
    if missing:
        sentences.append(f"No cells were generated of: {', '.join(missing)}.")
    if worst is not None and (worst.far_worse or worst.excess >= CLASS_WORTH_NAMING):
        own = value("model", "c2st_genes", worst.name) or value("model", "c2st_pcs", worst.name) or 0.0
        how = "far worse than the rest" if worst.far_worse else "the weakest cell type"
        sentences.append(f"{worst.name} is {how}: its cells are picked out {_percent(own)} of the time.")
    return sentences


def _about_genes(drifted: tuple[Drift, ...], *, floor: bool) -> list[str]:
    if not drifted:
        return [] if not floor else ["No gene is further off than genes are between two real samples."]
    genes = ", ".join(f"{drift.gene} ({drift.direction})" for drift in drifted[:3])
    return [f"Genes furthest off: {genes}."]


def _about_baseline(no_better: tuple[str, ...]) -> list[str]:
    if not no_better:
        return []
    names = " and ".join(_IN_WORDS[name] for name in no_better)
    return [f"Judged by {names}, they are no better than cells drawn gene by gene, which know of no gene-gene link."]


def _percent(share: float) -> str:
    return f"{share * 100:.0f}%"
