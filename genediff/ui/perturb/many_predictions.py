"""Many scenarios at once: cells of each in one file, and the mean changes as a table."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import streamlit as st

from genediff.core.errors import InputError
from genediff.perturbation.question import Question, controls_of
from genediff.perturbation.screen_reader import asked_kind
from genediff.ui.kit import background, explain, reproduction_bundle, selection_picker
from genediff.ui.kit.downloads import download, to_csv
from genediff.ui.perturb import prediction_downloads, predictors, question_form

if TYPE_CHECKING:
    from collections.abc import Callable

    from genediff.data import Dataset
    from genediff.data.importing.perturbation_names import Perturbation
    from genediff.perturbation import Task
    from genediff.perturbation.group_prediction import Joined
    from genediff.perturbation.question import Source

MOST = 300  # scenarios in one file
MOST_CELLS = 60_000


def show(dataset: Dataset) -> None:
    """Ask for scenarios, predict them all, and hand them out."""
    with st.container(border=True):
        source = predictors.choose_beside_data(dataset)
        task = source.task(dataset)
        left, right = st.columns([0.6, 0.4], gap="medium")
        with left:
            text = st.text_area(
                "Perturbations, one per line",
                key="scenarios",
                height=160,
                bind="query-params",
                placeholder="\n".join(p.label for p in task.perturbations[:4]),
                help="Genes, or several joined by +; or labels as they are in the data.",
            )
            st.button(
                "All that were measured",
                key="all-measured",
                icon=":material/playlist_add:",
                on_click=_all,
                args=(task,),
            )
        with right:
            members, group = selection_picker.pick_group(
                dataset, key="group", label="In which cells", default=selection_picker.ALL
            )
            each = int(
                st.select_slider("Cells of each", question_form.N_CELLS, value=100, key="each", bind="query-params")
            )
    lines = list(dict.fromkeys(line.strip() for line in (text or "").splitlines() if line.strip()))
    if not lines:
        st.info("Write perturbations, one per line, to get their predicted cells in one file.")
        return
    asked = _read(task, lines)
    if not asked:
        return
    if len(asked) > MOST or len(asked) * each > MOST_CELLS:
        st.error(
            f"{len(asked):,} perturbations of {each} cells are more than one file holds ({MOST} perturbations, "
            f"{MOST_CELLS:,} cells); ask for fewer, or use the command line."
        )
        return
    rows = controls_of(task, members)[0]
    kinds = [asked_kind(task, one) for one in asked]
    kind = max(set(kinds), key=kinds.count)  # which baseline is best depends on what most of them are
    question = Question(task, asked[0], kind, source, rows, group, members, each)
    marked = tuple((one.label, one.mode) for one in asked)
    made, problems = background.finished(
        f"Predicting {len(asked):,} perturbations",
        ("perturb-many", *question.key, marked),
        lambda progress: predict_all(question, asked, progress),
    )
    for label, problem in problems.items():
        st.warning(f"**{explain.plain(label)}** was left out: {explain.plain(problem)}")
    if made:
        _hand_out(question, made, source)


def predict_all(
    question: Question, asked: list[Perturbation], progress: Callable[[float], None]
) -> tuple[list[tuple[Perturbation, Joined]], dict[str, str]]:
    """Return the cells of every scenario, and of those that cannot be predicted the reason."""
    from genediff.perturbation.group_prediction import predict_group

    task, rows = question.task, question.rows
    predictor, contexts = question.source.predictor(task, question.kind), question.contexts[rows]
    made, problems = [], {}
    for number, one in enumerate(asked):
        progress(number / len(asked))
        try:
            made.append((one, predict_group(predictor, one, rows, contexts, n_cells=question.n_cells)))
        except InputError as error:
            problems[one.label] = str(error)
    return made, problems


def _read(task: Task, lines: list[str]) -> list[Perturbation]:
    found, known = [], set(task.genes) | {gene for p in task.perturbations for gene in p.targets}
    for line in lines:
        try:
            one = task.perturbation(line)
        except InputError as error:
            st.warning(explain.plain(str(error)))
            continue
        if one.is_control:
            continue
        strange = [gene for gene in one.targets if gene not in known]
        if strange:
            st.warning(
                f"“{explain.plain(line)}” was left out: {explain.plain(', '.join(strange))} is not among the genes "
                "of these "
                "cells and was never perturbed here."
            )
            continue
        found.append(one)
    return list({one.label: one for one in found}.values())


def _hand_out(question: Question, made: list[tuple[Perturbation, Joined]], source: Source) -> None:
    from genediff.perturbation.export_predictions import means_table

    n = sum(len(cells.x) for _, cells in made)
    measured = sum(len(question.task.measured(done)) > 0 for done, _ in made)
    st.success(
        f"{len(made):,} perturbations, {n:,} predicted cells beside {len(question.rows):,} control cells · "
        f"{measured:,} of the "
        "perturbations were measured in these data",
        icon=":material/check:",
    )
    name = re.sub(
        r"[^A-Za-z0-9_.-]+", "-", f"{question.task.dataset.info.id}-{len(made)}-perturbations-{question.group}"
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        download(
            "All cells (h5ad)",
            lambda: prediction_downloads.cells_file(question, made),
            f"{name}.h5ad",
            key="many-cells",
            narrow=True,
        )
        download(
            "Mean changes (CSV)",
            lambda: to_csv(means_table(question.task, made)),
            f"{name}-changes.csv",
            key="many-means",
            narrow=True,
        )
        reproduction_bundle.bundle_button(
            "Perturb: many scenarios",
            dataset=question.task.dataset.info,
            settings={"perturbations": [done.label for done, _ in made], **prediction_downloads.provenance(question)},
            seed=0,
            sentence=f"{len(made):,} perturbations were predicted by {source.title(question.task, question.kind)} "
            "from control cells "
            f"({question.group}), {question.n_cells} cells of each",
        )
    st.caption(
        "The file holds the control cells first, then the predicted cells of each perturbation; `obs` says which "
        "is which "
        '(`predicted`), which control cell each came from (`source`), and `uns["genediff"]` how they were made. The '
        "CSV "
        "holds the mean change of every gene against control, in log-normalised expression."
    )
    unseen = [done for done, _ in made if not len(question.task.measured(done))]
    if unseen:
        st.caption(
            f"Never measured here: {explain.plain(', '.join(one.label for one in unseen[:8]))}"
            f"{f' and {len(unseen) - 8} more' if len(unseen) > 8 else ''}. The view *One perturbation* says of "
            "each how far it "
            "can be trusted."
        )


def _all(task: Task) -> None:
    st.session_state["scenarios"] = "\n".join(p.label for p in task.perturbations[:MOST])
