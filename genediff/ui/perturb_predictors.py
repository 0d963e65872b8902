"""Who predicts on the Perturb page: a simple baseline, or a trained model; and how the data are divided for each."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import streamlit as st

from genediff.errors import InputError
from genediff.reproduction import PROGRAM
from genediff.ui import choices, explain, perturb_needs, perturb_task

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from genediff.data import Dataset
    from genediff.data.targets import Mode, Perturbation
    from genediff.perturbation import Predictor, Shift, Task
    from genediff.ui.perturb_question import Question

BEST = "best"


@dataclass(frozen=True)
class Source:
    """A baseline, by its name or the best one by validation cells."""

    name: str = BEST

    is_model: ClassVar[bool] = False

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
            return (
                "Some of its cells were learnt from; the measured cells that are shown are others of the same kind.",
            )
        return ()

    def title(self, task: Task, kind: str) -> str:
        """Return who predicts, in words."""
        return f"the baseline “{self.shift(task, kind).title}”"

    def network(self) -> tuple[pd.DataFrame, str] | None:
        """Return the edges of the predictor's own network and its title; None where it has none."""
        return None

    def command(self, question: Question) -> str:
        """Return the command that predicts the same in all cells."""
        task = question.task
        words = [self.shown_name(task, question.kind), "--data", task.dataset.info.id, "--scheme", task.config.scheme]
        if task.config.context is not None:
            words += ["--context", task.config.context]
        words += [word for one in task.config.hold_out for word in ("--hold-out", one)]
        return predict_command(words, question)

    def deltas(
        self, predictor: Predictor, asked: Sequence[Perturbation], contexts: np.ndarray
    ) -> list[np.ndarray | None]:
        """Return mean changes alone, without any cells, each context by its share; None where none can be had."""
        from genediff.perturbation import BaselinePredictor

        assert isinstance(predictor, BaselinePredictor)
        names, counts = np.unique(contexts, return_counts=True)
        return [
            np.average([predictor.shift.delta(one, str(name)) for name in names], axis=0, weights=counts)
            for one in asked
        ]

    def predictor(self, task: Task, kind: str) -> Predictor:
        """Return what predicts (fits baselines, so this may take a moment).

        Parameters
        ----------
        task
            What is learnt from.
        kind
            Which kind of prediction is asked for: which baseline is best depends on it.
        """
        from genediff.perturbation import BaselinePredictor

        return BaselinePredictor(self.shift(task, kind))

    def shift(self, task: Task, kind: str) -> Shift:
        """Return the baseline; the best one by validation cells where this kind can be judged."""
        shifts = perturb_task.shifts(task)
        if self.name != BEST:
            return shifts[self.name]
        judged = perturb_task.held_out(task.dataset, kind) if task.config.scheme != kind else task
        return shifts[perturb_task.best(judged or task)]

    def shown_name(self, task: Task, kind: str) -> str:
        """Return the name of the baseline that predicts."""
        return self.shift(task, kind).name

    def judged_on(self, question: Question) -> tuple[Task | None, bool]:
        """Return the data divided so that this kind of prediction can be judged, and whether this predictor can be."""
        seen = question.task.n_seen(question.perturbation)
        return perturb_task.held_out(question.task.dataset, question.kind, n_seen=min(seen, 2)), False

    def starts_at(self, question: Question) -> str:
        """Return the name of the baseline that a model is shown beside."""
        return BEST

    def doubts(self, question: Question) -> tuple[str, ...]:
        """Return what the predictor itself knows of how far to trust it, in sentences."""
        return ("**Seed spread:** none; a baseline draws no change at random.",)

    def settings(self) -> dict[str, Any]:
        """Return what makes the predictor again, as plain values."""
        return {"baseline": self.name}


def predict_command(words: Sequence[str], question: Question) -> str:
    """Return a line for the command line: who predicts, and what."""
    said = ["predict", *words, "-p", question.perturbation.label, "--seed", "0", "-o", "predicted"]
    return f"{PROGRAM} {shlex.join(said)}"


def choose_beside_data(dataset: Dataset) -> Source:
    """Draw the choice of cells and, beside it, of who predicts."""
    left, right = st.columns(2, gap="medium")
    with left:
        perturb_needs.dataset_picker(dataset.info.id)
    with right:
        return choose(dataset)


def choose(dataset: Dataset) -> Source:
    """Draw the choice of who predicts; the address holds it."""
    from genediff.perturbation import BASELINES
    from genediff.ui import perturb_model

    models = perturb_model.sources(dataset.info)
    titles = {
        **{one.info.id: f"Model: {one.info.title}" for one in models},
        BEST: "The best simple baseline",
        **{name: f"Baseline: {one.title}" for name, one in BASELINES.items()},
    }
    chosen = choices.select("Predicted by", titles, key="by", default=next(iter(titles)))
    if chosen in BASELINES:
        st.caption(explain.plain(BASELINES[chosen].sentence))
    found = next((one for one in models if one.info.id == chosen), None)
    return found or Source(chosen)


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
