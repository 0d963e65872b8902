"""One run on the page: where it stands, its losses as they come, and what can be done with it now.

Everything is read from the run's folder once a second, so the view is the same after a reload or a server restart.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import streamlit as st

from genediff.errors import InputError
from genediff.evaluation import Evaluation
from genediff.model_info import EVALUATION_FILE
from genediff.plots.style import style
from genediff.plots.training import Curve, live_losses, loss_curves
from genediff.runs import LOCAL, Event, Run, submit, without_repeats
from genediff.ui import caching, downloads, explain, frame, gain_view, state, trust_panel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from genediff.adaptation import AdaptConfig
    from genediff.config import RunConfig
    from genediff.runs import Status

Colour = Literal["green", "blue", "orange", "red", "gray"]

STATES: dict[str, tuple[str, Colour, str]] = {
    "queued": ("waiting", "orange", ":material/hourglass_top:"),
    "running": ("running", "blue", ":material/play_arrow:"),
    "finished": ("finished", "green", ":material/check:"),
    "cancelled": ("cancelled", "gray", ":material/stop:"),
    "failed": ("failed", "red", ":material/error:"),
    "lost": ("worker lost", "red", ":material/link_off:"),
}
STAGES = {
    "autoencoder": "Autoencoder: learns to describe cells in tokens, and tokens as counts",
    "flow": "Flow: learns the way from noise to cells",
    "scratch autoencoder": "For comparison, an autoencoder from scratch with the same budget",
    "scratch flow": "For comparison, a flow from scratch with the same budget",
    "evaluation": "Evaluation: generated cells against held-out ones",
}
LOSSES = {
    "autoencoder": "Autoencoder (negative log-likelihood per gene)",
    "flow": "Flow (squared error of the velocity)",
    "scratch autoencoder": "From scratch: autoencoder",
    "scratch flow": "From scratch: flow",
}


# Streamlit's sign of activity would blink with every look at the run.
QUIET = "<style>[data-testid='stStatusWidget'] { visibility: hidden; }</style>"


@dataclass(frozen=True)
class History:
    """The events of a run that were read so far, and where to read on."""

    events: tuple[Event, ...] = ()
    since: int = 0


def show(run: Run) -> None:
    """Draw a run: its name, and below it what changes, redrawn every second while it goes on."""
    ended = run.status.has_ended
    if not ended:
        st.html(QUIET)
    st.fragment(_body, run_every=None if ended else "1s")(run, ended)


def curves_of(events: Iterable[Event]) -> list[Curve]:
    """Gather the losses of each stage, in order of training, without what a resumed worker did again.

    Parameters
    ----------
    events
        The run's events in order; only steps with a loss or a validation loss are drawn.
    """
    by_stage: dict[str, list[Event]] = {}
    for event in without_repeats(events):
        if event.loss is not None or event.validation is not None:
            by_stage.setdefault(event.stage, []).append(event)
    return [_curve(stage, steps) for stage, steps in by_stage.items()]


def duration(seconds: float | None) -> str:
    """Write a duration as people say it: "45 s", "3 min", "2 h 10 min"; "–" when unknown."""
    if seconds is None or not np.isfinite(seconds):
        return "–"
    if seconds < 60:
        return f"{max(round(seconds), 1)} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def badge(state_name: str) -> None:
    """Draw the state of a run as a coloured word."""
    word, colour, icon = STATES.get(state_name, (state_name, "gray", ":material/help:"))
    st.badge(word, color=colour, icon=icon)


def place_in_queue(run: Run) -> str:
    """Say how many runs come before a waiting one, or what the cluster says of its place."""
    if run.on_cluster:
        return run.status.message or "SLURM has taken it"
    ahead = len(run.ahead())
    if ahead == 0:
        return "next in the queue; its worker is starting"
    return "1 run before it" if ahead == 1 else f"{ahead} runs before it"


def model_of(run: Run) -> str | None:
    """Return the id of the model that a finished run has put into the library, while it is there."""
    known = {info.id for info in caching.workspace().list_models()}
    return run.id if run.id in known else None


def _body(run: Run, had_ended: bool) -> None:
    status = run.status
    if status.has_ended and not had_ended:
        st.rerun()  # the whole page: links to the model appear, and the clock stops
    _heading(run, status)
    if run.on_cluster and status.state == "running":
        st.caption(f":material/dns: {explain.plain(run.look().sentence)} Profile “{explain.plain(run.profile)}”.")
    _message(run, status)
    if status.stage is not None and status.state != "finished":
        _progress(run, status)
    history = _read(run)
    curves = curves_of(history.events)
    if curves:
        st.echarts_chart(live_losses(curves), height=320, key=f"loss-{run.id}")
        text, button = st.columns([0.84, 0.16])
        with text:
            explain.how_to_read(
                "Lower is better, within a panel: stages measure different things. Held-out cells are never trained "
                "on, and judged with averaged weights, so the curves may lie apart; when theirs turns up while the "
                "training curve falls, the model has begun to learn cells by heart."
            )
        if status.has_ended:
            with button:
                downloads.figure_downloads(style(loss_curves(curves), height=320), name=f"{run.id}-losses")
    elif status.state == "running":
        st.skeleton(height=300)
    _logs(run)


def _logs(run: Run) -> None:
    worker = run.log_tail(200) or "Nothing was printed yet."
    title = "Logs of the worker and of SLURM" if run.on_cluster else "Log of the worker"
    with st.expander(title, icon=":material/terminal:"):
        if not run.on_cluster:
            st.code(worker, language=None, height=260)
            return
        logs = {"The worker": worker, **run.backend_logs()}
        for tab, text in zip(st.tabs(list(logs)), logs.values(), strict=True):
            tab.code(text, language=None, height=260)


def _heading(run: Run, status: Status) -> None:
    left, right = st.columns([0.7, 0.3], vertical_alignment="center")
    with left, st.container(horizontal=True, vertical_alignment="center"):
        st.subheader(run.name, anchor=False, width="content")
        badge(status.state)
    with right, st.container(horizontal=True, horizontal_alignment="right"):
        _actions(run, status)


def _actions(run: Run, status: Status) -> None:
    if not status.has_ended:
        st.button("Cancel", icon=":material/stop:", key=f"cancel-{run.id}", on_click=_tell, args=(run.cancel,))
        return
    if status.state != "finished":
        st.button(
            "Resume",
            icon=":material/play_arrow:",
            type="primary",
            key=f"resume-{run.id}",
            on_click=_tell,
            args=(run.resume,),
        )
    st.button("Delete run", icon=":material/delete:", key=f"delete-{run.id}", on_click=_delete, args=(run,))


def _message(run: Run, status: Status) -> None:
    if problem := st.session_state.pop("run_problem", None):
        st.error(problem)
    if status.state in ("failed", "lost"):
        st.error(status.message or "The worker ended without a word; the log may say why.")
    elif status.state == "queued" and run.on_cluster:
        st.info(explain.plain(place_in_queue(run)), icon=":material/dns:")
        st.caption(
            f"Profile “{explain.plain(run.profile)}”. The order is SLURM's own and may change as others submit; where "
            "a cluster hides other people's jobs they cannot be counted. You can close this page."
        )
    elif status.state == "queued":
        st.info(f"Waiting for the device: {place_in_queue(run)}. One run uses a device at a time.")
    elif status.state == "cancelled":
        st.warning(status.message or "Cancelled; its checkpoint is kept. Resume goes on from there.")
    elif status.state == "finished":
        _finished(run, status)
    elif status.message:
        st.caption(status.message)


def _finished(run: Run, status: Status) -> None:
    took = duration(status.ended - status.started) if status.ended and status.started else "–"
    model = model_of(run)
    if model is None:
        st.success(f"Finished in {took}. Its model is no longer in the library.")
        return
    st.success(f"Finished in {took}. The model is in the library.")
    folder = caching.workspace().model_folder(model)
    gain_view.show(folder)
    judged = folder / EVALUATION_FILE
    if judged.exists():
        trust_panel.verdict(Evaluation.read(judged))
    else:
        st.warning(status.message or "The model was not judged.")
    with st.container(horizontal=True):
        frame.link("generate", "Generate cells with it", icon=":material/auto_awesome:", model=model)
        frame.link("models", "See the model and its figures", icon=":material/deployed_code:", model=model)


def _progress(run: Run, status: Status) -> None:
    stage = status.stage or ""
    done = "" if status.step is None or not status.total else f" · {status.step:,} of {status.total:,}"
    st.progress(status.fraction or 0.0, text=f"{STAGES.get(stage, stage.capitalize())}{done}")
    if status.state != "running":
        return
    facts = st.columns(5)
    rate = "–" if status.cells_per_second is None else f"{status.cells_per_second:,.0f}"
    facts[0].metric("Loss", _number(status.loss))
    facts[1].metric("Loss on held-out cells", _number(status.validation))
    facts[2].metric("Cells per second", rate)
    facts[3].metric("Left in this stage", duration(status.seconds_left))
    facts[4].metric("Device", status.device or "–")


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"


def _read(run: Run) -> History:
    """Return all events so far, reading only what is new: a long run has hundreds of thousands."""
    key = f"history-{run.id}"
    known: History = st.session_state.get(key, History())
    fresh = run.events(known.since)
    replaced = fresh.since < known.since
    history = History(fresh.items if replaced else known.events + fresh.items, fresh.since)
    st.session_state[key] = history
    return history


def _curve(stage: str, events: Sequence[Event]) -> Curve:
    steps = [e for e in events if e.loss is not None]
    looks = [e for e in events if e.validation is not None]
    return Curve(
        title=LOSSES.get(stage, stage.capitalize()),
        steps=np.array([e.step or 0 for e in steps]),
        loss=np.array([e.loss for e in steps], dtype=float),
        validation_steps=np.array([e.step or 0 for e in looks]),
        validation=np.array([e.validation for e in looks], dtype=float),
        total_steps=max((e.total or 0 for e in events), default=0),
    )


def _delete(run: Run) -> None:
    _tell(run.delete)
    if not run.folder.exists():
        state.forget("run")


def _tell(act: Callable[[], object]) -> None:
    try:
        act()
    except InputError as error:
        st.session_state["run_problem"] = str(error)


def begin(config: RunConfig | AdaptConfig, profile: str = LOCAL) -> None:
    """Start a run and go to it; what stands in the way is shown beside the button."""
    try:
        state.choose(run=submit(config, caching.workspace(), profile=profile).id)
    except InputError as error:
        st.session_state["start_problem"] = str(error)


def leave() -> None:
    """Go back from a run to the form."""
    state.forget("run")
