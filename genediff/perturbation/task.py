"""A data set read as perturbations, and divided into what may be learnt from and what is held out."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Self

import numpy as np
from pydantic import ValidationError

from genediff.core.errors import InputError
from genediff.data.cells.split import SPLITS
from genediff.data.importing.perturbation_names import Perturbation, read_perturbations
from genediff.data.importing.recipe import stored_recipe
from genediff.perturbation.screen_cells import mean_of, screen_cells
from genediff.perturbation.split_schemes import assign_parts
from genediff.perturbation.task_config import ALL_CELLS, SCHEMES, Part, TaskConfig

if TYPE_CHECKING:
    from collections.abc import Sequence

    import scipy.sparse as sp

    from genediff.data.cells.dataset import Dataset
    from genediff.data.importing.perturbation_names import PerturbationLevels
    from genediff.perturbation.screen_cells import ScreenCells


@dataclass(frozen=True, eq=False)
class Group:
    """The cells of one perturbation in one context that are in one part. ``rows`` are row numbers in the data set."""

    perturbation: Perturbation
    context: str
    part: Part
    rows: np.ndarray

    @property
    def name(self) -> str:
        """How tables call it."""
        return self.perturbation.label if self.context == ALL_CELLS else f"{self.perturbation.label} in {self.context}"


@dataclass(frozen=True, eq=False)
class Task:
    """Perturbed and control cells, and what of them may be learnt from.

    Whoever learns from a task looks at ``rows("train")`` alone and stops by ``rows("validation")``. Means and changes
    are in log-normalised expression of the data set's chosen genes. Build it by ``Task.of``.

    Attributes
    ----------
    dataset, config
        What it was made from; ``Task.of(dataset, **config.model_dump())`` makes it again.
    levels
        The perturbation column, read.
    control
        The control as a perturbation.
    perturbations
        Every perturbation that occurs with enough cells, sorted by label, the control left out.
    contexts
        Contexts with enough control cells; ``(ALL_CELLS,)`` without a context column.
    groups
        Perturbed cells.
    notes
        Sentences on what could not be done, and on what was left out.
    """

    dataset: Dataset
    config: TaskConfig
    levels: PerturbationLevels
    control: Perturbation
    perturbations: tuple[Perturbation, ...]
    contexts: tuple[str, ...]
    groups: tuple[Group, ...]
    controls: dict[tuple[str, Part], np.ndarray]
    notes: tuple[str, ...]

    @classmethod
    def of(cls, dataset: Dataset, config: TaskConfig | None = None, **choices: object) -> Self:
        """Read and divide a data set.

        Parameters
        ----------
        dataset
            With a perturbation column.
        config
            Choices; single ones can be given by name instead.

        Raises
        ------
        InputError
            When there is no such column or no control, or the scheme cannot be followed with these cells.
        """
        try:
            config = TaskConfig.model_validate({**(config.model_dump() if config else {}), **choices})
        except ValidationError as error:
            first = error.errors()[0]
            raise InputError(f"This cannot be held out: {first['loc'][0]}: {first['msg'].lower()}.") from None
        config = _complete(dataset, config)
        return cls(dataset, config, *_divide(dataset, config))

    @property
    def genes(self) -> tuple[str, ...]:
        """Names of the genes of all arrays."""
        return self.dataset.genes

    @cached_property
    def x(self) -> sp.csr_matrix:
        """Log-normalised expression of all cells of the data set, (cell, gene)."""
        return self.dataset.x()

    def part(self, part: Part) -> tuple[Group, ...]:
        """Return the perturbed groups of a part."""
        return tuple(group for group in self.groups if group.part == part)

    def control_rows(self, part: Part, context: str | None = None) -> np.ndarray:
        """Return row numbers of control cells of a part, of one context or of all."""
        if context is not None:
            return self.controls[self._known(context), part]
        return np.sort(np.concatenate([self.controls[one, part] for one in self.contexts]))

    def rows(self, part: Part) -> np.ndarray:
        """Return row numbers of all cells of a part, control and perturbed: what a model may be trained on."""
        perturbed = [group.rows for group in self.part(part)]
        return np.sort(np.concatenate([self.control_rows(part), *perturbed]))

    def mean(self, rows: np.ndarray) -> np.ndarray:
        """Return the mean x of some cells, (gene,) float64."""
        return mean_of(self.dataset, self.x, rows)

    def control_mean(self, part: Part, context: str) -> np.ndarray:
        """Return the mean x (gene,) of the control cells of a part in a context.

        Raises
        ------
        InputError
            When the part has none: a context that is held out for the test has none that validate, and the other way.
        """
        if (self._known(context), part) not in self._control_means:
            raise InputError(f"There are no control cells of {context!r} in the {part} part.")
        return self._control_means[context, part]

    def delta(self, group: Group) -> np.ndarray:
        """Return the measured mean change (gene,) of a group against the controls of its part and context."""
        return self.mean(group.rows) - self.control_mean(group.part, group.context)

    @cached_property
    def train_deltas(self) -> np.ndarray:
        """Measured mean changes (group, gene) of ``part("train")``, in that order."""
        return np.array([self.delta(group) for group in self.part("train")]).reshape(-1, len(self.genes))

    @cached_property
    def seen_parts(self) -> frozenset[str]:
        """Genes (or conditions) that training saw perturbed alone."""
        return frozenset(p.parts[0] for p in (group.perturbation for group in self.part("train")) if len(p.parts) == 1)

    def n_seen(self, perturbation: Perturbation) -> int:
        """Say how many of its parts training saw perturbed alone."""
        return sum(part in self.seen_parts for part in perturbation.parts)

    def measured(self, perturbation: Perturbation, context: str | None = None, part: Part | None = None) -> np.ndarray:
        """Return row numbers of cells with this perturbation: in a context and part, or in any."""
        found = [
            group.rows
            for group in self.groups
            if group.perturbation.label == perturbation.label
            and context in (None, group.context)
            and part in (None, group.part)
        ]
        return np.sort(np.concatenate(found)) if found else np.zeros(0, dtype=np.int64)

    def perturbation(self, text: str | Sequence[str]) -> Perturbation:
        """Return the perturbation that a user means by a label ("A+B") or by names of genes, measured or not."""
        label = text if isinstance(text, str) else "+".join(text)
        conditions = {p.label: p for p in self.perturbations if p.kind == "condition"}
        if label in conditions:
            return conditions[label]
        if len(conditions) == len(self.perturbations):
            raise InputError(
                f"{label!r} is none of the conditions of {self.dataset.info.name!r}: {', '.join(sorted(conditions))}."
            )
        found = read_perturbations(
            [label], control=self.control.label, genes=self.genes, kind="genes", mode=self.config.mode
        )
        return found.of[label]

    def _known(self, context: str) -> str:
        if context not in self.contexts:
            raise InputError(f"There is no context {context!r}; known: {', '.join(self.contexts)}.")
        return context

    @cached_property
    def _control_means(self) -> dict[tuple[str, Part], np.ndarray]:
        return {key: self.mean(rows) for key, rows in self.controls.items() if len(rows)}


def _complete(dataset: Dataset, config: TaskConfig) -> TaskConfig:
    """Fill in what the import said, and check that the columns are there."""
    column = config.column or dataset.info.perturbation
    if column is None:
        raise InputError(
            f"The data set {dataset.info.name!r} was imported without a perturbation column; name the column, or "
            "import the file again and say which column holds perturbations."
        )
    context = config.context
    if config.scheme == "batch" and context is None:
        context = dataset.info.batch
    if config.scheme in ("context", "batch") and context is None:
        raise InputError(f"To hold out a {'batch' if config.scheme == 'batch' else 'cell type'}, name its obs column.")
    for named in (column, context):
        if named is not None and named not in dataset.obs.columns:
            raise InputError(
                f"The data set {dataset.info.name!r} has no obs column {named!r}; it has "
                f"{', '.join(map(str, dataset.obs.columns))}."
            )
    if context == column:
        raise InputError(f"The column {column!r} cannot be both the perturbation and the context.")
    control = config.control or (dataset.info.control if column == dataset.info.perturbation else None)
    levels = set(dataset.obs[column].dropna().astype(str))
    if control is not None and control not in levels:
        raise InputError(f"The column {column!r} has no level {control!r}, so there are no control cells.")
    recipe = stored_recipe(dataset.info.folder, column)
    mode = recipe.mode if recipe is not None and config.mode == "knock_out" else config.mode
    return config.model_copy(update={"column": column, "control": control, "context": context, "mode": mode})


def _divide(
    dataset: Dataset, config: TaskConfig
) -> tuple[
    PerturbationLevels,
    Perturbation,
    tuple[Perturbation, ...],
    tuple[str, ...],
    tuple[Group, ...],
    dict[tuple[str, Part], np.ndarray],
    tuple[str, ...],
]:
    screen = screen_cells(dataset, config)
    levels = screen.levels
    control = next((p for p in levels.of.values() if p.is_control), None)
    if control is None:
        raise InputError(f"No level of {config.column!r} reads like a control; say which one means untreated.")
    notes = list(levels.notes)
    controls, contexts = _controls(screen, control, config, notes)
    groups = tuple(_groups(screen, control, contexts, config, notes))
    present = {group.perturbation.label: group.perturbation for group in groups}
    controls = _held_out_controls(controls, groups)
    if not present:
        raise InputError(f"No perturbation of {config.column!r} has {config.min_cells} cells beside enough controls.")
    return levels, control, tuple(present[label] for label in sorted(present)), contexts, groups, controls, tuple(notes)


def _controls(
    screen: ScreenCells, control: Perturbation, config: TaskConfig, notes: list[str]
) -> tuple[dict[tuple[str, Part], np.ndarray], tuple[str, ...]]:
    found: dict[tuple[str, Part], np.ndarray] = {}
    contexts, few, n = [], [], 0
    for name in sorted({context for _, context in screen.rows}):
        own = screen.rows.get((control.label, name), np.zeros(0, dtype=np.int64))
        n += len(own)
        parts = {part: own[screen.split[own] == part] for part in SPLITS}
        if min(len(rows) for rows in parts.values()) < config.min_cells:
            few.append(name)
            continue
        contexts.append(name)
        found |= {(name, part): rows for part, rows in parts.items()}  # type: ignore[misc]
    if not contexts:
        raise InputError(
            f"There are too few control cells ({n:,} of {control.label!r}); each part needs {config.min_cells}."
        )
    if few:
        notes.append(f"Left out for lack of control cells (fewer than {config.min_cells} in a part): {', '.join(few)}.")
    return found, tuple(contexts)


def _held_out_controls(
    controls: dict[tuple[str, Part], np.ndarray], groups: tuple[Group, ...]
) -> dict[tuple[str, Part], np.ndarray]:
    """Give the part that holds a whole context the control cells of the other part that is not trained on.

    A context that only one part needs is judged the better, the more of its controls there are.
    """
    found = dict(controls)
    for context in {context for context, _ in controls}:
        parts = {group.part for group in groups if group.context == context}
        if len(parts) == 1 and (held := parts.pop()) != "train":
            both = np.sort(np.concatenate([controls[context, "validation"], controls[context, "test"]]))
            found |= {(context, "validation"): both[:0], (context, "test"): both[:0], (context, held): both}
    return found


def _groups(
    screen: ScreenCells, control: Perturbation, contexts: Sequence[str], config: TaskConfig, notes: list[str]
) -> list[Group]:
    of = {p.label: p for p in screen.levels.unique}
    keys = [
        (of[label], context) for label, context in sorted(screen.rows) if label != control.label and context in contexts
    ]
    groups: list[Group] = []
    if config.scheme == "cells":
        whole = [(p, c, part) for p, c in keys for part in SPLITS]
    else:
        whole = assign_parts(keys, config, notes)
    few = set()
    for p, context, part in whole:
        own = screen.rows[p.label, context]
        if config.scheme == "cells":
            own = own[screen.split[own] == part]
        if len(own) < config.min_cells:
            few.add(p.label)
            continue
        groups.append(Group(p, context, part, own))  # type: ignore[arg-type]
    if few:
        notes.append(
            f"Groups with fewer than {config.min_cells} cells are left out; this concerns {', '.join(sorted(few)[:8])}"
            f"{f' and {len(few) - 8} more' if len(few) > 8 else ''}."
        )
    for part in SPLITS:
        if not any(group.part == part for group in groups):
            raise InputError(
                f"With these cells nothing is left for the {part} part ({SCHEMES[config.scheme].lower()})."
            )
    return groups
