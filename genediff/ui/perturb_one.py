"""One perturbation: what is asked, the verdict, the cells, the genes, and looks at what lies behind them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import streamlit as st

from genediff.ui import (
    bundle,
    explain,
    perturb_data,
    perturb_files,
    perturb_genes,
    perturb_map,
    perturb_measures,
    perturb_predictors,
    perturb_question,
    perturb_route,
    perturb_task,
    perturb_trust,
    perturb_truth,
)

if TYPE_CHECKING:
    from genediff.data import Dataset
    from genediff.perturbation.answer import Joined
    from genediff.perturbation.held_out import Judged
    from genediff.ui.perturb_data import Answer
    from genediff.ui.perturb_question import Question

_LOOKS = ("Pathways", "Route through the network", "Truth")


def show(dataset: Dataset) -> None:
    """Ask and answer."""
    with st.container(border=True):
        source = perturb_predictors.choose_beside_data(dataset)
        question = perturb_question.ask(dataset, source)
        _told(question)
    if question is None:
        _start(dataset, source)
        return
    judged, why = perturb_trust.judged(question)
    top = st.empty()
    with top.container():
        perturb_trust.verdict(question, judged, why)
    found = perturb_data.answer(question)
    name = file_name(question)
    shown = _whose(found, judged)
    cells, trust = st.columns([0.62, 0.38], gap="medium")
    with cells:
        perturb_map.show(question, found, shown, name=name)
        perturb_trust.cases(judged, name=name)
    with trust:
        others = perturb_trust.show(question, found, judged)
    with cells:
        perturb_measures.show(question, others)
    if others:
        with top.container():
            perturb_trust.verdict(question, judged, why, others)
    st.subheader("Genes that change", anchor=False)
    perturb_genes.show(question, found, first="baseline" if shown is found.baseline else "predicted", name=name)
    _closer(question, found, name=name)
    with st.container(horizontal=True, vertical_alignment="center"):
        perturb_files.buttons(question, found, shown, name=name)
        reproduce(question)


def file_name(question: Question) -> str:
    """Return the stem of the files of a question."""
    return re.sub(
        r"[^A-Za-z0-9_.-]+", "-", f"{question.task.dataset.info.id}-{question.perturbation.label}-{question.group}"
    )


def reproduce(question: Question) -> None:
    """Draw "Reproduce" for a question."""
    source, p = question.source, question.perturbation
    bundle.bundle_button(
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
        command=source.command(question),
        sentence=f"The {perturb_task.said(p)} was predicted by {source.title(question.task, question.kind)} from "
        f"{len(question.rows):,} "
        f"control cells ({question.group}), with {perturb_task.KINDS[question.kind]} held out to judge it, and shown "
        "beside simple baselines and the split-half ceiling",
    )


def _told(question: Question | None) -> None:
    if question is None:
        return
    st.caption("  \n".join(question.notes))


def _start(dataset: Dataset, source: perturb_predictors.Source) -> None:
    task = source.task(dataset)
    n_pairs = sum(len(p.parts) > 1 for p in task.perturbations)
    st.info("Choose a gene, or two, to see what its perturbation would do. Any gene can be asked for, measured or not.")
    st.caption(
        f"Measured here: {len(task.perturbations):,} perturbations"
        f"{f', {n_pairs:,} of them pairs' if n_pairs else ''}, in {len(task.contexts):,} "
        f"{'group' if len(task.contexts) == 1 else 'groups'} of cells."
    )
    examples = _examples(dataset, source)
    if examples:
        with st.container(horizontal=True, gap="small", vertical_alignment="center"):
            st.markdown("Try:", width="content")
            for label, genes in examples.items():
                st.button(label, key=f"example-{label}", on_click=_take, args=(genes,))
    for note in task.notes:
        st.caption(f":material/info: {explain.plain(note)}")


def _examples(dataset: Dataset, source: perturb_predictors.Source) -> dict[str, tuple[str, ...]]:
    """Return a measured single, a measured pair and a pair that was never measured, as far as there are such."""
    task = source.task(dataset)
    if task.perturbations[0].kind != "gene":
        return {}
    singles = [p.targets[0] for p in task.perturbations if len(p.targets) == 1]
    pairs = [p.targets for p in task.perturbations if len(p.targets) == 2]
    never = next(
        (
            (a, b)
            for i, a in enumerate(singles)
            for b in singles[i + 1 :]
            if (a, b) not in pairs and (b, a) not in pairs
        ),
        None,
    )
    found: dict[str, tuple[str, ...]] = {}
    if singles:
        found[f"{singles[0]} (measured)"] = (singles[0],)
    if pairs:
        found[f"{pairs[0][0]} + {pairs[0][1]} (measured pair)"] = pairs[0]
    if never:
        found[f"{never[0]} + {never[1]} (never measured together)"] = never
    return found


def _take(genes: tuple[str, ...]) -> None:
    st.session_state["gene"] = genes[0]
    if len(genes) > 1:
        st.session_state["with"] = genes[1]


def _whose(found: Answer, judged: Judged | None) -> Joined:
    """Draw the choice between model and baseline; where the model loses, the baseline stands first."""
    if found.baseline is None:
        return found.predicted
    options = {"model": found.predicted, "baseline": found.baseline}
    words = {"model": f"Model: {found.predicted.title}", "baseline": f"Baseline: {found.baseline.title}"}
    first = "baseline" if perturb_trust.loses(judged) else "model"
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


def _closer(question: Question, found: Answer, *, name: str) -> None:
    st.subheader("Look closer", anchor=False)
    looks = [one for one in _LOOKS if one != "Truth" or perturb_truth.is_known(question.task.dataset)]
    look = st.segmented_control("Look closer", looks, key="closer", bind="query-params", label_visibility="collapsed")
    if look == "Pathways":
        perturb_genes.pathways(question, found, name=name)
    elif look == "Route through the network":
        perturb_route.show(question, found, name=name)
    elif look == "Truth":
        perturb_truth.show(question, found, name=name)
    else:
        st.caption(
            "**Pathways** that are shifted · the **route** from the perturbed gene through a network to what changes"
            + (" · the **truth** behind these simulated cells" if "Truth" in looks else "")
        )
