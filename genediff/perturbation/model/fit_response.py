"""Fit a model of responses: leave perturbations out, set the gates, check them on validation, judge the test part."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

import numpy as np

from genediff.core.stats import pearson
from genediff.perturbation.model.leave_out import Fold, leave_out, predict_fold
from genediff.perturbation.model.measured_shifts import measured
from genediff.perturbation.model.model_kinds import KINDS, Kind
from genediff.perturbation.model.network_diffusion import Spread
from genediff.perturbation.model.perturbation_identity import find_identity
from genediff.perturbation.model.prior_weights import weigh_priors
from genediff.perturbation.model.response_model import ResponseModel
from genediff.perturbation.model.shrinkage import RECIPES, LeftOut, Shrinkage, decide, errors, gaps
from genediff.perturbation.target_loss import without_targets

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from genediff.knowledge.network import Network
    from genediff.perturbation import Task
    from genediff.perturbation.model.gene_priors import GenePriors
    from genediff.perturbation.model.measured_shifts import MeasuredTask
    from genediff.perturbation.model.perturbation_identity import Identity
    from genediff.perturbation.task_config import Part

DEFAULTS: dict[Kind, str] = {
    "seen": "nearest",
    "context": "matching_mean",
    "single": "mean_perturbed",
    "double_2": "additive",
    "double_1": "additive",
    "double_0": "mean_perturbed",
}
"""Where predictions start when too few perturbations can be left out to compare baselines."""
COVERAGE = 0.9
"""Share of genes that an interval of predicted changes holds, over perturbations that were never seen."""
MOST_WIDTHS = 4000
"""Widths that are tried, evenly among the errors."""
FEW = 40
"""Distinct left-out perturbations below which the validation part is pooled with them, in place of a check afterwards:
six validation perturbations alone would close a real gain as often as not. So they would one by prior knowledge, whose
gains are few and large: there the validation part is always pooled."""


def fit_response(
    task: Task,
    *,
    network: Network | None = None,
    priors: GenePriors | None = None,
    members: int = 5,
    seed: int = 0,
    title: str = "GeneDiff",
    progress: Callable[[float], None] = lambda _: None,
    check: Callable[[], None] = lambda: None,
) -> ResponseModel:
    """Fit the closed-form part and set the gates.

    Parameters
    ----------
    task
        Fitted on its training part; gates are closed again by its validation part; the test part is judged once.
    network
        What knock-outs run along.
    priors
        What is known of genes from elsewhere; weighed by perturbations that are left out.
    members
        Models fitted to resampled cells.
    progress, check
        Told the share done; called often, and may raise to stop.
    """
    known = measured(task)
    weighed = None if priors is None else weigh_priors(known, priors, seed=seed, check=check)
    spread = None if network is None else Spread(network, task.genes)
    identity = find_identity(task, spread, weighed, seed=seed)
    left = leave_out(known, identity, seed=seed, progress=progress, check=check)
    asked = _ask_validation(known, identity, left)
    gates = {kind: decide(kind, left[kind], DEFAULTS[kind], task.dataset.pca.components) for kind in KINDS}
    model = ResponseModel(
        known, identity, gates, members=[known.resampled(seed * 1000 + n) for n in range(members)], title=title
    )
    for kind, seen in judge(model, "validation").items():
        if kind not in asked:
            model.gates[kind] = _checked(model.gates[kind], seen)
    model.scale, model.width = intervals(left, model.gates, len(task.genes))
    model.tested = {kind: numbers for kind, numbers in judge(model, "test").items() if numbers["n"]}
    return model


def _ask_validation(task: MeasuredTask, identity: Identity, left: dict[Kind, LeftOut]) -> set[Kind]:
    """Add the validation part to what was left out, for kinds of which training has few; return these kinds."""
    groups = task.part("validation")
    fold = Fold(task.part("train"), groups)
    found: dict[Kind, LeftOut] = {kind: LeftOut() for kind in KINDS}
    predict_fold(task, task, identity, fold, found)
    by_priors = {"single"} if identity.priors else set()
    few = {kind for kind, one in found.items() if len(one) and (left[kind].n < FEW or kind in by_priors)}
    for kind in few:
        left[kind].extend(found[kind])
    return few


def judge(model: ResponseModel, part: Part) -> dict[Kind, dict[str, float]]:
    """Hold predicted changes of a part's groups against measured ones and against the baseline they start from."""
    rows: dict[Kind, list[tuple[np.ndarray, ...]]] = {}
    labels: dict[Kind, list[tuple[str, str]]] = {}
    covered: dict[Kind, list[float]] = {}
    for group in model.task.part(part):
        kind = model.kind(group.perturbation, group.context)
        keep = without_targets(model.task, group.perturbation)
        predicted = model.delta(group.perturbation, group.context)
        start = model.baseline(group.perturbation, group.context).delta(group.perturbation, group.context)
        control = model.task.control_mean(group.part, group.context)
        if (ends := model.interval(group.perturbation, group.context)) is not None:
            truth = model.task.delta(group)
            covered.setdefault(kind, []).append(float(((ends[0] <= truth) & (truth <= ends[1]))[keep].mean()))
        changes = (np.where(keep, one, 0.0) for one in (predicted, start, model.task.delta(group)))
        rows.setdefault(kind, []).append((*changes, control))
        labels.setdefault(kind, []).append((group.perturbation.label, group.context))
    found = {}
    axes = model.task.dataset.pca.components
    for kind, groups in rows.items():
        predicted, start, truth, control = (np.stack([group[place] for group in groups]) for place in range(4))
        own, base = errors(predicted, truth), errors(start, truth)
        found[kind] = {
            "n": float(LeftOut(labels[kind]).n),
            "r": float(pearson(predicted, truth).mean()),
            "r_baseline": float(pearson(start, truth).mean()),
            "error": float(own.mean()),
            "error_baseline": float(base.mean()),
            "gap": float(gaps(predicted, truth, control, axes).mean()),
            "gap_baseline": float(gaps(start, truth, control, axes).mean()),
            "harm": float((own > base * (1 + 1e-9)).mean()),
        }
        if kind in covered:
            found[kind]["covered"] = float(np.mean(covered[kind]))
    return found


def _checked(gate: Shrinkage, seen: dict[str, float]) -> Shrinkage:
    """Close a gate where the validation part, which had no say so far, says that the baseline is better."""
    no_worse = seen["r"] >= seen["r_baseline"] and all(seen[k] <= seen[f"{k}_baseline"] for k in ("error", "gap"))
    if gate.weight == 0 or no_worse:
        return gate
    why = (
        "Left-out training perturbations spoke for a step away from the baseline, but the validation part did not, so "
        "the baseline stays."
    )
    return gate.model_copy(
        update={
            "weight": 0.0,
            "why": why,
            "error": gate.error_baseline,
            "r": gate.r_baseline,
            "gap": gate.gap_baseline,
            "harm": 0.0,
        }  # fmt: skip
    )


def intervals(
    left: dict[Kind, LeftOut], gates: dict[Kind, Shrinkage], n_genes: int
) -> tuple[np.ndarray, dict[Kind, float]]:
    """Return the scale of each gene's errors (gene,), and by kind how many scales an interval reaches to either side.

    Genes of one perturbation miss together, so perturbations are what is exchangeable; the scale is of genes among one
    another, and the width of a kind its size. A kind with fewer than nine left-out perturbations has no interval.
    """
    missed: dict[Kind, np.ndarray] = {}
    for kind, one in left.items():
        if not len(one):
            continue
        gate, truth = gates[kind], np.stack(one.measured)
        predicted = np.stack(one.baselines[gate.baseline])
        if gate.weight:
            predicted = predicted + gate.weight * (np.stack(one.recipes[RECIPES.index(gate.recipe)]) - predicted)
        missed[kind] = np.abs(predicted - truth)  # (entry, gene)
    if not missed:
        return np.ones(n_genes), {}
    shapes = {kind: _shape((rows**2).mean(0)) for kind, rows in missed.items()}
    widths = {
        kind: conformal_width(rows, left[kind].units, [shape for other, shape in shapes.items() if other != kind])
        for kind, rows in missed.items()
    }
    return _scale(list(shapes.values())), {kind: width for kind, width in widths.items() if width < np.inf}


def conformal_width(missed: np.ndarray, units: np.ndarray, others: Sequence[np.ndarray] = ()) -> float:
    """Return how many scales hold 90% of the genes of a further perturbation; infinite with fewer than nine.

    The width is a quantile of the relative errors of n perturbations, at the level at which the width from n - 1 of
    them holds 90% of the genes of the one left out, on average over them. (Split conformal prediction for two layers,
    Dunn, Wasserman and Ramdas 2022, doi 10.1080/01621459.2022.2060112, counts the further perturbation as one of which
    no gene lies within: with 10 left-out perturbations its intervals held 98% of genes in place of 90%.)

    Parameters
    ----------
    missed
        Absolute errors of left-out entries, (entry, gene); 0 for genes that do not count.
    units
        The perturbation of each entry, (entry,).
    others
        Shapes of the errors of other kinds, which share the scale, (gene,) each.
    """
    names, place = np.unique(np.asarray(units, dtype=str), return_inverse=True)
    n = len(names)
    if n * (1 - COVERAGE) < COVERAGE:
        return float("inf")
    squares = missed**2
    total, counts = squares.sum(0), np.bincount(place)
    relative = []
    for unit in range(n):  # the scale of each is that of the others: its own errors would make it fit too well
        own = place == unit
        scale = _scale([_shape((total - squares[own].sum(0)) / (len(missed) - counts[unit])), *others])
        one = (missed[own] / scale).ravel()
        relative.append(np.sort(one[one > 0]))
    every = np.sort(np.concatenate(relative))
    widths = every[np.unique(np.linspace(0, len(every) - 1, MOST_WIDTHS).round().astype(int))]
    held = np.stack(
        [np.searchsorted(one, widths, side="right") / max(len(one), 1) for one in relative]
    )  # (unit, width)
    by_others = (held.sum(0) - held) / (n - 1)
    levels = np.unique(held.mean(0))
    chosen = bisect_left(levels, COVERAGE, key=lambda level: _held_when_left_out(held, by_others, level))
    return float(widths[np.argmax(held.mean(0) >= levels[chosen])]) if chosen < len(levels) else float("inf")


def _held_when_left_out(held: np.ndarray, by_others: np.ndarray, level: float) -> float:
    """Return the share of genes of a left-out unit within the width at which the others reach a level."""
    reached = by_others >= level - 1e-12
    at = np.where(reached.any(1), reached.argmax(1), held.shape[1] - 1)
    return float(held[np.arange(len(held)), at].mean())


def _shape(mean_square: np.ndarray) -> np.ndarray:
    """Return mean squared errors relative to those of all genes, (gene,)."""
    return mean_square / max(float(mean_square.mean()), 1e-12)


def _scale(shapes: Sequence[np.ndarray]) -> np.ndarray:
    """Return the size of each gene's errors, (gene,), a tenth of it from all genes: few entries know it badly."""
    return np.sqrt(0.9 * np.mean(shapes, axis=0) + 0.1)
