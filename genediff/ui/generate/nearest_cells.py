"""A generated cell and its nearest real cells: is it new, or a copy of a training cell?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import streamlit as st

from genediff.data.cells.view import in_genes
from genediff.evaluation.nearest import Nearness, Neighbours, nearest, nearness
from genediff.plots.generated_detail_plots import nearest_distances, neighbours_map
from genediff.ui.generate.generate_job import log_values, mark_of
from genediff.ui.kit import background, explain, inspection_cache, tables
from genediff.ui.kit.figures import show_figure

if TYPE_CHECKING:
    from collections.abc import Callable

    from genediff.data import Dataset
    from genediff.models.model_info import ModelInfo
    from genediff.ui.generate.generate_job import Job

SUSPICIOUS = 0.01


def show(job: Job, dataset: Dataset, info: ModelInfo, *, name: str) -> None:
    """Let the reader pick a generated cell, and draw its neighbours and how unusual its distance is."""
    assert job.cells is not None
    view = in_genes(dataset, list(job.cells.var_names))

    def make(report: Callable[[float], None]) -> tuple[np.ndarray, Nearness]:
        pcs = view.project(log_values(job.cells, view))
        report(0.3)
        return pcs, nearness(pcs, view)

    pcs, found = background.finished(
        "Measuring distances to training cells",
        ("nearness", mark_of(job.request), *inspection_cache.key(info, dataset)),
        make,
    )
    cell = _pick(found, job.cells.n_obs)
    near = {part: nearest(pcs[cell], view, part) for part in ("train", "test")}
    _say(found, cell)
    left, right = st.columns([0.52, 0.48], gap="medium")
    with left:
        if job.xy is not None:
            show_figure(
                neighbours_map(
                    dataset.umap, job.xy[cell], dataset.umap[near["train"].rows], dataset.umap[near["test"].rows]
                ),
                name=f"{name}-cell-{cell}",
                key="nearest_map",
                how_to_read="The generated cell and its five nearest training and held-out cells. Neighbours are found "
                "in principal-component space; on the map they may lie apart.",
            )
        else:
            st.caption("There is no map of these cells; the table lists the neighbours.")
    with right:
        show_figure(
            nearest_distances(found.held_out, found.generated, float(found.generated[cell])),
            name=f"{name}-distances",
            key="nearest_distances",
            how_to_read="Distance to the nearest training cell. Held-out real cells show what to expect of a new cell; "
            "copies accumulate at zero, cells unlike any training cell lie far to the right.",
        )
    tables.show(_table(job, view, cell, near), "nearest", height="content")
    explain.how_to_read(
        "Distance: in the principal components of the training cells. Correlation: of log-normalised expression over "
        "the selected genes. With sparse counts even two cells of one type correlate weakly."
    )


def _pick(found: Nearness, n: int) -> int:
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        cell = st.number_input("Generated cell", 0, n - 1, 0, key="cell", bind="query-params", width=180)
        for title, place in (
            ("Closest to a training cell", int(found.generated.argmin())),
            ("Typical", int(np.argsort(found.generated)[n // 2])),
            ("Farthest", int(found.generated.argmax())),
        ):
            st.button(title, key=f"cell-{title}", on_click=_go, args=(place,))
    return int(cell)


def _go(cell: int) -> None:
    st.session_state["cell"] = cell


def _say(found: Nearness, cell: int) -> None:
    share = found.closer_than(cell)
    suspicious = int((found.shares < SUSPICIOUS).sum())
    expected = SUSPICIOUS * len(found.generated)
    text = (
        f"Cell {cell}: distance **{found.generated[cell]:.2f}** to its nearest training cell; {share:.1%} of held-out "
        f"real cells are closer (median {np.median(found.held_out):.2f}). Of all {len(found.generated):,} generated "
        f"cells, {suspicious:,} are closer than the 1st percentile of held-out distances ({expected:.0f} expected)."
    )
    box = st.warning if share < SUSPICIOUS else st.info
    box(text, icon=":material/content_copy:" if share < SUSPICIOUS else ":material/straighten:")


def _table(job: Job, view: Dataset, cell: int, near: dict[str, Neighbours]) -> pd.DataFrame:
    assert job.cells is not None
    own = _dense(log_values(job.cells[[cell]], view))[0]  # (gene,)
    parts = []
    for part, title in (("train", "training"), ("test", "held-out (test)")):
        found = near[part]
        columns: dict[str, Any] = {"part": title, "cell": view.obs.index[found.rows].astype(str)}
        if view.info.label is not None:
            columns[view.info.label] = view.obs[view.info.label].astype(str).to_numpy()[found.rows]
        columns["distance"] = found.distances.round(2)
        columns["correlation"] = [round(float(np.corrcoef(own, one)[0, 1]), 3) for one in _dense(view.x_of(found.rows))]
        parts.append(pd.DataFrame(columns))
    return pd.concat(parts, ignore_index=True)


def _dense(x: Any) -> np.ndarray:
    return np.asarray(x.toarray() if hasattr(x, "toarray") else x)
