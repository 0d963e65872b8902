"""All training runs of the workspace in a few lines each: what runs, what waits and in which place, what ended."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import streamlit as st

from genediff.runs import list_runs
from genediff.ui import caching, run_view, state

if TYPE_CHECKING:
    from collections.abc import Sequence

    from genediff.runs import Run, Status

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
    for run in runs[:SHOWN]:
        _row(run)
    if len(runs) > SHOWN:
        with st.expander(f"{len(runs) - SHOWN} older runs"):
            for run in runs[SHOWN:]:
                _row(run)


def _row(run: Run) -> None:
    if not run.folder.exists():
        return
    status = run.status
    name, where, what = st.columns([0.42, 0.43, 0.15], vertical_alignment="center")
    with name, st.container(horizontal=True, vertical_alignment="center"):
        run_view.badge(status.state)
        st.markdown(f"**{run.name}**", width="content")
    where.caption(_where(run, status))
    what.button("Open", key=f"open-{run.id}", width="stretch", on_click=_open, args=(run.id,))


def _where(run: Run, status: Status) -> str:
    if status.state == "queued":
        place = run_view.place_in_queue(run)
        return place[:1].upper() + place[1:]
    if status.state == "running":
        step = "" if status.step is None else f" · step {status.step:,} of {status.total or 0:,}"
        return f"{(status.stage or 'starting').capitalize()}{step} · {run_view.duration(status.seconds_left)} left"
    ago = run_view.duration(time.time() - (status.ended or run.created.timestamp()))
    return f"{ago} ago. {status.message}"


def _open(run_id: str) -> None:
    state.choose(run=run_id)
