"""What is asked on the Perturb page: what is done, and to which cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from genediff.perturbation.question import Question, controls_of, target_notes
from genediff.perturbation.task_config import MODES
from genediff.ui.kit import gene_search, selection_picker

if TYPE_CHECKING:
    from genediff.data import Dataset
    from genediff.data.importing.perturbation_names import Mode, Perturbation
    from genediff.perturbation import Task
    from genediff.perturbation.question import Source

N_CELLS = (100, 200, 400, 800)


def ask(dataset: Dataset, source: Source) -> Question | None:
    """Draw what is done and to which cells; None while nothing has been chosen yet."""
    base = source.task(dataset)
    perturbation = _perturbation(base, source)
    members, group = selection_picker.pick_group(
        dataset, key="group", label="In which cells", default=selection_picker.ALL
    )
    n_cells = int(
        st.select_slider(
            "Predicted cells", N_CELLS, value=200, key="cells", bind="query-params",
            help="More cells: a fuller map and finer means, and more time.",
        )
    )  # fmt: skip
    if perturbation is None:
        return None
    task, kind = source.divide(dataset, base, perturbation, group)
    rows, notes = controls_of(task, members)
    notes = (*target_notes(task, base, perturbation), *source.notes(task, perturbation, kind), *notes)
    return Question(task, perturbation, kind, source, rows, group, members, n_cells, notes)


def _perturbation(task: Task, source: Source) -> Perturbation | None:
    """Draw the choice of genes and of what is done to them, or of a condition."""
    if task.perturbations[0].kind == "condition":
        chosen = st.selectbox(
            "Condition", [p.label for p in task.perturbations], key="condition", bind="query-params",
            help="Only conditions that were measured can be predicted: of others only a name is known.",
        )  # fmt: skip
        return task.perturbation(chosen)
    names = _names(task)
    first = gene_search.gene_search(names, key="gene", label="Gene", placeholder="Symbol, Ensembl id or alias")
    second = gene_search.gene_search(names, key="with", label="Second gene (optional)", placeholder="none")
    mode = _mode(task, source)
    genes = list(dict.fromkeys(one for one in (first, second) if one))
    if not genes:
        return None
    from genediff.data.importing.perturbation_names import Perturbation

    return Perturbation.of_genes(*genes, mode=mode, usual=task.config.mode)


def _names(task: Task) -> list[str]:
    """Return the genes that can be asked for: measured targets first, then the modelled ones, then all of the file."""
    measured = sorted({gene for p in task.perturbations for gene in p.targets})
    return list(dict.fromkeys([*measured, *task.genes, *task.dataset.all_genes]))


def _mode(task: Task, source: Source) -> Mode:
    known = source.modes(task)
    if len(known) == 1:
        st.caption(f"Mode: **{MODES[known[0]]}**, the only one measured here.")
        return known[0]
    return st.segmented_control(
        "Mode", known, default=known[0], required=True, format_func=lambda one: MODES[one].capitalize(), key="mode",
        bind="query-params",
    )  # fmt: skip
