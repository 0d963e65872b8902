"""Simple predictions that every model has to beat: how far each gene moves, from the training part alone."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from genediff.core.stats import pearson
from genediff.perturbation.baseline_comparison import best_of
from genediff.perturbation.mean_shift import move_cells
from genediff.perturbation.prediction import Prediction
from genediff.perturbation.target_loss import TargetLoss, without_targets

if TYPE_CHECKING:
    from collections.abc import Sequence

    from genediff.data.importing.perturbation_names import Perturbation
    from genediff.data.importing.recipe import Treatment
    from genediff.perturbation.task import Group, Task
    from genediff.perturbation.task_config import Part

N_EMBEDDING = 10
RIDGE = 0.1


class Shift:
    """A fitted baseline: the mean change of every gene in log-normalised expression."""

    name: ClassVar[str]
    title: ClassVar[str]
    sentence: ClassVar[str]
    lowers_targets: ClassVar[bool] = True

    def __init__(self, task: Task) -> None:
        self.task = task
        self.measured = Measured(task)
        self.target_loss = TargetLoss(task)

    def delta(self, perturbation: Perturbation, context: str) -> np.ndarray:
        """Return the predicted mean change (gene,) float64 against control; zero for the control.

        Knocked-out genes drop by what the screen measured (``TargetLoss``); all else is the baseline's.
        """
        if perturbation.is_control:
            return np.zeros(len(self.task.genes))
        found = self._delta(perturbation, context)
        return self.target_loss.apply(found, perturbation, context) if self.lowers_targets else found

    def _delta(self, perturbation: Perturbation, context: str) -> np.ndarray:
        raise NotImplementedError


@dataclass(frozen=True, eq=False)
class Measured:
    """What training measured, by perturbation and context."""

    task: Task

    @cached_property
    def _deltas(self) -> dict[tuple[str, str], np.ndarray]:
        train = self.task.part("train")
        return {(g.perturbation.label, g.context): d for g, d in zip(train, self.task.train_deltas, strict=True)}

    @cached_property
    def single(self) -> dict[str, str]:
        """The label of each part's own perturbation."""
        return {p.parts[0]: p.label for p in (g.perturbation for g in self.task.part("train")) if len(p.parts) == 1}

    def of(self, label: str, context: str) -> np.ndarray | None:
        """Return the change in this context; where it was not measured there, the mean over the others; or None."""
        if (label, context) in self._deltas:
            return self._deltas[label, context]
        elsewhere = [delta for (one, _), delta in self._deltas.items() if one == label]
        return np.mean(elsewhere, axis=0) if elsewhere else None

    def part(self, name: str, context: str) -> np.ndarray | None:
        """Return the change by a gene or condition alone, or None."""
        return self.of(self.single[name], context) if name in self.single else None

    def mean(self, context: str, *, singles: bool = False) -> np.ndarray:
        """Return the mean change over all (single) perturbations in this context, or in all if it has none."""
        labels = set(self.single.values()) if singles and self.single else {label for label, _ in self._deltas}
        here = [delta for (label, one), delta in self._deltas.items() if one == context and label in labels]
        return np.mean(here or [delta for (label, _), delta in self._deltas.items() if label in labels], axis=0)


class NoChange(Shift):
    """Control cells as they are."""

    name = "no_change"
    title = "No change"
    sentence = "The control cells themselves."
    lowers_targets = False

    def _delta(self, perturbation: Perturbation, context: str) -> np.ndarray:
        return np.zeros(len(self.task.genes))


class MeanPerturbed(Shift):
    """The same answer for every perturbation."""

    name = "mean_perturbed"
    title = "Mean of perturbed"
    sentence = "The mean change over all perturbations of the training part, whatever is asked for."

    def _delta(self, perturbation: Perturbation, context: str) -> np.ndarray:
        return self.measured.mean(context)


class MatchingMean(Shift):
    """The mean over what was measured of each part."""

    name = "matching_mean"
    title = "Matching mean"
    sentence = (
        "The mean of the changes by each gene of the perturbation alone; a gene that was never perturbed counts with "
        "the mean change of all perturbations."
    )

    def _delta(self, perturbation: Perturbation, context: str) -> np.ndarray:
        mean = self.measured.mean(context)
        known = [self.measured.part(part, context) for part in perturbation.parts]
        return np.mean([mean if one is None else one for one in known], axis=0)


class Additive(Shift):
    """The sum over the parts."""

    name = "additive"
    title = "Additive"
    sentence = (
        "The sum of the changes by each gene of the perturbation alone; a gene that was never perturbed counts with "
        "the mean change of all single ones."
    )

    def _delta(self, perturbation: Perturbation, context: str) -> np.ndarray:
        known = [self.measured.part(part, context) for part in perturbation.parts]
        mean = self.measured.mean(context, singles=True)
        return np.sum([mean if one is None else one for one in known], axis=0)


class Linear(Shift):
    """Ridge regression between embeddings of the genes that change and of the genes that are acted on.

    As in Ahlmann-Eltze et al. (2025, doi 10.1038/s41592-025-02772-6): genes are embedded by the principal components
    of the training pseudobulks; change = G W P' + mean change, with P the embeddings of the targets, summed. A target
    that is none of the genes has no embedding and is predicted the mean change.
    """

    name = "linear"
    title = "Linear, gene embeddings"
    sentence = (
        "A ridge regression of the changes on embeddings of the target genes (principal components of the training "
        "pseudobulks); the mean change where a target is none of the genes."
    )

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self.embedding = gene_embedding(task)  # (gene, component)
        self._place = {gene: number for number, gene in enumerate(task.genes)}
        self._mean = task.train_deltas.mean(axis=0)  # (gene,)
        embedded = [self._embed(group.perturbation) for group in task.part("train")]
        known = [number for number, one in enumerate(embedded) if one is not None]
        size = self.embedding.shape[1]
        self._weights = np.zeros((size, size))  # (component of what changes, component of the target)
        if known:
            targets = np.array([embedded[number] for number in known])  # (group, component)
            changes = (task.train_deltas[known] - self._mean).T  # (gene, group)
            ridge = RIDGE * np.eye(size)
            left = np.linalg.solve(self.embedding.T @ self.embedding + ridge, self.embedding.T @ changes @ targets)
            self._weights = np.linalg.solve(targets.T @ targets + ridge, left.T).T

    def _embed(self, perturbation: Perturbation) -> np.ndarray | None:
        places = [self._place[gene] for gene in perturbation.targets if gene in self._place]
        if not places or len(places) < len(perturbation.targets):
            return None
        return self.embedding[places].sum(axis=0)

    def _delta(self, perturbation: Perturbation, context: str) -> np.ndarray:
        target = self._embed(perturbation)
        return self._mean if target is None else self._mean + self.embedding @ (self._weights @ target)


class NearestMeasured(Shift):
    """The change by the most similar perturbation that was measured."""

    name = "nearest"
    title = "Nearest measured"
    sentence = (
        "The change by the measured perturbation that is nearest: itself where it was measured (in the cells that are "
        "most alike), else the one that shares most targets and whose targets vary most alike in the training cells; "
        "of a substance, its nearest dose on a logarithmic scale."
    )

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        embedding = gene_embedding(task)
        norm = np.linalg.norm(embedding, axis=1, keepdims=True)
        self._alike_known: dict[str, list[float]] = {}
        self._directions = dict(zip(task.genes, embedding / np.where(norm > 0, norm, 1.0), strict=True))

    def _delta(self, perturbation: Perturbation, context: str) -> np.ndarray:
        keys = list(zip(self._alike_to_train(perturbation), self._near_to_train(context), strict=True))
        if max(alike for alike, _ in keys) <= 0:
            return self.measured.mean(context)
        return self.task.train_deltas[max(range(len(keys)), key=keys.__getitem__)]

    def _alike_to_train(self, perturbation: Perturbation) -> list[float]:
        """Return how alike a perturbation is to each of the training part, (group,); remembered by its label."""
        if perturbation.label not in self._alike_known:
            by_label = {g.perturbation.label: g.perturbation for g in self.task.part("train")}
            each = {label: self._alike(perturbation, other) for label, other in by_label.items()}
            self._alike_known[perturbation.label] = [each[g.perturbation.label] for g in self.task.part("train")]
        return self._alike_known[perturbation.label]

    def _near_to_train(self, context: str) -> list[float]:
        """Return how near a context is to that of each training group, (group,)."""
        each = {name: self._near(context, name) for name in {g.context for g in self.task.part("train")}}
        return [each[g.context] for g in self.task.part("train")]

    def _alike(self, one: Perturbation, other: Perturbation) -> float:
        if one.label == other.label:
            return 10.0
        shared = set(one.parts) & set(other.parts)
        overlap = len(shared) / len(set(one.parts) | set(other.parts))
        if one.treatments and other.treatments:
            return 2 * overlap + dose_similarity(one.treatments, other.treatments)
        here = [self._directions[gene] for gene in one.targets if gene in self._directions]
        there = [self._directions[gene] for gene in other.targets if gene in self._directions]
        if not here or not there:
            return 2 * overlap
        first, second = np.sum(here, axis=0), np.sum(there, axis=0)
        size = float(np.linalg.norm(first) * np.linalg.norm(second))
        return 2 * overlap + (float(first @ second) / size if size > 0 else 0.0)

    def _near(self, one: str, other: str) -> float:
        """Return how near two contexts are by their control cells: minus the squared distance of the means."""
        return -float(((self.task.control_mean("train", one) - self.task.control_mean("train", other)) ** 2).sum())


def dose_similarity(first: Sequence[Treatment], second: Sequence[Treatment]) -> float:
    """Return how alike two treatments are, from 0 (no substance shared) to 1: doses count as numbers.

    A substance at a tenth or ten times the dose counts half, at a hundredth or a hundred times a third.
    """
    alike = 0.0
    for one in first:
        same = [other for other in second if (other.name, other.unit) == (one.name, one.unit)]
        apart = [
            abs(np.log10(one.dose / other.dose)) if one.dose and other.dose else float(one.dose != other.dose)
            for other in same
        ]
        alike += max((1 / (1 + float(decades)) for decades in apart), default=0.0)
    return alike / max(len(first), len(second))


def gene_embedding(task: Task, n_components: int = N_EMBEDDING) -> np.ndarray:
    """Return principal components of genes over the training pseudobulks (and controls), (gene, component)."""
    groups = [task.mean(group.rows) for group in task.part("train")]
    controls = [task.control_mean("train", context) for context in task.contexts]
    bulk = np.array(groups + controls).T  # (gene, pseudobulk)
    bulk = bulk - bulk.mean(axis=0)
    left, size, _ = np.linalg.svd(bulk, full_matrices=False)
    return (left * size)[:, : min(n_components, len(size))]


BASELINES: dict[str, type[Shift]] = {
    shift.name: shift for shift in (NoChange, MeanPerturbed, MatchingMean, Additive, Linear, NearestMeasured)
}


def fit_baselines(task: Task) -> dict[str, Shift]:
    """Fit every baseline on the training part."""
    return {name: shift(task) for name, shift in BASELINES.items()}


def validation_scores(task: Task, shifts: dict[str, Shift], part: Part = "validation") -> dict[str, float]:
    """Return each baseline's mean correlation of predicted and measured change over the validation groups."""
    found = {}
    for name, shift in shifts.items():
        groups = task.part(part)
        found[name] = float(np.mean([_r(task, g, shift) for g in groups]))
    return found


def best_baseline(task: Task, shifts: dict[str, Shift] | None = None) -> Shift:
    """Return the baseline that does best on the validation part, never on the test part.

    Best is the highest mean correlation of changes; where several tie, the lowest squared error.
    """
    shifts = shifts or fit_baselines(task)
    scores = validation_scores(task, shifts)
    groups = task.part("validation")

    def error(shift: Shift) -> float:
        return float(np.mean([((shift.delta(g.perturbation, g.context) - task.delta(g)) ** 2).mean() for g in groups]))

    return shifts[best_of(scores, {name: error(shift) for name, shift in shifts.items()})]


def _r(task: Task, group: Group, shift: Shift) -> float:
    keep = without_targets(task, group.perturbation)
    return float(pearson(shift.delta(group.perturbation, group.context)[keep], task.delta(group)[keep]))


@dataclass(frozen=True, eq=False)
class BaselinePredictor:
    """A baseline as a predictor of cells: control cells, moved so that their mean changes by the shift."""

    shift: Shift

    @property
    def name(self) -> str:
        """As in ``BASELINES``."""
        return self.shift.name

    @property
    def title(self) -> str:
        """What tables show."""
        return self.shift.title

    def deltas(self, perturbations: Sequence[Perturbation], context: str) -> np.ndarray:
        """Return predicted mean changes without cells, (perturbation, gene); see ``Predictor``."""
        return np.array([self.shift.delta(one, context) for one in perturbations])

    def predict(
        self, perturbation: Perturbation, rows: np.ndarray, *, context: str, n_cells: int | None = None, seed: int = 0
    ) -> Prediction:
        """Predict what the perturbation makes of some control cells; see ``Predictor``."""
        source = (
            rows if n_cells is None else np.random.default_rng([seed, 3]).choice(rows, n_cells, n_cells > len(rows))
        )
        delta = self.shift.delta(perturbation, context)
        x, counts = move_cells(self.shift.task.dataset, source, delta, seed=seed)
        return Prediction(perturbation, context, x, counts, np.asarray(source), delta)
