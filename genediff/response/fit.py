"""Fit a model of responses: leave perturbations out, set the gates, check them on validation, judge the test part."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from genediff.response.gate import FEW, RECIPES, Gate, LeftOut, correlations, decide, errors, gaps
from genediff.response.identity import find_identity
from genediff.response.kinds import KINDS, Kind
from genediff.response.leave_out import Fold, leave_out, predict_fold
from genediff.response.measured import measured
from genediff.response.model import ResponseModel
from genediff.response.spread import Spread

if TYPE_CHECKING:
    from collections.abc import Callable

    from genediff.knowledge.network import Network
    from genediff.perturbation import Task
    from genediff.perturbation.task import Part
    from genediff.response.identity import Identity
    from genediff.response.measured import MeasuredTask

DEFAULTS: dict[Kind, str] = {
    "seen": "nearest",
    "context": "matching_mean",
    "single": "linear",
    "double_2": "additive",
    "double_1": "additive",
    "double_0": "linear",
}
"""Where predictions start when too few perturbations can be left out to compare baselines."""
_LEVEL = 0.9


def fit_response(
    task: Task,
    *,
    network: Network | None = None,
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
    members
        Models fitted to resampled cells.
    progress, check
        Told the share done; called often, and may raise to stop.
    """
    known = measured(task)
    identity = find_identity(task, None if network is None else Spread(network, task.genes), seed=seed)
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
    predict_fold(task, identity, fold, found)
    few = {kind for kind, one in found.items() if len(one) and len(left[kind]) < FEW}
    for kind in few:
        left[kind].extend(found[kind])
    return few


def judge(model: ResponseModel, part: Part) -> dict[Kind, dict[str, float]]:
    """Hold predicted changes of a part's groups against measured ones and against the baseline they start from."""
    rows: dict[Kind, list[tuple[np.ndarray, ...]]] = {}
    for group in model.task.part(part):
        kind = model.kind(group.perturbation, group.context)
        predicted = model.delta(group.perturbation, group.context)
        start = model.baseline(group.perturbation, group.context).delta(group.perturbation, group.context)
        control = model.task.control_mean(group.part, group.context)
        rows.setdefault(kind, []).append((predicted, start, model.task.delta(group), control))
    found = {}
    axes = model.task.dataset.pca.components
    for kind, groups in rows.items():
        predicted, start, truth, control = (np.stack([group[place] for group in groups]) for place in range(4))
        own, base = errors(predicted, truth), errors(start, truth)
        found[kind] = {
            "n": float(len(groups)),
            "r": float(correlations(predicted, truth).mean()),
            "r_baseline": float(correlations(start, truth).mean()),
            "error": float(own.mean()),
            "error_baseline": float(base.mean()),
            "gap": float(gaps(predicted, truth, control, axes).mean()),
            "gap_baseline": float(gaps(start, truth, control, axes).mean()),
            "harm": float((own > base * (1 + 1e-9)).mean()),
        }
    return found


def _checked(gate: Gate, seen: dict[str, float]) -> Gate:
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


def intervals(left: dict[Kind, LeftOut], gates: dict[Kind, Gate], n_genes: int) -> tuple[np.ndarray, dict[Kind, float]]:
    """Return the scale of each gene's errors (gene,), and by kind how many scales hold nine in ten of them."""
    missed: dict[Kind, np.ndarray] = {}
    for kind, one in left.items():
        if not len(one):
            continue
        gate, truth = gates[kind], np.stack(one.measured)
        start = np.stack(one.baselines[gate.baseline])
        predicted = start
        if gate.weight:
            predicted = start + gate.weight * (np.stack(one.recipes[RECIPES.index(gate.recipe)]) - start)
        missed[kind] = np.abs(predicted - truth)  # (entry, gene)
    if not missed:
        return np.ones(n_genes), {}
    squares = np.mean([(rows**2).mean(0) for rows in missed.values()], axis=0)
    scale = np.sqrt(0.9 * squares + 0.1 * squares.mean() + 1e-12)
    return scale, {kind: float(np.quantile(rows / scale, _LEVEL)) for kind, rows in missed.items()}
