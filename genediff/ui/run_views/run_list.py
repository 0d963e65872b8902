"""All training runs of the workspace in a few lines each: what runs, what waits and in which place, what ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from genediff.runs import list_runs
from genediff.ui.kit import caching, state
from genediff.ui.run_views import run_actions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from genediff.runs import Run

SHOWN = 6


def training_runs() -> list[Run]:
    """Return the runs that train or adapt models, the newest first."""
    return [run for run in list_runs(caching.workspace()) if run.kind in ("train", "adapt")]


def show(runs: Sequence[Run], *, chosen: str | None = None) -> None:
    """Draw the list, redrawn every two seconds while anything in it goes on; the `chosen` run is left out."""
    shown = [run for run in runs if run.id != chosen]
    if not shown:
        return
    busy = any(not run.status.has_ended for run in shown)
    st.subheader("Other runs" if chosen else "Runs", anchor=False)
    st.fragment(_rows, run_every="2s" if busy else None)(shown)


def _rows(runs: Sequence[Run]) -> None:
    here = [run for run in runs if run.folder.exists()]
    for run in here[:SHOWN]:
        run_actions.row(run, run_actions.where(run, run.status), open_run=_open)
    if len(here) > SHOWN:
        with st.expander(f"{len(here) - SHOWN} older runs"):
            for run in here[SHOWN:]:
                run_actions.row(run, run_actions.where(run, run.status), open_run=_open)


def _open(run_id: str) -> None:
    state.choose(run=run_id)
