"""Trained models of perturbations as predictors on the page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import streamlit as st

from genediff.errors import InputError
from genediff.ui import caching, explain, perturb_task
from genediff.ui.perturb_predictors import Source, predict_command

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from genediff.data import Dataset, DatasetInfo
    from genediff.data.targets import Mode, Perturbation
    from genediff.perturbation import Predictor, Task
    from genediff.response.info import ResponseInfo
    from genediff.response.model import ResponseModel
    from genediff.ui.perturb_question import Question

_FROM_SCHEME = {"cells": "cells", "unseen_single": "unseen_single", "doubles": "doubles", "context": "context",
                "batch": "context"}  # fmt: skip


@dataclass(frozen=True)
class ModelSource(Source):
    """A trained model, which reads and divides the data as it did at training."""

    info: Any = None
    is_model: ClassVar[bool] = True

    @property
    def key(self) -> tuple[Any, ...]:
        """What names it in a cache."""
        return ("response", self.info.id, self.info.created)

    def task(self, dataset: Dataset) -> Task:
        """Return the data as the model reads them."""
        return perturb_task.opened(dataset, **self.info.task)

    def divide(self, dataset: Dataset, base: Task, perturbation: Perturbation, group: str) -> tuple[Task, str]:
        """Return the data as they were divided at training, and which kind of prediction this is for the model."""
        if len(base.measured(perturbation, part="train")):
            context = group.removeprefix(f"{base.config.context}: ")
            there = context not in base.contexts or len(base.measured(perturbation, context, "train"))
            return base, "cells" if there else "context"
        if perturbation.kind == "condition":
            return base, "context"
        return base, "doubles" if len(perturbation.parts) > 1 else "unseen_single"

    def modes(self, task: Task) -> list[Mode]:
        """Return what can be done to genes: what the model saw done."""
        found = {group.perturbation.mode for group in task.part("train")}
        return sorted(found, key=lambda mode: (mode != task.config.mode, mode))

    def notes(self, task: Task, perturbation: Perturbation, kind: str) -> tuple[str, ...]:
        """Say at once what the model has not seen, and which genes are not in its network."""
        said = []
        trained, measured = len(task.measured(perturbation, part="train")), len(task.measured(perturbation))
        if trained and kind == "context":
            said.append("The model was trained on cells of this perturbation, but on none of this group.")
        elif trained:
            said.append("The model was trained on cells of this perturbation.")
        elif measured and not len(task.measured(perturbation, part="test")):
            said.append("It was measured; its cells had a say in how far the model leaves its baseline.")
        elif measured:
            said.append("It was measured, and the model never saw its cells: they can judge the prediction.")
        never = [gene for gene in perturbation.targets if gene not in task.seen_parts]
        if never and kind != "cells":
            said.append(f":orange[Never seen alone in training: {explain.plain(', '.join(never))}]")
        own = self.network()
        if own is not None:
            outside = [gene for gene in perturbation.targets if gene not in set(own[0]["source"])]
            if outside:
                said.append(f":orange[Not in the graph: {explain.plain(', '.join(outside))} acts on no gene there]")
        return tuple(said)

    def title(self, task: Task, kind: str) -> str:
        """Return who predicts, in words."""
        return f"the model “{self.info.title}”"

    def network(self) -> tuple[pd.DataFrame, str] | None:
        """Return the edges of the model's own network and its title; None where it has none."""
        if not self.info.network:
            return None
        return _network(str(self.info.folder), self.info.created), self.info.network

    def command(self, question: Question) -> str:
        """Return the command that predicts the same in all cells."""
        return predict_command([self.info.id], question)

    def deltas(
        self, predictor: Predictor, asked: Sequence[Perturbation], contexts: np.ndarray
    ) -> list[np.ndarray | None]:
        """Return mean changes alone, each context by its share; None for what the model cannot predict."""
        model: Any = predictor
        possible = [number for number, one in enumerate(asked) if _possible(model, one)]
        found: list[np.ndarray | None] = [None] * len(asked)
        if not possible:
            return found
        names, counts = np.unique(contexts, return_counts=True)
        parts = [model.deltas([asked[number] for number in possible], str(name)) for name in names]
        for number, delta in zip(possible, np.average(parts, axis=0, weights=counts), strict=True):
            found[number] = delta
        return found

    def predictor(self, task: Task, kind: str) -> Predictor:
        """Return the model, loaded once for all readers."""
        return _model(str(caching.workspace().root), self.info.id, self.info.created, task.dataset)

    def judged_on(self, question: Question) -> tuple[Task | None, bool]:
        """Return the model's own test part where that is of the kind asked for; else baselines alone are judged."""
        own = question.task
        if _FROM_SCHEME[own.config.scheme] == question.kind and own.part("test"):
            return own, True
        return super().judged_on(question)[0], False

    def starts_at(self, question: Question) -> str:
        """Return the baseline that the model starts from for most of these cells."""
        model: Any = self.predictor(question.task, question.kind)
        return str(model.baseline(question.perturbation, self._context(question)).name)

    def doubts(self, question: Question) -> tuple[str, ...]:
        """Return what the model itself knows: its ensemble's spread, what is open, what is alike, and its gate."""
        model: Any = self.predictor(question.task, question.kind)
        known = model.confidence(question.perturbation, self._context(question))
        size = "small" if known.spread < 0.2 else "considerable" if known.spread < 0.6 else "as large as the change"
        said = [
            f"**Spread:** {known.spread:.0%} of the size of the change over models fitted to resampled cells ({size}).",
            f"**Left open by training:** {known.doubt:.0%} of the effect's variance, by the model's own account.",
        ]
        if known.nearest:
            near = ", ".join(f"{explain.plain(name)} ({alike:.2f})" for name, alike in known.nearest)
            said.append(f"**Measured changes most like it:** {near}.")
        said += [explain.plain(one) for one in known.sentences]
        return tuple(said)

    def _context(self, question: Question) -> str:
        contexts, counts = np.unique(question.contexts[question.rows], return_counts=True)
        return str(contexts[counts.argmax()])

    def settings(self) -> dict[str, Any]:
        """Return what makes the model again, as plain values."""
        return {
            "model_of_perturbations": self.info.id,
            "title": self.info.title,
            "created": self.info.created,
            "config": self.info.config.model_dump(mode="json"),
            "task": self.info.task,
        }


def sources(dataset: DatasetInfo) -> list[ModelSource]:
    """Return the models that were trained on these cells: shipped ones, then the newest."""
    found: list[ResponseInfo] = caching.workspace().list_responses()
    return [ModelSource(info.id, info) for info in found if info.content_hash == dataset.content_hash]


def _possible(model: Any, perturbation: Perturbation) -> bool:
    try:
        model.items(perturbation)
    except InputError:
        return False
    return True


@st.cache_resource(max_entries=4, show_spinner=False)
def _model(home_folder: str, model_id: str, created: str, _dataset: Dataset) -> ResponseModel:
    from genediff.response.store import load_response

    return load_response(caching.workspace().response_folder(model_id), _dataset)


@st.cache_resource(max_entries=8, show_spinner=False)
def _network(folder: str, created: str) -> pd.DataFrame:
    from pathlib import Path

    from genediff.knowledge import Knowledge

    network = Knowledge.from_json((Path(folder) / "knowledge.json").read_text(encoding="utf-8")).network
    assert network is not None
    return network.edges
