"""Rank single perturbations, or pairs, by a desired effect."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import streamlit as st

from genediff.core.errors import InputError
from genediff.perturbation.question import contexts_of, controls_of, n_measured, row_hash
from genediff.perturbation.screen_reader import asked_kind, task_key
from genediff.plots import perturbation_plots as plots
from genediff.ui.kit import explain, figures, layout, reproduction_bundle, selection_picker, tables
from genediff.ui.kit.gene_search import genes_search
from genediff.ui.perturb import perturb_data, predictors

if TYPE_CHECKING:
    from collections.abc import Callable

    from genediff.data import Dataset
    from genediff.data.importing.perturbation_names import Perturbation
    from genediff.perturbation import Task
    from genediff.perturbation.desired_effect import CellObjective, GeneObjective
    from genediff.perturbation.question import Source

LOWER, RAISE, TOWARDS = "Lower genes", "Raise genes", "Move cells towards a group"
SINGLES, PAIRS, MEASURED = "Single genes", "Pairs of measured genes", "What was measured"
_MOST = 3000  # scenarios in one ranking


def show(dataset: Dataset) -> None:
    """Ask for the desired effect, and rank."""
    with st.container(border=True):
        source = predictors.choose_beside_data(dataset)
        task = source.task(dataset)
        members, group, objective, words = _ask(task)
        which = _candidates(task)
    if objective is None:
        st.info("Choose the desired effect: genes to lower or raise, or a group of cells to move towards.")
        return
    rows = controls_of(task, members)[0]
    asked = _scenarios(task, which)
    table: pd.DataFrame = perturb_data.background.finished(
        f"Predicting {len(asked):,} perturbations",
        ("perturb-rank", task_key(task), source.key, group, row_hash(rows), words, which),
        lambda progress: rank(task, source, asked, rows, objective, progress),
    )
    _result(table, task, source, kind_of(asked, task), words, group)


def rank(
    task: Task,
    source: Source,
    asked: list[Perturbation],
    rows: np.ndarray,
    objective: GeneObjective | CellObjective,
    progress: Callable[[float], None],
) -> pd.DataFrame:
    """Return perturbations by how far they achieve an effect, the best first: perturbation, score, measured."""
    predictor = source.predictor(task, kind_of(asked, task))
    places = {gene: place for place, gene in enumerate(task.genes)}
    contexts = contexts_of(task)[rows]
    found, left_out = [], 0
    names, counts = np.unique(contexts, return_counts=True)
    for number, one in enumerate(asked):
        progress(number / len(asked))
        try:
            parts = [predictor.deltas([one], str(name))[0] for name in names]
        except InputError:  # a gene of which the model knows nothing
            left_out += 1
            continue
        perturbed = [places[gene] for gene in one.targets if gene in places]
        score = objective.score(np.average(parts, axis=0, weights=counts), perturbed=perturbed)
        n = n_measured(task, one.label)
        found.append({"perturbation": one.label, "score": score, "measured": n > 0, "measured cells": n})
    table = pd.DataFrame(found, columns=["perturbation", "score", "measured", "measured cells"]).dropna(
        subset=["score"]
    )
    table.attrs["left_out"] = left_out
    return table.sort_values("score", ascending=False, ignore_index=True)


def kind_of(asked: list[Perturbation], task: Task) -> str:
    """Return which kind of prediction most of some perturbations are."""
    kinds = [asked_kind(task, one) for one in asked]
    return max(set(kinds), key=kinds.count)


def _ask(task: Task) -> tuple[np.ndarray, str, GeneObjective | CellObjective | None, str]:
    from genediff.perturbation.desired_effect import CellObjective, GeneObjective

    dataset = task.dataset
    left, right = st.columns([0.6, 0.4], gap="medium")
    with right:
        members, group = selection_picker.pick_group(
            dataset, key="group", label="Starting from", default=selection_picker.ALL
        )
    with left:
        kind = st.segmented_control(
            "Desired effect", [LOWER, RAISE, TOWARDS], default=LOWER, required=True, key="effect", bind="query-params"
        )
        if kind != TOWARDS:
            names = genes_search(task.genes, key="desired", label="Genes", placeholder="ISG15, IFIT3", most=20)
            if not names:
                return members, group, None, ""
            places = np.array([task.genes.index(one) for one in names])
            direction = "lower" if kind == LOWER else "raise"
            return members, group, GeneObjective(places, direction), f"{direction} {', '.join(sorted(names))}"  # type: ignore[arg-type]
        goal, goal_name = selection_picker.pick_group(dataset, key="goal", label="Towards", default=None)
    if goal_name == selection_picker.ALL:
        return members, group, None, ""
    rows = controls_of(task, members)[0]
    way = task.mean(np.flatnonzero(goal)) - task.mean(rows)
    return members, group, CellObjective(way), f"towards {goal_name}"


def _candidates(task: Task) -> str:
    kind = task.perturbations[0].kind
    options = [MEASURED] if kind == "condition" else [SINGLES, PAIRS, MEASURED]
    chosen: str = st.segmented_control(
        "Among",
        options,
        default=options[0],
        required=True,
        key="among",
        bind="query-params",
        help="Single genes: every modelled gene, measured or not. Pairs: of genes that were perturbed alone.",
    )
    return chosen


def _scenarios(task: Task, which: str) -> list[Perturbation]:
    from genediff.data.importing.perturbation_names import Perturbation

    mode = task.config.mode
    alone = sorted({p.targets[0] for p in task.perturbations if len(p.targets) == 1})
    if which == SINGLES:
        names = list(dict.fromkeys([*alone, *task.genes]))
        return [Perturbation.of_genes(one, mode=mode, usual=mode) for one in names[:_MOST]]
    if which == PAIRS:
        return [Perturbation.of_genes(*pair, mode=mode, usual=mode) for pair in list(combinations(alone, 2))[:_MOST]]
    return list(task.perturbations)


def _result(table: pd.DataFrame, task: Task, source: Source, kind: str, words: str, group: str) -> None:
    if table.empty:
        st.info("None of these perturbations can be predicted; choose others, or another predictor.")
        return
    towards = words.startswith("towards")
    unit = (
        "share of the squared distance to the goal cells that is closed"
        if towards
        else "mean predicted change of the genes in the desired direction (log-normalised expression)"
    )
    title = (
        f"{len(table):,} perturbations ranked to {words}"
        if not towards
        else f"{len(table):,} perturbations ranked {words}"
    )
    st.subheader(title, anchor=False)
    figures.show_figure(
        plots.ranked(table, value="score", title=unit),
        how_to_read="The longer the bar, the stronger the predicted effect; a gene that is itself "
        "perturbed does not "
        "count. The top of a long ranking is where chance has been kindest: trust those that were measured "
        "(green), "
        "and look at the others one by one before you order a guide.",
        name=f"ranking-{task.dataset.info.id}",
        table=table,
    )
    _ties(table)
    tables.show(table, "ranked", height=320, column_config={"score": st.column_config.NumberColumn(format="%+.3f")})
    left_out = int(table.attrs.get("left_out", 0))
    if left_out:
        st.caption(f"{left_out:,} perturbations cannot be predicted: nothing is known of their genes.")
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown("Look closer:", width="content")
        for label in table["perturbation"].head(3):
            st.button(explain.plain(label), key=f"rank-open-{label}", on_click=_open, args=(task, str(label)))
        reproduction_bundle.bundle_button(
            "Perturb: ranking",
            dataset=task.dataset.info,
            settings={"desired_effect": words, "cells": group, "task": task.config.model_dump(mode="json")},
            seed=0,
            sentence=f"{len(table):,} perturbations were ranked by their predicted effect ({words}), as predicted by "
            f"{source.title(task, kind)} "
            f"for control cells ({group})",
        )


def _ties(table: pd.DataFrame) -> None:
    """Say when a baseline has the same answer for many: a ranking of ties is none."""
    top = table["score"].round(6)
    same = int((top == top.mode().iloc[0]).sum())
    if same > max(3, 0.2 * len(table)):
        st.warning(
            f"{same:,} of {len(table):,} perturbations have the same score: this predictor tells genes apart only "
            "where they "
            "were measured. Among those the order means nothing.",
            icon=":material/balance:",
        )


def _open(task: Task, label: str) -> None:
    done: Any = task.perturbation(label)
    for part in ("gene", "with", "condition"):
        st.session_state.pop(part, None)
        st.query_params.pop(part, None)
    if done.kind == "condition":
        st.session_state["condition"] = label
    else:
        for part, gene in zip(("gene", "with"), done.targets, strict=False):
            st.session_state[part] = gene
    st.session_state[layout.view_key("perturb")] = "One perturbation"
