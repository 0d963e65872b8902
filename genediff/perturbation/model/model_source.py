"""Trained models of perturbations as the source of predictions."""

from __future__ import annotations

from collections.abc import Callable  # noqa: TC003  a dataclass field
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from genediff.knowledge import Knowledge
from genediff.models.response_info import ResponseInfo  # noqa: TC001  a dataclass field
from genediff.perturbation.model.response_model import ResponseModel  # noqa: TC001  a dataclass field
from genediff.perturbation.question import BaselineSource, Note
from genediff.perturbation.screen_reader import ScreenReader  # noqa: TC001  a dataclass field

if TYPE_CHECKING:
    import pandas as pd

    from genediff.data import Dataset
    from genediff.data.importing.perturbation_names import Mode, Perturbation
    from genediff.perturbation.question import Question
    from genediff.perturbation.task import Task

KNOWLEDGE_FILE = "knowledge.json"
PLANTED = "planted"
PLANTED_NETWORK = (
    "These cells are simulated, and the model is given the very network they were simulated from: its advantage says "
    "nothing of real cells, where no network is known to be right."
)
_OF_SCHEME = {"batch": "context"}


@dataclass(frozen=True)
class ModelSource:
    """A trained model, which reads and divides the data as it did at training.

    Parameters
    ----------
    info
        Of the model.
    reader
        Where data sets are divided.
    load
        Opens the model beside its data set.
    """

    info: ResponseInfo
    reader: ScreenReader
    load: Callable[[ResponseInfo, Dataset], ResponseModel]

    is_model: ClassVar[bool] = True

    @property
    def key(self) -> tuple[Any, ...]:
        """What names it in a cache."""
        return ("response", self.info.id, self.info.created)

    def task(self, dataset: Dataset) -> Task:
        """Return the data as the model reads them."""
        return self.reader.opened(dataset, **self.info.task)

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
        """Return what the model saw done."""
        found = {group.perturbation.mode for group in task.part("train")}
        return sorted(found, key=lambda mode: (mode != task.config.mode, mode))

    def notes(self, task: Task, perturbation: Perturbation, kind: str) -> tuple[Note, ...]:
        """Say what the model has not seen, and which genes are not in its network."""
        notes = []
        trained, measured = len(task.measured(perturbation, part="train")), len(task.measured(perturbation))
        if trained and kind == "context":
            notes.append(Note("In the training set in other groups of cells, not in this one."))
        elif trained:
            notes.append(Note("In the training set of the model."))
        elif measured and not len(task.measured(perturbation, part="test")):
            notes.append(Note("In the validation set of the model: its cells decided how far it leaves the baseline."))
        elif measured:
            notes.append(Note("In the test set of the model: measured, and never seen by it."))
        if self.info.config.network == PLANTED:
            notes.append(Note(PLANTED_NETWORK, caution=True))
        never = [gene for gene in perturbation.targets if gene not in task.seen_parts]
        if never and kind != "cells":
            notes.append(Note(f"Never perturbed alone in training: {', '.join(never)}", caution=True))
        own = self.network()
        outside = [gene for gene in perturbation.targets if gene not in set(own[0]["source"])] if own else []
        if outside:
            notes.append(Note(f"Without targets in the model's network: {', '.join(outside)}", caution=True))
        return tuple(notes)

    def title(self, task: Task, kind: str) -> str:
        """Return the model's title, in words."""
        return f"the model “{self.info.title}”"

    def network(self) -> tuple[pd.DataFrame, str] | None:
        """Return the edges of the model's own network and its title; None where it has none."""
        if not self.info.network:
            return None
        network = Knowledge.from_json((self.info.folder / KNOWLEDGE_FILE).read_text(encoding="utf-8")).network
        assert network is not None
        return network.edges, self.info.network

    def command_words(self, question: Question) -> list[str]:
        """Return the model's id; it brings its data set."""
        return [self.info.id]

    def predictor(self, task: Task, kind: str) -> ResponseModel:
        """Return the model."""
        return self.load(self.info, task.dataset)

    def judged_on(self, question: Question) -> tuple[Task | None, bool]:
        """Return the model's own test part where that is of the kind asked for; else baselines alone are judged."""
        own = question.task
        if _OF_SCHEME.get(own.config.scheme, own.config.scheme) == question.kind and own.part("test"):
            return own, True
        return BaselineSource(self.reader).judged_on(question)

    def starts_at(self, question: Question) -> str:
        """Return the baseline that the model starts from for most of these cells."""
        model = self.predictor(question.task, question.kind)
        return model.baseline(question.perturbation, question.main_context).name

    def uncertainty(self, question: Question) -> tuple[str, ...]:
        """Return the ensemble's spread, what training leaves open, the nearest changes, and the shrinkage."""
        model = self.predictor(question.task, question.kind)
        return model.confidence(question.perturbation, question.main_context).sentences

    def settings(self) -> dict[str, Any]:
        """Return what makes the model again, as plain values."""
        return {
            "model_of_perturbations": self.info.id,
            "title": self.info.title,
            "created": self.info.created,
            "config": self.info.config.model_dump(mode="json"),
            "task": self.info.task,
        }
