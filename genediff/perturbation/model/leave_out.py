"""Leave perturbations out of the training part as each kind of question would find them, and predict them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from genediff.perturbation import fit_baselines
from genediff.perturbation.model.effect_matrices import effects_of, kind_of
from genediff.perturbation.model.model_kinds import KINDS, Kind, items_of
from genediff.perturbation.model.regression import Regression
from genediff.perturbation.model.shrinkage import RECIPES, LeftOut
from genediff.perturbation.target_loss import without_targets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from genediff.perturbation import Group
    from genediff.perturbation.model.measured_shifts import MeasuredTask
    from genediff.perturbation.model.perturbation_identity import Identity
    from genediff.perturbation.model.regression import Recipe

FOLDS = 5
CELL_FOLDS = 3
"""A third of the training cells is a fifth of all cells, as many as a test part has: as noisy, too."""
GENE_ROUNDS = 2
MOST_CONTEXT_FOLDS = 8
_FEW_LABELS = 5


@dataclass(frozen=True, eq=False)
class Fold:
    """What is fitted on, and the groups that are then predicted."""

    train: tuple[Group, ...]
    test: tuple[Group, ...]


def folds(task: MeasuredTask, *, seed: int, cells: bool = True) -> Iterator[Fold]:
    """Yield divisions of the training part: of cells (unless not asked for), of combinations, genes, and contexts."""
    draw = np.random.default_rng([seed, 17])
    train = task.part("train")
    if cells:
        yield from _cells(train, draw)
    yield from _combinations(train, draw)
    yield from gene_folds(task, seed=seed)
    yield from _contexts(train, draw)


def gene_folds(task: MeasuredTask, *, seed: int) -> Iterator[Fold]:
    """Yield divisions of the training part by the genes that are perturbed."""
    draw = np.random.default_rng([seed, 19])
    for _ in range(GENE_ROUNDS):
        yield from _genes(task.part("train"), draw)


def leave_out(
    task: MeasuredTask,
    identity: Identity,
    *,
    seed: int,
    progress: Callable[[float], None] = lambda _: None,
    check: Callable[[], None] = lambda: None,
) -> dict[Kind, LeftOut]:
    """Predict what is left out, by every baseline and recipe.

    Parameters
    ----------
    task
        Whose training part is divided; no other part is looked at.
    progress
        Told the share that is done.
    check
        Called often; may raise to stop.
    """
    found: dict[Kind, LeftOut] = {kind: LeftOut() for kind in KINDS}
    every = list(folds(task, seed=seed))
    for number, fold in enumerate(every):
        check()
        fitted, judging = task.split_controls(seed * 1000 + number)
        predict_fold(fitted, judging, identity, fold, found, check=check)
        progress((number + 1) / len(every))
    return found


def predict_fold(
    task: MeasuredTask,
    judging: MeasuredTask,
    identity: Identity,
    fold: Fold,
    found: dict[Kind, LeftOut],
    *,
    recipes: Sequence[Recipe] = RECIPES,
    check: Callable[[], None] = lambda: None,
) -> None:
    """Fit on one side of a fold and add the predictions of the other to what was found, by kind.

    Left-out groups are measured against the controls of ``judging``, of which fitting has seen none.
    """
    part = task.training_on(fold.train)
    if len(fold.train) < 2:
        return
    effects = effects_of(part)
    seen, usual = set(effects.names), task.config.mode
    # Of a gene that is neither measured nor in the network nothing is known but its name: the baseline keeps it.
    test = [
        group
        for group in fold.test
        if not recipes or all(name in seen or identity.knows(name) for name in items_of(group.perturbation, usual))
    ]
    if not test:
        return
    asked = [(items_of(group.perturbation, usual), group.context) for group in test]
    kinds = [kind_of(effects, items, context) for items, context in asked]
    shifts = fit_baselines(part)
    counted = [without_targets(task, group.perturbation) for group in test]
    for group, kind, keep in zip(test, kinds, counted, strict=True):
        left = found[kind]
        control = judging.control_mean(group.part, group.context)
        left.labels.append(_unit(group))
        left.measured.append(np.where(keep, judging.mean(group.rows) - control, 0.0))
        left.controls.append(control)
        for name, shift in shifts.items():
            predicted = np.where(keep, shift.delta(group.perturbation, group.context), 0.0)
            left.baselines.setdefault(name, []).append(predicted)
    for place, recipe in enumerate(recipes):
        if recipe.prior and not identity.priors:
            continue
        check()
        rows = Regression(effects, identity, recipe).predict([i for i, _ in asked], [c for _, c in asked])
        for kind, row, keep in zip(kinds, rows, counted, strict=True):
            found[kind].recipes.setdefault(place, []).append(np.where(keep, row, 0.0))


def _unit(group: Group) -> tuple[str, str]:
    return group.perturbation.label, group.context


def _cells(train: tuple[Group, ...], draw: np.random.Generator) -> Iterator[Fold]:
    """A third of every group's cells at a time, among groups that are large enough."""
    large = [group for group in train if len(group.rows) >= 5 * CELL_FOLDS]
    if not large:
        return
    order = {id(group): draw.permutation(group.rows) for group in large}
    for fold in range(CELL_FOLDS):
        kept, aside = list(train), []
        for place, group in enumerate(train):
            if id(group) not in order:
                continue
            mixed = order[id(group)]
            out = np.arange(len(mixed)) % CELL_FOLDS == fold
            kept[place] = replace(group, rows=np.sort(mixed[~out]))
            aside.append(replace(group, rows=np.sort(mixed[out])))
        yield Fold(tuple(kept), tuple(aside))


def _combinations(train: tuple[Group, ...], draw: np.random.Generator) -> Iterator[Fold]:
    """A fifth of the combinations at a time."""
    labels = sorted({group.perturbation.label for group in train if len(group.perturbation.parts) > 1})
    yield from _by_label(train, labels, draw)


def _by_label(train: tuple[Group, ...], labels: list[str], draw: np.random.Generator) -> Iterator[Fold]:
    if len(labels) < 2:
        return
    mixed = [labels[place] for place in draw.permutation(len(labels))]
    for fold in range(min(FOLDS, len(labels))):
        out = set(mixed[fold::FOLDS])
        yield _split(train, lambda group, out=out: group.perturbation.label in out)  # type: ignore[misc]


def _genes(train: tuple[Group, ...], draw: np.random.Generator) -> Iterator[Fold]:
    """A fifth of the genes at a time, with everything that was done to them."""
    if any(group.perturbation.kind != "gene" for group in train):
        return  # nothing is known of a condition but its name, so one that was never measured is not asked for
    names = sorted({part for group in train for part in group.perturbation.parts})
    if len(names) < 4:
        return
    mixed = [names[place] for place in draw.permutation(len(names))]
    for fold in range(min(FOLDS, len(names))):
        out = set(mixed[fold::FOLDS])
        yield _split(train, lambda group, out=out: bool(out & set(group.perturbation.parts)))  # type: ignore[misc]


def _contexts(train: tuple[Group, ...], draw: np.random.Generator) -> Iterator[Fold]:
    """One context at a time where there are few perturbations, else a fifth of all pairs of both."""
    contexts = sorted({group.context for group in train})
    labels = {group.perturbation.label for group in train}
    if len(contexts) < 2:
        return
    if len(labels) < _FEW_LABELS:
        for name in [contexts[place] for place in draw.permutation(len(contexts))][:MOST_CONTEXT_FOLDS]:
            yield _split(train, lambda group, name=name: group.context == name)  # type: ignore[misc]
        return
    place = {id(group): number for number, group in enumerate(train)}
    mixed = draw.permutation(len(train))
    for fold in range(FOLDS):
        out = set(mixed[fold::FOLDS].tolist())
        yield _split(train, lambda group, out=out: place[id(group)] in out)  # type: ignore[misc]


def _split(train: tuple[Group, ...], is_out: Callable[[Group], bool]) -> Fold:
    return Fold(tuple(g for g in train if not is_out(g)), tuple(g for g in train if is_out(g)))
