"""Who predicts on the Perturb page: a simple baseline, or a trained model; and how the data are divided for each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import streamlit as st

from genediff.errors import InputError
from genediff.ui import choices, explain, perturb_task

if TYPE_CHECKING:
    from genediff.data import Dataset
    from genediff.data.targets import Mode, Perturbation
    from genediff.perturbation import Predictor, Shift, Task

BEST = "best"


@dataclass(frozen=True)
class Source:
    """A baseline, by its name or the best one by validation cells."""

    name: str = BEST

    is_model = False

    @property
    def key(self) -> tuple[Any, ...]:
        """What names it in a cache."""
        return ("baseline", self.name)

    def task(self, dataset: Dataset) -> Task:
        """Return the data as this predictor reads them, before anything is asked."""
        return perturb_task.usual(dataset)

    def divide(self, dataset: Dataset, base: Task, perturbation: Perturbation, group: str) -> tuple[Task, str]:
        """Divide the data so that what is asked is held out where it was measured: (task, kind of prediction)."""
        return divide(dataset, base, perturbation, group)

    def modes(self, task: Task) -> list[Mode]:
        """Return what can be done to genes: what was done to some of them in the data."""
        found = [p.mode for p in task.perturbations if p.kind == "gene"]
        return sorted(set(found), key=lambda mode: (mode != task.config.mode, mode)) or [task.config.mode]

    def notes(self, task: Task, perturbation: Perturbation, kind: str) -> tuple[str, ...]:
        """Say what was done with the measured cells of what is asked."""
        measured = task.measured(perturbation)
        if len(measured) and not len(task.measured(perturbation, part="train")):
            return ("It was measured, and is held out here: nothing was learnt from its cells, so they can judge.",)
        if len(measured):
            return ("Some of its cells were learnt from; the measured cells that are shown are others of the same kind.",)
        return ()

    def predictor(self, task: Task) -> Predictor:
        """Return what predicts (fits baselines, so this may take a moment)."""
        from genediff.perturbation import BaselinePredictor

        return BaselinePredictor(self.shift(task))

    def shift(self, task: Task) -> Shift:
        """Return the baseline."""
        from genediff.perturbation import best_baseline, fit_baselines

        shifts = fit_baselines(task)
        return best_baseline(task, shifts) if self.name == BEST else shifts[self.name]


def choose(dataset: Dataset) -> Source:
    """Draw the choice of who predicts; the address holds it."""
    from genediff.perturbation import BASELINES

    titles = {BEST: "The best simple baseline", **{name: f"Baseline: {one.title}" for name, one in BASELINES.items()}}
    chosen = choices.select("Predicted by", titles, key="by", default=BEST)
    if chosen != BEST:
        st.caption(explain.plain(BASELINES[chosen].sentence))
    return Source(chosen)


def divide(dataset: Dataset, base: Task, perturbation: Perturbation, group: str) -> tuple[Task, str]:
    """Divide the data so that what is asked is held out where it was measured: (task, kind of prediction).

    What was never measured is predicted from everything that was. Where holding out leaves too little to learn from,
    other cells of the same perturbation are held out instead.
    """
    kind = perturb_task.asked_of(base, perturbation)
    if not len(base.measured(perturbation)):
        return base, kind
    if perturbation.kind == "condition":
        context = group.removeprefix(f"{base.config.context}: ")
        if context in base.contexts:
            found = _or_none(dataset, scheme="context", hold_out=(context,))
            return (found, "context") if found is not None else (base, "cells")
        return base, "cells"
    if len(perturbation.parts) > 1:
        seen = base.n_seen(perturbation)
        found = _or_none(dataset, scheme="doubles", n_seen=2, hold_out=(perturbation.label,)) if seen == 2 else None
        return (found, "doubles") if found is not None and len(found.measured(perturbation)) else (base, "cells")
    found = _or_none(dataset, scheme="unseen_single", hold_out=perturbation.parts)
    return (found, "unseen_single") if found is not None else (base, "cells")


def _or_none(dataset: Dataset, **choices_: Any) -> Task | None:
    try:
        return perturb_task.usual(dataset, **choices_)
    except InputError:
        return None
