"""What is asked: what is done, to which control cells of which data, and of which predictor."""

from __future__ import annotations

import hashlib
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np

from genediff.core.errors import InputError
from genediff.perturbation.perturbation_baselines import BaselinePredictor
from genediff.perturbation.screen_reader import task_key
from genediff.perturbation.task_config import ALL_CELLS

if TYPE_CHECKING:
    import pandas as pd

    from genediff.data import Dataset
    from genediff.data.importing.perturbation_names import Mode, Perturbation
    from genediff.perturbation.perturbation_baselines import Shift
    from genediff.perturbation.prediction import Predictor
    from genediff.perturbation.screen_reader import ScreenReader
    from genediff.perturbation.task import Task

FEWEST_CONTROLS = 8
BEST = "best"


@dataclass(frozen=True)
class Note:
    """A sentence that a reader should know before the result; ``caution`` where it limits what can be believed."""

    text: str
    caution: bool = False


class Source(Protocol):
    """Who predicts: how it reads the data, and what it knows of itself."""

    is_model: ClassVar[bool]

    @property
    def key(self) -> tuple[Any, ...]:
        """What names it in a cache."""
        ...

    def task(self, dataset: Dataset) -> Task:
        """Return the data as this predictor reads them, before anything is asked."""
        ...

    def divide(self, dataset: Dataset, base: Task, perturbation: Perturbation, group: str) -> tuple[Task, str]:
        """Return the data divided for a question, and the kind of prediction that it is."""
        ...

    def modes(self, task: Task) -> list[Mode]:
        """Return what can be done to genes, the usual first."""
        ...

    def notes(self, task: Task, perturbation: Perturbation, kind: str) -> tuple[Note, ...]:
        """Say what of the question was learnt from."""
        ...

    def title(self, task: Task, kind: str) -> str:
        """Return who predicts, in words."""
        ...

    def network(self) -> tuple[pd.DataFrame, str] | None:
        """Return the edges of the predictor's own network and its title; None where it has none."""
        ...

    def command_words(self, question: Question) -> list[str]:
        """Return the arguments of ``predict`` that name the predictor and the data."""
        ...

    def predictor(self, task: Task, kind: str) -> Predictor:
        """Return what predicts; which baseline is best depends on the kind of prediction."""
        ...

    def judged_on(self, question: Question) -> tuple[Task | None, bool]:
        """Return the data divided so that this kind of prediction can be judged, and whether this predictor can be."""
        ...

    def starts_at(self, question: Question) -> str:
        """Return the name of the baseline that a model is shown beside."""
        ...

    def uncertainty(self, question: Question) -> tuple[str, ...]:
        """Return what the predictor itself knows of how far to trust it, in sentences."""
        ...

    def settings(self) -> dict[str, Any]:
        """Return what makes the predictor again, as plain values."""
        ...


@dataclass(frozen=True, eq=False)
class Question:
    """One question.

    Attributes
    ----------
    task
        The data, read and divided so that what is asked is held out where it was measured.
    perturbation
        What is done.
    kind
        Which kind of prediction that is: a scheme of ``SCHEMES``.
    source
        Who predicts.
    rows
        Row numbers of the control cells that it is done to.
    group
        What these cells are called.
    members
        Which cells of the data set are in that group, (cell,) of bool.
    n_cells
        How many cells are predicted.
    notes
        What the reader should know before the result.
    """

    task: Task
    perturbation: Perturbation
    kind: str
    source: Source
    rows: np.ndarray
    group: str
    members: np.ndarray
    n_cells: int
    notes: tuple[Note, ...] = ()

    @property
    def key(self) -> tuple[Any, ...]:
        """What names it in a cache."""
        p = self.perturbation
        return task_key(self.task), self.source.key, p.label, p.mode, self.group, row_hash(self.rows), self.n_cells

    @property
    def contexts(self) -> np.ndarray:
        """The context of each cell of the data set, (cell,) of str."""
        return contexts_of(self.task)

    @property
    def main_context(self) -> str:
        """The context of most of the control cells."""
        contexts, counts = np.unique(self.contexts[self.rows], return_counts=True)
        return str(contexts[counts.argmax()])

    def measured(self, *parts: Any) -> np.ndarray:
        """Return row numbers of the measured cells in the group: in the first of the parts that has two of them."""
        for part in parts or (None,):
            rows = self.task.measured(self.perturbation, part=part)
            rows = rows[self.members[rows]]
            if len(rows) >= 2:
                return rows
        return np.zeros(0, dtype=np.int64)

    @property
    def arguments(self) -> str:
        """The arguments of ``predict`` on the command line that predict the same in all cells."""
        words = ["predict", *self.source.command_words(self), "-p", self.perturbation.label, "--seed", "0"]
        return shlex.join([*words, "-o", "predicted"])


@dataclass(frozen=True)
class BaselineSource:
    """A baseline, by its name or the best one by validation cells."""

    reader: ScreenReader
    name: str = BEST

    is_model: ClassVar[bool] = False

    @property
    def key(self) -> tuple[Any, ...]:
        """What names it in a cache."""
        return ("baseline", self.name)

    def task(self, dataset: Dataset) -> Task:
        """Return the data with cell types as contexts."""
        return self.reader.usual(dataset)

    def divide(self, dataset: Dataset, base: Task, perturbation: Perturbation, group: str) -> tuple[Task, str]:
        """Hold out what is asked where it was measured."""
        return self.reader.divided_for(dataset, base, perturbation, group)

    def modes(self, task: Task) -> list[Mode]:
        """Return what was done to some of the genes in the data."""
        found = {p.mode for p in task.perturbations if p.kind == "gene"} or {task.config.mode}
        return sorted(found, key=lambda mode: (mode != task.config.mode, mode))

    def notes(self, task: Task, perturbation: Perturbation, kind: str) -> tuple[Note, ...]:
        """Say what was done with the measured cells of what is asked."""
        if not len(task.measured(perturbation)):
            return ()
        if kind == "context":
            held = " and ".join(task.config.hold_out)
            return (Note(f"Measured in {held} and held out there: what it does was learnt from other cells alone, so "
                         f"measured {held} can judge the prediction."),)  # fmt: skip
        if len(task.measured(perturbation, part="train")):
            return (Note("Measured; some of its cells were learnt from, the ones shown were held out."),)
        return (Note("Measured and held out here: no cell of it was learnt from, so they can judge the prediction."),)

    def title(self, task: Task, kind: str) -> str:
        """Return which baseline, in words."""
        return f"the baseline “{self.shift(task, kind).title}”"

    def network(self) -> tuple[pd.DataFrame, str] | None:
        """Baselines have no network."""
        return None

    def command_words(self, question: Question) -> list[str]:
        """Return the baseline, the data set and how it is divided."""
        config = question.task.config
        words = [self.shift(question.task, question.kind).name, "--data", question.task.dataset.info.id]
        words += ["--scheme", config.scheme, *(("--context", config.context) if config.context is not None else ())]
        return words + [word for one in config.hold_out for word in ("--hold-out", one)]

    def predictor(self, task: Task, kind: str) -> Predictor:
        """Return the fitted baseline."""
        return BaselinePredictor(self.shift(task, kind))

    def shift(self, task: Task, kind: str) -> Shift:
        """Return the baseline; the best one by validation cells where this kind can be judged."""
        shifts = self.reader.shifts(task)
        if self.name != BEST:
            return shifts[self.name]
        judged = self.reader.held_out(task.dataset, kind) if task.config.scheme != kind else task
        return shifts[self.reader.best(judged or task)]

    def judged_on(self, question: Question) -> tuple[Task | None, bool]:
        """Return the data with perturbations of this kind held out; baselines are all judged there."""
        seen = min(question.task.n_seen(question.perturbation), 2)
        return self.reader.held_out(question.task.dataset, question.kind, n_seen=seen), False

    def starts_at(self, question: Question) -> str:
        """Return the name of the best baseline."""
        return BEST

    def uncertainty(self, question: Question) -> tuple[str, ...]:
        """A baseline draws no change at random and gives no interval."""
        return ()

    def settings(self) -> dict[str, Any]:
        """Return the baseline's name."""
        return {"baseline": self.name}


def contexts_of(task: Task) -> np.ndarray:
    """Return the context of each cell of the data set, (cell,) of str."""
    column = task.config.context
    if column is None:
        return np.full(task.dataset.info.n_cells, ALL_CELLS, dtype=object)
    return task.dataset.obs[column].astype(str).to_numpy(dtype=object)


def n_measured(task: Task, label: str) -> int:
    """Return how many cells of the data have a perturbation, in groups of any size."""
    counts = task.dataset.obs[task.config.column].value_counts()
    counts.index = counts.index.astype(str)
    return int(sum(counts.get(level, 0) for level, one in task.levels.of.items() if one.label == label))


def controls_of(task: Task, members: np.ndarray) -> tuple[np.ndarray, tuple[Note, ...]]:
    """Return the control cells of a group: held-out ones where there are enough of them.

    Raises
    ------
    InputError
        When the group holds too few control cells of any part.
    """
    test = task.control_rows("test")
    rows = test[members[test]]
    if len(rows) >= FEWEST_CONTROLS:
        return rows, ()
    every = np.sort(np.concatenate([task.control_rows(part) for part in ("train", "validation", "test")]))
    rows = every[members[every]]
    if len(rows) < FEWEST_CONTROLS:
        raise InputError(
            f"Only {len(rows)} control cells are in the chosen group; a prediction starts from control cells and needs "
            f"at least {FEWEST_CONTROLS}. Choose a larger group."
        )
    return rows, (Note("The group holds few held-out control cells, so training controls are among those shown."),)


def target_notes(task: Task, base: Task, perturbation: Perturbation) -> tuple[Note, ...]:
    """Say of each target whether it was perturbed alone, never, and whether it is among the genes.

    Parameters
    ----------
    base
        The data before anything was held out for the question.
    """
    if perturbation.kind == "condition":
        return ()
    notes = []
    genes, in_file = set(task.genes), set(task.dataset.all_genes)
    alone = {p.parts[0] for p in base.perturbations if len(p.parts) == 1}
    for gene in perturbation.targets:
        if gene in alone:
            notes.append(Note(f"{gene}: perturbed alone in {n_measured(base, gene):,} cells"))
        else:
            notes.append(Note(f"{gene}: never perturbed in these data", caution=True))
        if gene not in genes:
            where = "in the file but not among the modelled genes" if gene in in_file else "not among the genes"
            notes.append(Note(f"{gene}: {where}, so its own change cannot be seen", caution=True))
    if len(perturbation.targets) > 1:
        n = n_measured(base, perturbation.label)
        together = f"Together: measured in {n:,} cells" if n else "Together: never measured"
        notes.append(Note(together, caution=not n))
    return tuple(notes)


def row_hash(rows: np.ndarray) -> str:
    """Return a short name of some rows, for a cache."""
    return hashlib.sha256(np.ascontiguousarray(rows).tobytes()).hexdigest()[:12]
