"""What is asked on the Perturb page: in which data, of which predictor, what is done, and to which cells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st

from genediff.errors import InputError
from genediff.ui import explain, genes, perturb_task, selections

if TYPE_CHECKING:
    from genediff.data import Dataset
    from genediff.data.targets import Mode, Perturbation
    from genediff.perturbation import Task
    from genediff.ui.perturb_predictors import Source

FEWEST_CONTROLS = 8
N_CELLS = (100, 200, 400, 800)


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
        Which kind of prediction that is: a key of ``perturb_task.KINDS``.
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
        What the reader should know before he reads the answer.
    """

    task: Task
    perturbation: Perturbation
    kind: str
    source: Source
    rows: np.ndarray
    group: str
    members: np.ndarray
    n_cells: int
    notes: tuple[str, ...] = ()

    @property
    def key(self) -> tuple[Any, ...]:
        """What names it in a cache."""
        p = self.perturbation
        return (
            perturb_task.key(self.task),
            self.source.key,
            p.label,
            p.mode,
            self.group,
            mark(self.rows),
            self.n_cells,
        )

    @property
    def contexts(self) -> np.ndarray:
        """The context of each cell of the data set, (cell,) of str."""
        return contexts_of(self.task)

    @property
    def measured(self) -> np.ndarray:
        """Row numbers of the measured cells in the group, in whatever part."""
        rows = self.task.measured(self.perturbation)
        return rows[self.members[rows]]


def ask(dataset: Dataset, source: Source) -> Question | None:
    """Draw what is done and to which cells; None while nothing has been chosen yet."""
    base = source.task(dataset)
    left, right = st.columns([0.6, 0.4], gap="medium")
    with left:
        perturbation = _what(base, source)
    with right:
        members, group = selections.pick_group(dataset, key="group", label="In which cells", default=selections.ALL)
        n_cells = int(
            st.select_slider(
                "Predicted cells",
                N_CELLS,
                value=200,
                key="cells",
                bind="query-params",
                help="More cells: a fuller map and finer means, and more time.",
            )
        )
    if perturbation is None:
        return None
    task, kind = source.divide(dataset, base, perturbation, group)
    rows, notes = controls(task, members)
    notes = (*_seen(task, base, perturbation), *source.notes(task, perturbation, kind), *notes)
    return Question(task, perturbation, kind, source, rows, group, members, n_cells, notes)


def contexts_of(task: Task) -> np.ndarray:
    """Return the context of each cell of the data set, (cell,) of str."""
    from genediff.perturbation import ALL_CELLS

    column = task.config.context
    if column is None:
        return np.full(task.dataset.info.n_cells, ALL_CELLS, dtype=object)
    return task.dataset.obs[column].astype(str).to_numpy(dtype=object)


def n_measured(task: Task, label: str) -> int:
    """Return how many cells of the data have a perturbation, in groups of any size."""
    counts = task.dataset.obs[task.config.column].astype(str).value_counts()
    return int(sum(counts.get(level, 0) for level, one in task.levels.of.items() if one.label == label))


def _what(task: Task, source: Source) -> Perturbation | None:
    """Draw the choice of genes and of what is done to them, or of a condition."""
    if task.perturbations[0].kind == "condition":
        labels = [p.label for p in task.perturbations]
        chosen = st.selectbox(
            "Condition",
            labels,
            key="condition",
            bind="query-params",
            help="Only conditions that were measured can be predicted: of others only a name is known.",
        )
        return task.perturbation(chosen)
    first_place, second_place = st.columns(2)
    names = _names(task)
    with first_place:
        first = genes.gene_search(names, key="gene", label="Gene", placeholder="Symbol, Ensembl id or alias")
    with second_place:
        second = genes.gene_search(names, key="with", label="And a second gene (or leave open)", placeholder="none")
    mode = _mode(task, source)
    chosen_genes = list(dict.fromkeys(one for one in (first, second) if one))
    if not chosen_genes:
        return None
    from genediff.data.targets import Perturbation

    return Perturbation.of_genes(*chosen_genes, mode=mode, usual=task.config.mode)


def _names(task: Task) -> list[str]:
    """Return the genes that can be asked for: measured targets first, then the modelled ones, then all of the file."""
    measured = sorted({gene for p in task.perturbations for gene in p.targets})
    return list(dict.fromkeys([*measured, *task.genes, *task.dataset.all_genes]))


def _mode(task: Task, source: Source) -> Mode:
    known = source.modes(task)
    if len(known) == 1:
        st.caption(f"What is done: **{perturb_task.MODES[known[0]]}**, the only kind that was measured here.")
        return known[0]
    return st.segmented_control(
        "What is done",
        known,
        default=known[0],
        required=True,
        format_func=lambda one: perturb_task.MODES[one].capitalize(),
        key="mode",
        bind="query-params",
    )


def controls(task: Task, members: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return the control cells of a group: held-out ones where there are enough of them."""
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
    return rows, ("The group holds few held-out control cells, so control cells of training are among those shown.",)


def _seen(task: Task, base: Task, perturbation: Perturbation) -> tuple[str, ...]:
    """Say of each gene what is known of it: measured alone, never perturbed, not among the genes."""
    if perturbation.kind == "condition":
        return ()
    told = []
    genes_here, everything = set(task.genes), set(task.dataset.all_genes)
    alone = {p.parts[0] for p in base.perturbations if len(p.parts) == 1}
    for gene in perturbation.targets:
        name = explain.plain(gene)
        words = [f"**{name}**"]
        if gene in alone:
            words.append(f"measured alone in {n_measured(base, gene):,} cells")
        else:
            words.append(":orange[never seen perturbed in these data]")
        if gene not in genes_here:
            where = "is in the file but not among the modelled genes" if gene in everything else "not among the genes"
            words.append(f":orange[{where}]: its own change cannot be seen")
        told.append(" · ".join(words))
    if len(perturbation.targets) > 1:
        n = n_measured(base, perturbation.label)
        told.append(f"Together: {f'measured in {n:,} cells' if n else ':orange[never measured together]'}")
    return tuple(told)


def mark(rows: np.ndarray) -> str:
    """Return a short name of some rows, for a cache."""
    import hashlib

    return hashlib.sha256(np.ascontiguousarray(rows).tobytes()).hexdigest()[:12]
