"""Which perturbations are held out: whole perturbations or contexts go to one part, drawn by a seed."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from genediff.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from genediff.data.importing.perturbation_names import Perturbation
    from genediff.perturbation.task_config import TaskConfig

    Key = tuple[Perturbation, str]
    Assigned = tuple[Perturbation, str, str]

_FEW = 5


def assign_parts(keys: Sequence[Key], config: TaskConfig, notes: list[str]) -> list[Assigned]:
    """Give every group (perturbation, context) a part; what would tell of held-out ones is left out.

    Raises
    ------
    InputError
        When the scheme cannot be followed.
    """
    scheme: Callable[[Sequence[Key], TaskConfig, list[str]], list[Assigned]] = {
        "unseen_single": _unseen_single,
        "doubles": _doubles,
        "context": _contexts,
        "batch": _contexts,
    }[config.scheme]
    return scheme(keys, config, notes)


def _unseen_single(keys: Sequence[Key], config: TaskConfig, notes: list[str]) -> list[Assigned]:
    part_of = _hold_out_singles(keys, config)
    assigned: list[Assigned] = []
    left_out = 0
    for p, context in keys:
        parts = {part_of.get(name, "train") for name in p.parts}
        if len(p.parts) == 1:
            assigned.append((p, context, parts.pop()))
        elif parts == {"train"}:
            assigned.append((p, context, "train"))
        else:
            left_out += 1
    if left_out:
        notes.append(f"{left_out} combinations with a held-out gene are left out, since they would tell of it.")
    return assigned


def _doubles(keys: Sequence[Key], config: TaskConfig, notes: list[str]) -> list[Assigned]:
    doubles = sorted({p.label for p, _ in keys if len(p.parts) == 2})
    if len(doubles) < 3:
        raise InputError(f"There are {len(doubles)} pairs; three are the least for training, validation and test.")
    if config.n_seen == 2:
        part_of = _draw(doubles, config)
        alone = {p.parts[0] for p, _ in keys if len(p.parts) == 1}
        assigned = [(p, context, part_of.get(p.label, "train")) for p, context in keys]
        kept = [(p, context, part) for p, context, part in assigned if part == "train" or set(p.parts) <= alone]
        if len(kept) < len(assigned):
            notes.append(
                f"{len(assigned) - len(kept)} held-out pairs are left out: a gene of theirs was not measured alone."
            )
        return kept
    held = _hold_out_singles(keys, config)
    assigned = []
    left_out = 0
    for p, context in keys:
        parts = [held.get(name, "train") for name in p.parts]
        unseen = {part for part in parts if part != "train"}
        if not unseen:
            assigned.append((p, context, "train"))
        elif len(p.parts) == 2 and len(unseen) == 1 and parts.count("train") == config.n_seen:
            assigned.append((p, context, unseen.pop()))
        else:
            left_out += 1
    notes.append(
        f"{left_out} perturbations that hold-out genes are in, but not {config.n_seen} seen ones, are left out."
    )
    return assigned


def _contexts(keys: Sequence[Key], config: TaskConfig, notes: list[str]) -> list[Assigned]:
    contexts = sorted({context for _, context in keys})
    word = "batches" if config.scheme == "batch" else "contexts"
    if len(contexts) < 3:
        raise InputError(
            f"Only {len(contexts)} {word} hold perturbed cells beside enough controls; three are the least for "
            "training, validation and test."
        )
    labels = sorted({p.label for p, _ in keys})
    if config.hold_out or config.scheme == "batch" or len(labels) < _FEW:
        part_of = _draw(contexts, config)
        return [(p, context, part_of[context]) for p, context in keys]
    draw = np.random.default_rng([config.seed, 11])
    whole = sorted(product({p.label for p, _ in keys}, contexts))
    present = {(p.label, context) for p, context in keys}
    order = [whole[place] for place in draw.permutation(len(whole)) if whole[place] in present]
    n_held = max(1, round(config.share * len(order)))
    left = {label: sum(one == label for one, _ in order) for label in labels}
    chosen: dict[tuple[str, str], str] = {}
    for label, context in order:
        if len(chosen) < 2 * n_held and left[label] > 1:  # every perturbation stays in training somewhere
            chosen[label, context] = "test" if len(chosen) % 2 == 0 else "validation"
            left[label] -= 1
    notes.append(f"Perturbations are held out in some {word} and stay in training in at least one other.")
    return [(p, context, chosen.get((p.label, context), "train")) for p, context in keys]


def _hold_out_singles(keys: Sequence[Key], config: TaskConfig) -> dict[str, str]:
    singles = sorted({p.parts[0] for p, _ in keys if len(p.parts) == 1})
    if len(singles) < 3:
        raise InputError(
            f"There are {len(singles)} single perturbations; three are the least for training, validation and test."
        )
    return _draw(singles, config)


def _draw(names: Sequence[str], config: TaskConfig) -> dict[str, str]:
    """Return the part of each name: the named ones are test, the rest is drawn."""
    if unknown := sorted(set(config.hold_out) - set(names)):
        raise InputError(f"{unknown[0]!r} cannot be held out; known: {', '.join(names)}.")
    n_held = max(1, round(config.share * len(names)))
    shuffled = [names[place] for place in np.random.default_rng([config.seed, 7]).permutation(len(names))]
    test = list(config.hold_out) or shuffled[:n_held]
    rest = [name for name in shuffled if name not in test]
    if len(rest) < 2:
        raise InputError("With these held out nothing is left to train on and to validate by.")
    validation = rest[: min(n_held, len(rest) - 1)]
    return {name: "test" if name in test else "validation" if name in validation else "train" for name in names}
