"""The state of a run, and what can be done with it: the same words and buttons wherever a run is shown."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Literal

import numpy as np
import streamlit as st

from genediff.core.disk_errors import disk_errors
from genediff.core.errors import InputError
from genediff.ui.kit import explain

if TYPE_CHECKING:
    from collections.abc import Callable

    from genediff.runs import Run, Status

Colour = Literal["green", "blue", "orange", "red", "gray"]

STATES: dict[str, tuple[str, Colour, str]] = {
    "queued": ("waiting", "orange", ":material/hourglass_top:"),
    "running": ("running", "blue", ":material/play_arrow:"),
    "finished": ("finished", "green", ":material/check:"),
    "cancelled": ("cancelled", "gray", ":material/stop:"),
    "failed": ("failed", "red", ":material/error:"),
    "lost": ("worker lost", "red", ":material/link_off:"),
}
# Streamlit's sign of activity would blink with every look at the run.
QUIET = "<style>[data-testid='stStatusWidget'] { visibility: hidden; }</style>"
_PROBLEM = "run_problem"


def badge(state: str) -> None:
    """Draw the state of a run as a coloured word."""
    word, colour, icon = STATES.get(state, (state, "gray", ":material/help:"))
    st.badge(word, color=colour, icon=icon)


def word(state: str) -> str:
    """Return the state of a run as a coloured word for Markdown."""
    text, colour, _ = STATES.get(state, (explain.plain(state), "gray", ""))
    return f":{colour}[{text}]"


def heading(run: Run, status: Status, *, when_deleted: Callable[[], object], help: str | None = None) -> None:
    """Draw a run's name and state, and beside them what can be done with it.

    Parameters
    ----------
    when_deleted
        Called once the run is gone, so that the page shows something else.
    help
        What deleting removes.
    """
    left, right = st.columns([0.7, 0.3], vertical_alignment="center")
    with left, st.container(horizontal=True, vertical_alignment="center"):
        st.subheader(explain.plain(run.name), anchor=False, width="content")
        badge(status.state)
    with right, st.container(horizontal=True, horizontal_alignment="right"):
        actions(run, status, when_deleted=when_deleted, help=help)


def actions(run: Run, status: Status, *, when_deleted: Callable[[], object], help: str | None = None) -> None:
    """Draw the buttons of a run: Cancel while it goes on, then Resume (unless it finished) and Delete run."""
    if not status.has_ended:
        st.button("Cancel", icon=":material/stop:", key=f"cancel-{run.id}", on_click=act, args=(run.cancel,))
        return
    if status.state != "finished":
        st.button("Resume", icon=":material/play_arrow:", type="primary", key=f"resume-{run.id}", on_click=act,
                  args=(run.resume,))  # fmt: skip
    st.button("Delete run", icon=":material/delete:", key=f"delete-{run.id}", help=help, on_click=_delete,
              args=(run, when_deleted))  # fmt: skip


def message(run: Run, status: Status) -> None:
    """Say what there is to know of a run that has not finished; nothing for one that has."""
    if problem := st.session_state.pop(_PROBLEM, None):
        explain.show_input_error(problem)
    if status.state in ("failed", "lost"):
        explain.show_input_error(status.message or "The worker ended without a message; its log may show the cause.")
    elif status.state == "queued" and run.on_cluster:
        st.info(explain.plain(place_in_queue(run)), icon=":material/dns:")
        st.caption(
            f"Profile “{explain.plain(run.profile)}”. SLURM decides the order, which may change as others submit; "
            "clusters that hide other users' jobs do not show how many are waiting. You can close this page."
        )
    elif status.state == "queued":
        st.info(f"Waiting for the device: {place_in_queue(run)}. One run uses a device at a time.")
    elif status.state == "cancelled":
        st.warning(explain.plain(status.message or "Cancelled. Resume continues from the last checkpoint."))
    elif status.state == "running" and status.message:
        st.caption(explain.plain(status.message))


def row(run: Run, where: str, *, open_run: Callable[[str], None]) -> None:
    """Draw a run in one line: its state and name, a few words on it, and a button that opens it."""
    name, about, what = st.columns([0.42, 0.43, 0.15], vertical_alignment="center")
    with name, st.container(horizontal=True, vertical_alignment="center"):
        badge(run.status.state)
        st.markdown(f"**{explain.plain(run.name)}**", width="content")
    about.caption(explain.plain(where))
    what.button("Open", key=f"open-{run.id}", width="stretch", on_click=open_run, args=(run.id,))


def where(run: Run, status: Status) -> str:
    """Say in a few words how far a run is, or how it ended."""
    if status.state == "queued":
        place = place_in_queue(run)
        return place[:1].upper() + place[1:]
    if status.state == "running":
        step = "" if status.step is None else f" · step {status.step:,} of {status.total or 0:,}"
        return f"{(status.stage or 'starting').capitalize()}{step} · {duration(status.seconds_left)} left"
    ago = duration(time.time() - (status.ended or run.created.timestamp()))
    return f"{ago} ago. {status.message}"


def duration(seconds: float | None) -> str:
    """Write a duration as people say it: "45 s", "3 min", "2 h 10 min"; "–" when unknown."""
    if seconds is None or not np.isfinite(seconds):
        return "–"
    if seconds < 60:
        return f"{max(round(seconds), 1)} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def took(status: Status) -> str:
    """Return how long an ended run took."""
    return duration(status.ended - status.started) if status.ended and status.started else "–"


def place_in_queue(run: Run) -> str:
    """Say how many runs come before a waiting one, or what the cluster says of its place."""
    if run.on_cluster:
        return run.status.message or "SLURM has taken it"
    ahead = len(run.ahead())
    if ahead == 0:
        return "next in the queue; its worker is starting"
    return "1 run before it" if ahead == 1 else f"{ahead} runs before it"


def act(what: Callable[[], object]) -> None:
    """Do something with a run; what stands in the way is shown by `message` when the page is drawn next."""
    try:
        with disk_errors():
            what()
    except InputError as error:
        st.session_state[_PROBLEM] = str(error)


def _delete(run: Run, when_deleted: Callable[[], object]) -> None:
    act(run.delete)
    if not run.folder.exists():
        when_deleted()
