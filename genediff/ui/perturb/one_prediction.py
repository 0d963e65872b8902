"""One perturbation: the question, the verdict, the cells, the genes, and a closer look at pathways and routes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import streamlit as st

from genediff.perturbation.task_config import KINDS
from genediff.training.reproduction import PROGRAM
from genediff.ui.kit import explain, reproduction_bundle
from genediff.ui.perturb import (
    gene_changes,
    other_measures,
    perturb_data,
    perturb_map,
    perturb_prerequisites,
    planted_truth,
    prediction_downloads,
    prediction_trust,
    predictors,
    question_form,
    route_view,
    screen_view,
    task_choice,
)

if TYPE_CHECKING:
    from genediff.data import Dataset
    from genediff.perturbation.change_scores import ChangeScores
    from genediff.perturbation.group_prediction import Joined
    from genediff.perturbation.question import Question
    from genediff.perturbation.question_result import Result

_VIEWS = ("Pathways", "Route through the network", "Truth")


def show(dataset: Dataset) -> None:
    """Ask and answer; before anything is asked, show what the screen holds."""
    side, main = st.columns([0.27, 0.73], gap="medium")
    with side, st.container(border=True):
        perturb_prerequisites.dataset_picker(dataset.info.id)
        source = predictors.choose(dataset)
        question = question_form.ask(dataset, source)
        _notes(question)
    if question is None:
        with main:
            screen_view.show(dataset, source)
        return
    top = st.empty()
    with main:
        judged = prediction_trust.judged(question)
        with top.container():
            prediction_trust.verdict(question, judged)
        found = perturb_data.result(question)
        name = file_name(question)
        shown = _chosen_cells(found, judged)
        perturb_map.show(question, found, shown, name=name)
    genes, trust = st.columns([0.55, 0.45], gap="medium")
    with trust:
        others = prediction_trust.show(question, found, judged)
    with top.container():
        prediction_trust.verdict(question, judged, found, others)
    with genes:
        st.subheader("Genes that change", anchor=False)
        gene_changes.show(question, found, first="baseline" if shown is found.baseline else "predicted", name=name)
        prediction_trust.cases(judged, name=name)
        other_measures.show(question, others)
    _closer(question, found, name=name)
    with st.container(horizontal=True, vertical_alignment="center"):
        prediction_downloads.buttons(question, found, shown, name=name)
        reproduce(question)


def file_name(question: Question) -> str:
    """Return the stem of the files of a question."""
    return re.sub(
        r"[^A-Za-z0-9_.-]+", "-", f"{question.task.dataset.info.id}-{question.perturbation.label}-{question.group}"
    )


def reproduce(question: Question) -> None:
    """Draw "Reproduce" for a question."""
    source, p = question.source, question.perturbation
    reproduction_bundle.bundle_button(
        "Perturb: one perturbation",
        dataset=question.task.dataset.info,
        settings={
            "perturbation": p.label,
            "mode": p.mode,
            "predictor": source.title(question.task, question.kind),
            "cells": question.group,
            "n_cells": question.n_cells,
            "predictor_settings": source.settings(),
            "task": question.task.config.model_dump(mode="json"),
        },
        seed=0,
        command=f"{PROGRAM} {question.arguments}",
        sentence=f"The {task_choice.described(p)} was predicted by {source.title(question.task, question.kind)} from "
        f"{len(question.rows):,} "
        f"control cells ({question.group}), with {KINDS[question.kind]} held out to judge it, and shown "
        "beside simple baselines and what noise allows",
    )


def _notes(question: Question | None) -> None:
    if question is None:
        return
    lines = [
        f":orange[{explain.plain(one.text)}]" if one.caution else explain.plain(one.text) for one in question.notes
    ]
    st.caption("  \n".join(lines))


def _chosen_cells(found: Result, judged: ChangeScores | None) -> Joined:
    """Draw the choice between model and baseline; where the model loses, the baseline stands first."""
    if found.baseline is None:
        return found.predicted
    options = {"model": found.predicted, "baseline": found.baseline}
    words = {"model": f"Model: {found.predicted.title}", "baseline": f"Baseline: {found.baseline.title}"}
    first = "baseline" if prediction_trust.loses(judged) else "model"
    order = [first, *(one for one in options if one != first)]
    chosen = st.segmented_control(
        "Cells shown are predicted by",
        order,
        default=first,
        required=True,
        format_func=lambda one: words[one],
        key="shown",
        bind="query-params",
    )
    return options[str(chosen)]


def _closer(question: Question, found: Result, *, name: str) -> None:
    st.subheader("Look closer", anchor=False)
    views = [one for one in _VIEWS if one != "Truth" or planted_truth.is_known(question.task.dataset)]
    view = st.segmented_control("Look closer", views, key="closer", bind="query-params", label_visibility="collapsed")
    if view == "Pathways":
        gene_changes.pathways(question, found, name=name)
    elif view == "Route through the network":
        route_view.show(question, found, name=name)
    elif view == "Truth":
        planted_truth.show(question, found, name=name)
    else:
        st.caption(
            "**Pathways** that are shifted · the **route** from the perturbed gene through a network to what changes"
            + (" · the **truth** behind these simulated cells" if "Truth" in views else "")
        )
