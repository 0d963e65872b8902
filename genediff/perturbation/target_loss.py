"""How much of its own expression a knocked-out gene loses, as the screen measured it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from genediff.data.importing.perturbation_names import Perturbation
    from genediff.perturbation.task import Task

LOWERING = ("knock_out", "knock_down")
FEWEST_TARGETS = 3
"""Measured targets without which no efficiency is estimated."""


@dataclass(frozen=True, eq=False)
class TargetLoss:
    """Sets the change of knocked-out genes themselves, which no baseline and no regression over other genes knows.

    Parameters
    ----------
    task
        Learnt from its training part alone.
    """

    task: Task

    @cached_property
    def measured(self) -> dict[tuple[str, str, str], float]:
        """Change of each gene by its own single perturbation, by gene, mode and context, in log-normalised units."""
        train = zip(self.task.part("train"), self.task.train_deltas, strict=True)
        found: dict[tuple[str, str, str], float] = {}
        for group, delta in train:
            one = group.perturbation
            if one.mode in LOWERING and len(one.targets) == 1 and one.targets[0] in self._places:
                found[one.targets[0], one.mode, group.context] = float(delta[self._places[one.targets[0]]])
        return found

    @cached_property
    def efficiency(self) -> dict[str, float]:
        """Share of its expression that a target loses, by mode, 0 to 1: lost over all targets / expressed before."""
        found = {}
        for mode in LOWERING:
            own = {key: change for key, change in self.measured.items() if key[1] == mode}
            level = sum(self._level(gene, context) for gene, _, context in own)
            if len({gene for gene, _, _ in own}) >= FEWEST_TARGETS and level > 0:
                found[mode] = float(np.clip(-sum(own.values()) / level, 0, 1))
        return found

    def apply(self, delta: np.ndarray, perturbation: Perturbation, context: str) -> np.ndarray:
        """Return a predicted change (gene,) in which the targets change as they did when they were measured alone.

        A target that was not measured alone loses the share of its expression that the screen's targets lose; with too
        few measured targets, and for other modes than knock-out and knock-down, the prediction stays.
        """
        if perturbation.kind != "gene" or perturbation.mode not in LOWERING:
            return delta
        found = delta.copy()
        for gene in perturbation.targets:
            if gene not in self._places:
                continue
            own = self.measured.get((gene, perturbation.mode, context))
            if own is None and perturbation.mode in self.efficiency:
                own = -self.efficiency[perturbation.mode] * self._level(gene, context)
            if own is not None:
                found[self._places[gene]] = own
        return found

    def _level(self, gene: str, context: str) -> float:
        return float(self.task.control_mean("train", context)[self._places[gene]])

    @cached_property
    def _places(self) -> dict[str, int]:
        return {gene: place for place, gene in enumerate(self.task.genes)}


def without_targets(task: Task, perturbation: Perturbation) -> np.ndarray:
    """Return which genes count when a prediction is scored, (gene,) of bool: all but those that are perturbed."""
    return ~np.isin(np.array(task.genes), perturbation.targets)
