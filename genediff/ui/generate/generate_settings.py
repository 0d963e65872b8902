"""The same model and seed at several guidances or numbers of steps, side by side with their evaluation."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import streamlit as st

from genediff.evaluation import METRICS
from genediff.plots.generated_detail_plots import settings_maps
from genediff.ui.generate import generate_job
from genediff.ui.kit import explain, obs_columns
from genediff.ui.kit.figures import show_figure

if TYPE_CHECKING:
    from genediff.data import Dataset
    from genediff.evaluation import Evaluation
    from genediff.models.generate_request import GenerateRequest
    from genediff.models.model_info import ModelInfo
    from genediff.ui.generate.generate_job import Job

GUIDANCE, STEPS = "guidance", "n_steps"
WORDS = {GUIDANCE: "Guidance", STEPS: "Steps"}
VALUES: dict[str, tuple[float, ...]] = {GUIDANCE: (0.5, 1.0, 1.5, 2.0, 3.0, 5.0), STEPS: (2, 5, 10, 20, 50)}
FIRST: dict[str, list[float]] = {GUIDANCE: [1.0, 2.0, 3.0], STEPS: [2, 5, 10]}
MOST, LEAST = 4, 2
CELLS = 500  # of each setting: enough for a verdict, few enough to be quick
COLUMNS = ("c2st_pcs", "c2st_genes", "w2_debiased", "recall")


def show(job: Job, dataset: Dataset, info: ModelInfo, *, name: str) -> None:
    """Ask for two to four values of one option, make the cells, and show maps and figures beside each other."""
    wanted = _ask(job.request)
    if wanted is None:
        return
    varied, requests = wanted
    mark = hashlib.sha256(repr(requests).encode()).hexdigest()[:10]
    if st.query_params.get("compared") != mark:
        st.button("Generate and evaluate", type="primary", icon=":material/compare:", on_click=_begin, args=(mark,))
        st.caption(
            f"{len(requests)} × {next(iter(requests.values())).n:,} cells with seed {job.request.seed}; each takes "
            "about as "
            "long as one generation."
        )
        return
    jobs = {title: generate_job.start(request) for title, request in requests.items()}
    for one in jobs.values():
        if not one.ended:
            generate_job.watch(one)
            st.stop()
        if one.problem or one.cancelled:
            st.error(one.problem or "Cancelled. Choose other settings, or press **Generate** again.")
            return
    _figures(jobs, WORDS[varied])
    placed = {title: one for title, one in jobs.items() if generate_job.placed(one, dataset) is not None}
    if placed:
        _maps(placed, dataset, name)


def _ask(request: GenerateRequest) -> tuple[str, dict[str, GenerateRequest]] | None:
    left, right = st.columns([0.25, 0.75], vertical_alignment="bottom")
    with left:
        varied = st.segmented_control(
            "Vary", list(WORDS), default=GUIDANCE, required=True, format_func=lambda one: WORDS[one],
            key="vary", bind="query-params",
        )  # fmt: skip
    with right:
        values = st.pills(
            f"{WORDS[varied]} (two to four)", VALUES[varied], selection_mode="multi", default=FIRST[varied],
            key=f"vary_{varied}", bind="query-params", format_func=lambda value: f"{value:g}",
        )  # fmt: skip
    if varied == STEPS and request.sampler == "dopri5":
        st.info("The solver dopri5 chooses its own steps; choose another sampler to compare numbers of steps.")
        return None
    if not LEAST <= len(values) <= MOST:
        st.info("Choose two to four values.")
        return None
    few = replace(request, n=min(request.n, CELLS))
    requests = {}
    for value in sorted(values):
        changed = replace(few, guidance=float(value)) if varied == GUIDANCE else replace(few, n_steps=int(value))
        requests[f"{WORDS[varied].lower()} {value:g}"] = changed
    return varied, requests


def _begin(mark: str) -> None:
    st.query_params["compared"] = mark


def _figures(jobs: dict[str, Job], title: str) -> None:
    judged = {name: one.evaluation for name, one in jobs.items() if one.evaluation is not None}
    if not judged:
        st.info(next(iter(jobs.values())).unjudged or "These cells could not be evaluated.")
        return
    rows = [_row(name, evaluation, "model", jobs[name].seconds) for name, evaluation in judged.items()]
    rows.append(_row("real vs. real", next(iter(judged.values())), "floor", None))
    table = pd.DataFrame(rows).rename(columns={"setting": title.lower()})
    st.dataframe(table, hide_index=True, height="content")
    best = min(judged, key=lambda name: _mean(judged[name], "c2st_pcs"))
    explain.how_to_read(
        "AUC: a classifier separates generated from real cells (0.5 = indistinguishable). Wasserstein distance²: 0 is "
        "best. Coverage: share of real cells with a generated cell nearby. ± is one standard deviation over "
        "comparisons; smaller differences are noise. By the first column “" + explain.plain(best) + "” is closest to "
        "real cells. Higher guidance makes cells more typical and less varied, which lowers coverage."
    )


def _row(name: str, evaluation: Evaluation, row: str, seconds: float | None) -> dict[str, object]:
    found: dict[str, object] = {"setting": name}
    for metric in COLUMNS:
        score = evaluation.score(row, metric)
        found[METRICS[metric].title] = "–" if score is None else METRICS[metric].text(score.mean, score.sd)
    found["seconds"] = None if seconds is None else round(seconds, 1)
    return found


def _mean(evaluation: Evaluation, metric: str) -> float:
    score = evaluation.score("model", metric)
    return float("inf") if score is None else score.mean


def _maps(jobs: dict[str, Job], dataset: Dataset, name: str) -> None:
    label = dataset.info.label
    levels = obs_columns.classes(dataset, label)[1] if label is not None else ()
    panels = {}
    for title, one in jobs.items():
        assert one.cells is not None and one.xy is not None
        if label is not None and label in one.cells.obs:
            codes = pd.Categorical(one.cells.obs[label].astype(object), categories=list(levels)).codes
        else:
            codes = np.full(one.cells.n_obs, -1)
        panels[title] = (one.xy, np.asarray(codes))
    show_figure(
        settings_maps(dataset.umap, panels, levels),
        name=f"{name}-settings",
        key="settings_maps",
        how_to_read="Generated cells of each setting over real ones (grey), from the same noise: only the setting "
        "differs. Small differences are seen in the table, not on the map.",
    )
