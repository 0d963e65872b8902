"""What is held out stays out, in every scheme."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from genediff.core.errors import InputError
from genediff.perturbation import ALL_CELLS, Task

if TYPE_CHECKING:
    from genediff.data.cells.dataset import Dataset

SCHEMES = (
    {"scheme": "cells"},
    {"scheme": "cells", "context": "cell_type"},
    {"scheme": "unseen_single"},
    {"scheme": "doubles"},
    {"scheme": "doubles", "n_seen": 1},
    {"scheme": "context", "context": "cell_type"},
    {"scheme": "batch", "context": "batch"},
)


@pytest.mark.parametrize("choices", SCHEMES, ids=lambda c: "-".join(map(str, c.values())))
def test_no_cell_is_in_two_parts_and_the_seed_decides(screen: Dataset, choices: dict[str, object]) -> None:
    task = Task.of(screen, **choices, share=0.3)
    parts = [set(task.rows(part)) for part in ("train", "validation", "test")]
    assert all(parts)
    assert not parts[0] & parts[1] and not parts[0] & parts[2] and not parts[1] & parts[2]
    labels = screen.obs["perturbation"].astype(str).to_numpy()
    for group in task.groups:
        assert {"+".join(sorted(name.split("+"))) for name in set(labels[group.rows])} == {group.perturbation.label}
    again = Task.of(screen, task.config)
    assert [(g.name, g.part) for g in again.groups] == [(g.name, g.part) for g in task.groups]


def test_unseen_singles_are_in_nothing_that_is_trained_on(screen: Dataset) -> None:
    task = Task.of(screen, scheme="unseen_single")
    trained = {name for group in task.part("train") for name in group.perturbation.parts}
    held = {group.perturbation.parts[0] for group in (*task.part("test"), *task.part("validation"))}
    assert held and not held & trained
    assert all(task.n_seen(group.perturbation) == 0 for group in task.part("test"))


@pytest.mark.parametrize("n_seen", [1, 2])
def test_doubles_by_how_many_singles_were_seen(screen: Dataset, n_seen: int) -> None:
    task = Task.of(screen, scheme="doubles", n_seen=n_seen, share=0.3)
    assert {task.n_seen(group.perturbation) for group in task.part("test")} == {n_seen}
    trained = {group.perturbation.label for group in task.part("train")}
    assert not trained & {group.perturbation.label for group in task.part("test")}


def test_named_contexts_are_held_out_whole(screen: Dataset) -> None:
    held = sorted(screen.obs["cell_type"].astype(str).unique())[0]
    task = Task.of(screen, scheme="context", context="cell_type", hold_out=(held,))
    assert {group.context for group in task.part("test")} == {held}
    assert held not in {group.context for group in task.part("train")}
    # All of its controls that are not trained on judge it.
    own = (
        (screen.obs["cell_type"] == held) & (screen.obs["perturbation"] == "control") & (screen.obs["split"] != "train")
    )
    assert len(task.control_rows("test", held)) == own.sum()


def test_held_out_combinations_leave_every_perturbation_in_training(screen: Dataset) -> None:
    task = Task.of(screen, scheme="context", context="cell_type")
    trained = {group.perturbation.label for group in task.part("train")}
    assert trained == {group.perturbation.label for group in task.groups}


def test_changes_are_differences_of_means(screen: Dataset) -> None:
    task = Task.of(screen)
    number = next(n for n, group in enumerate(task.part("train")) if len(group.perturbation.targets) == 1)
    group = task.part("train")[number]
    x, labels = screen.x().toarray(), screen.obs["perturbation"].astype(str).to_numpy()
    part = screen.obs["split"].to_numpy() == "train"
    expected = x[part & (labels == group.perturbation.label)].mean(0) - x[part & (labels == "control")].mean(0)
    np.testing.assert_allclose(task.train_deltas[number], expected, atol=1e-5)
    assert task.contexts == (ALL_CELLS,)


def test_what_a_user_types_is_read_as_the_column_is(screen: Dataset) -> None:
    task = Task.of(screen)
    one, other = task.perturbations[0].targets[0], task.perturbations[-1].targets[0]
    assert task.perturbation(f"{other}+{one}") == task.perturbation([one, other])
    assert task.measured(task.perturbation(one)).size > 0


def test_what_cannot_be_done_is_said(screen: Dataset) -> None:
    for choices, words in (
        ({"control": "nothing"}, "has no level 'nothing'"),
        ({"column": "guide"}, "has no obs column 'guide'"),
        ({"scheme": "context"}, "name its obs column"),
        ({"context": "perturbation"}, "both the perturbation and the context"),
        ({"scheme": "unseen_single", "hold_out": ("Nobody",)}, "cannot be held out"),
        ({"min_cells": 5000}, "too few control cells"),
    ):
        with pytest.raises(InputError, match=words):
            Task.of(screen, **choices)
