"""A task whose means are remembered, resampled, and divided again: what fitting and leaving out have in common."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING

import numpy as np

from genediff.perturbation.screen_cells import mean_of_rows
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
            self.known[key] = mean_of_rows(self.x, rows)
        return self.known[key]

    def training_on(self, groups: Iterable[Group]) -> MeasuredTask:
        """Return the task with these groups as its training part, and no others."""
        return replace(self, groups=tuple(groups))

    def split_controls(self, seed: int) -> tuple[MeasuredTask, MeasuredTask]:
        """Return the task for fitting and for judging, each with its own part of the training controls.

        Left-out perturbations that are measured against the controls that the fitted ones are measured against share
        their noise, which then looks like a prediction. As many are set aside as the test part has.
        """
        draw = np.random.default_rng([seed, 37])
        fit, aside = dict(self.controls), dict(self.controls)
        for context in sorted({context for context, part in self.controls if part == "train"}):
            rows = draw.permutation(self.controls[context, "train"])
            n = min(len(rows) // 2, max(len(self.controls.get((context, "test"), rows[:0])), self.config.min_cells))
            fit[context, "train"], aside[context, "train"] = np.sort(rows[n:]), np.sort(rows[:n])
        return replace(self, controls=fit), replace(self, controls=aside)

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
