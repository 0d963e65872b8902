"""What training cells say: the mean change that each perturbation made in each context."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from genediff.perturbation.model.model_kinds import Items, Kind, items_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from genediff.perturbation import Task


@dataclass(frozen=True, eq=False)
class Effects:
    """Mean changes against the controls of the same context, in log-normalised expression.

    Attributes
    ----------
    genes
        Names of the genes, in order.
    items, contexts
        What was done, and in which context (a cell type, a donor, "" where there is one only), by entry.
    weight
        How many cells an entry's noise is worth: 1 / (1 / perturbed + 1 / controls), (entry,).
    change
        (entry, gene).
    control
        Mean of each context's controls, (gene,).
    """

    genes: tuple[str, ...]
    items: tuple[Items, ...]
    contexts: tuple[str, ...]
    weight: np.ndarray
    change: np.ndarray
    control: dict[str, np.ndarray]

    def __len__(self) -> int:
        return len(self.items)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Every gene or condition that was acted on, sorted."""
        return tuple(sorted({name for items in self.items for name in items}))

    def find(self, items: Items, context: str) -> int | None:
        """Return the place of an entry, or None."""
        return self._places.get((items, context))

    def elsewhere(self, items: Items, context: str) -> list[int]:
        """Return the places of the same perturbation in other contexts."""
        return [place for place in self._by_items.get(items, ()) if self.contexts[place] != context]

    def has_single(self, name: str) -> bool:
        """Whether a gene or condition was measured alone, in any context."""
        return (name,) in self._by_items

    def subset(self, places: Iterable[int] | np.ndarray) -> Effects:
        """Return some of the entries."""
        kept = [int(place) for place in places]
        return replace(
            self,
            items=tuple(self.items[i] for i in kept),
            contexts=tuple(self.contexts[i] for i in kept),
            weight=self.weight[kept],
            change=self.change[kept],
        )

    @cached_property
    def _places(self) -> dict[tuple[Items, str], int]:
        return {key: place for place, key in enumerate(zip(self.items, self.contexts, strict=True))}

    @cached_property
    def _by_items(self) -> dict[Items, list[int]]:
        found: dict[Items, list[int]] = {}
        for place, items in enumerate(self.items):
            found.setdefault(items, []).append(place)
        return found


def effects_of(task: Task) -> Effects:
    """Return what the training part of a task measured."""
    groups = task.part("train")
    contexts = {group.context for group in groups} | set(task.contexts)
    n_control = {context: len(task.control_rows("train", context)) for context in contexts}
    return Effects(
        genes=tuple(task.genes),
        items=tuple(items_of(group.perturbation, task.config.mode) for group in groups),
        contexts=tuple(group.context for group in groups),
        weight=np.array([1 / (1 / len(group.rows) + 1 / n_control[group.context]) for group in groups]),
        change=task.train_deltas,
        control={context: task.control_mean("train", context) for context in sorted(contexts)},
    )


def kind_of(effects: Effects, items: Items, context: str) -> Kind:
    """Say how far a perturbation in a context is from what these effects were measured of."""
    if effects.find(items, context) is not None:
        return "seen"
    if effects.elsewhere(items, context):
        return "context"
    if len(items) < 2:
        return "single"
    unseen = sum(not effects.has_single(name) for name in items)
    return "double_2" if unseen == 0 else "double_1" if unseen == 1 else "double_0"
