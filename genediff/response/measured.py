"""A task whose means are remembered, resampled, and divided again: what fitting and leaving out have in common."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING

import numpy as np

from genediff.perturbation.task import Task

if TYPE_CHECKING:
    from collections.abc import Iterable

    from genediff.perturbation import Group


@dataclass(frozen=True, eq=False)
class MeasuredTask(Task):
    """A task that averages the same cells once, whatever part of it is asked."""

    known: dict[bytes, np.ndarray] = field(default_factory=dict)

    def mean(self, rows: np.ndarray) -> np.ndarray:
        """Return the mean x of some cells, (gene,) float64."""
        key = np.asarray(rows, dtype=np.int64).tobytes()
        if key not in self.known:
            self.known[key] = super().mean(rows)
        return self.known[key]

    def training_on(self, groups: Iterable[Group]) -> MeasuredTask:
        """Return the task with these groups as its training part, and no others."""
        return replace(self, groups=tuple(groups))

    def resampled(self, seed: int) -> MeasuredTask:
        """Return the task with the cells of every training group, and the controls, drawn again with replacement."""
        draw = np.random.default_rng([seed, 31])

        def again(rows: np.ndarray) -> np.ndarray:
            return np.sort(draw.choice(rows, len(rows)))

        groups = tuple(replace(group, rows=again(group.rows)) for group in self.part("train"))
        controls = {
            (context, part): again(rows) if part == "train" else rows
            for (context, part), rows in sorted(self.controls.items())
        }
        return replace(self, groups=groups, controls=controls)


def measured(task: Task) -> MeasuredTask:
    """Return a task that remembers its means."""
    return MeasuredTask(**{one.name: getattr(task, one.name) for one in fields(Task)})
