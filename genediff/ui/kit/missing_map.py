"""Where the map of a data set would be: it is drawn right now, or it can be."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import streamlit as st

from genediff.core.errors import InputError
from genediff.runs import MapJob, Run, list_runs, submit
from genediff.runs.kinds.import_run import BASELINES
from genediff.runs.kinds.map_run import STAGE
from genediff.ui.kit import caching, explain

if TYPE_CHECKING:
    from genediff.data import Dataset


def show(dataset: Dataset, without: str) -> None:
    """Show how far the drawing is, or offer it; `without` says in a sentence what the page does meanwhile."""
    run = _newest(dataset.info.id)
    if run is not None and not _is_over(run):
        with st.container(border=True):
            st.fragment(_watch, run_every="1s")(run, without)
        return
    if run is not None and run.status.state in ("failed", "lost"):
        st.error(f"The UMAP was not computed: {explain.plain(run.status.message)}", icon=":material/error:")
    with st.container(border=True):
        st.markdown(f"**The UMAP of these cells has not been computed yet.** {without}")
        if st.button(
            "Compute the UMAP",
            icon=":material/scatter_plot:",
            help="In the background; it takes some seconds.",
        ):
            try:
                submit(MapJob(dataset.info.id), caching.workspace(), name=f"Map of {dataset.info.name}")
            except InputError as error:
                explain.show_input_error(error)
                return
            st.rerun(scope="app")


def _newest(dataset_id: str) -> Run | None:
    """Return the last run that drew, or is to draw, the map of a data set."""
    for run in list_runs(caching.workspace()):
        if run.kind == "map" and run.config.get("dataset_id") == dataset_id:
            return run
        if run.kind == "import" and run.result.get("dataset_id") == dataset_id:
            return run
    return None


def _is_over(run: Run) -> bool:
    """Say whether the map is drawn, or will not be: an import goes on to other things after it."""
    return run.status.has_ended or run.status.stage == BASELINES


def _watch(run: Run, without: str) -> None:
    status = run.status
    if _is_over(run):
        st.rerun(scope="app")
    share = (status.fraction or 0.0) if status.stage == STAGE else 0.0
    if share and status.seconds_left:
        so_far = f"about {status.seconds_left:.0f} s left"
    else:  # the layout, which takes most of the time, does not say how far it is
        so_far = f"{time.time() - _begun(run):.0f} s so far; usually about ten seconds, longer for many cells"
    st.progress(share, text=f"Computing the UMAP … {so_far}")
    st.caption(f"{without} Other pages can be used meanwhile.")
    if st.button("Cancel", icon=":material/stop:", help="The cells stay; the UMAP can be computed later."):
        run.cancel()
        st.rerun(scope="app")


def _begun(run: Run) -> float:
    return next((event.time for event in run.events().items if event.stage == STAGE), time.time())
