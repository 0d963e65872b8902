"""One run on the page: where it stands, its losses as they come, and what can be done with it now.

Everything is read from the run's folder once a second, so the view is the same after a reload or a server restart.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from genediff.core.errors import InputError
from genediff.evaluation import Evaluation
from genediff.models.model_info import EVALUATION_FILE
from genediff.plots.generated_detail_plots import settings_maps
from genediff.plots.style import style
from genediff.plots.training_plots import Curve, live_losses, loss_curves, overlaid_curves
from genediff.runs import LOCAL, Event, Run, list_runs, submit, without_repeats
from genediff.training.training_samples import NEIGHBOURS, read_samples
from genediff.ui.kit import caching, downloads, explain, figures, layout, state
from genediff.ui.run_views import adaptation_gain_view, run_actions, trust_panel

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from genediff.models.config import RunConfig
    from genediff.runs import Status
    from genediff.training.adapt import AdaptConfig

STAGES = {
    "start": "Start: learns what a gene's own molecules say, before any token",
    "autoencoder": "Autoencoder: encodes cells as tokens and decodes tokens to counts",
    "flow": "Flow: learns to generate cells",
    "scratch autoencoder": "For comparison: autoencoder from scratch, same budget",
    "scratch flow": "For comparison: flow from scratch, same budget",
    "evaluation": "Evaluation: generated vs. held-out cells",
}
LOSSES = {
    "autoencoder": "Autoencoder (nats per cell)",
    "flow": "Flow (squared error)",
    "flow in counts": "Count space (nats per molecule)",
    "scratch autoencoder": "From scratch: autoencoder (nats per cell)",
    "scratch flow": "From scratch: flow",
}


@dataclass(frozen=True)
class History:
    """The events of a run that were read so far, and where to read on."""

    events: tuple[Event, ...] = ()
    since: int = 0


def show(run: Run) -> None:
    """Draw a run: its name, and below it what changes, redrawn every second while it goes on."""
    ended = run.status.has_ended
    if not ended:
        st.html(run_actions.QUIET)
    st.fragment(_body, run_every=None if ended else "1s")(run, ended)


def curves_of(events: Iterable[Event], *, space: str = "latent") -> list[Curve]:
    """Gather the losses of each stage, in order of training, without what a resumed worker did again.

    Parameters
    ----------
    events
        The run's events in order; only steps with a loss or a validation loss are drawn.
    space
        In which the model is trained: it decides what the loss is.
    """
    by_stage: dict[str, list[Event]] = {}
    for event in without_repeats(events):
        if event.loss is not None or event.validation is not None:
            by_stage.setdefault(event.stage, []).append(event)
    named = {"flow": "flow in counts"} if space == "counts" else {}
    return [_curve(named.get(stage, stage), steps) for stage, steps in by_stage.items()]


def model_of(run: Run) -> str | None:
    """Return the id of the model that a finished run has put into the library, while it is there."""
    known = {info.id for info in caching.workspace().list_models()}
    return run.id if run.id in known else None


def _body(run: Run, had_ended: bool) -> None:
    status = run.status
    if status.has_ended and not had_ended:
        st.rerun()  # the whole page: links to the model appear, and the clock stops
    run_actions.heading(run, status, when_deleted=leave)
    if run.on_cluster and status.state == "running":
        st.caption(f":material/dns: {explain.plain(run.look().sentence)} Profile “{explain.plain(run.profile)}”.")
    run_actions.message(run, status)
    if status.state == "finished":
        _finished(run, status)
    if status.stage is not None and status.state != "finished":
        _progress(run, status)
    history = _read(run)
    curves = curves_of(history.events, space=_space(run))
    if curves:
        st.echarts_chart(live_losses(curves), height=320, key=f"loss-{run.id}")
        text, button = st.columns([0.84, 0.16])
        with text:
            explain.how_to_read(
                "Lower is better, within a panel: the autoencoder's loss is its negative evidence bound, the flow's "
                "the squared error of what it predicts, in count space the surprise per molecule not yet read. "
                "Validation cells are not trained on and are evaluated with "
                "averaged weights, so the curves may lie apart. If validation loss rises while training loss falls, "
                "the model is overfitting."
            )
        if status.has_ended:
            with button:
                downloads.figure_downloads(style(loss_curves(curves), height=320), name=f"{run.id}-losses")
            _overlay(run, curves)
    elif not status.has_ended:
        st.skeleton(height=300)
    _samples(run)
    _logs(run)


def _overlay(run: Run, curves: list[Curve]) -> None:
    """Let the reader lay the losses of other runs over those of an ended one."""
    others = {one.id: one for one in list_runs(caching.workspace()) if one.kind == run.kind and one.id != run.id}
    if not others:
        return
    chosen = st.multiselect(
        "Overlay the losses of other runs", list(others), format_func=lambda one: f"{others[one].name} · {one}",
        key=f"overlay-{run.id}", max_selections=5, placeholder="Choose runs",
    )  # fmt: skip
    if not chosen:
        return
    shown = {run.name: curves}
    for one in chosen:
        name = others[one].name
        shown[f"{name} · {one}" if name in shown else name] = curves_of(
            others[one].events(0).items, space=_space(others[one])
        )
    figures.show_figure(
        overlaid_curves(shown),
        name=f"{run.id}-overlaid",
        how_to_read="Solid: validation, dotted: training loss. Comparable between runs on the same cells "
        "and genes with the same likelihood.",
    )


def _samples(run: Run) -> None:
    """Draw cells that the flow generated on its way among the real ones: the first, one between, and the last."""
    samples = read_samples(run.folder / "checkpoint")
    if not samples:
        return
    try:
        dataset = caching.dataset(str(run.config["dataset_id"]))
    except InputError:
        return
    shown = {one.step: one for one in (samples[0], samples[len(samples) // 2], samples[-1])}
    label = dataset.info.label
    st.markdown("**Generated cells during training**")
    figures.show_figure(
        settings_maps(
            dataset.umap,
            {f"{step:,} steps": (one.xy, one.nearest) for step, one in shown.items()},
            () if label is None else dataset.vocabulary(label),
        ),
        how_to_read=f"{len(samples[-1].xy)} generated cells among real ones (grey), each at the position of its "
        f"nearest training cell and in the colour of the commonest type among its {NEIGHBOURS} nearest. Cells that are "
        "far from all real ones are drawn among them too; the distance below shows how far.",
        name=f"{run.id}-samples",
    )
    st.caption(
        "Median distance to the nearest training cell, in principal components: "
        + ", ".join(f"{one.distance:.1f} after {step:,} steps" for step, one in shown.items())
        + f"; validation cells {samples[-1].held_out:.1f}."
    )


def _logs(run: Run) -> None:
    worker = run.log_tail(200) or "No output yet."
    title = "Logs of the worker and of SLURM" if run.on_cluster else "Log of the worker"
    with st.expander(title, icon=":material/terminal:"):
        if not run.on_cluster:
            st.code(worker, language=None, height=260)
            return
        logs = {"The worker": worker, **run.backend_logs()}
        for tab, text in zip(st.tabs(list(logs)), logs.values(), strict=True):
            tab.code(text, language=None, height=260)


def _finished(run: Run, status: Status) -> None:
    took = run_actions.took(status)
    model = model_of(run)
    if model is None:
        st.success(f"Finished in {took}. Its model is no longer in the library.")
        return
    st.success(f"Finished in {took}. The model is in the library.")
    folder = caching.workspace().model_folder(model)
    adaptation_gain_view.show(folder)
    judged = folder / EVALUATION_FILE
    if judged.exists():
        trust_panel.verdict(Evaluation.read(judged))
    else:
        st.warning(explain.plain(status.message) if status.message else "The model was not evaluated.")
    with st.container(horizontal=True):
        layout.link("generate", "Generate cells", icon=":material/auto_awesome:", model=model)
        layout.link("models", "Model and evaluation", icon=":material/deployed_code:", model=model)


def _progress(run: Run, status: Status) -> None:
    stage = status.stage or ""
    done = "" if status.step is None or not status.total else f" · {status.step:,} of {status.total:,}"
    st.progress(status.fraction or 0.0, text=f"{STAGES.get(stage, explain.plain(stage.capitalize()))}{done}")
    if status.state != "running":
        return
    facts = st.columns(5)
    rate = "–" if status.cells_per_second is None else f"{status.cells_per_second:,.0f}"
    facts[0].metric("Loss", _number(status.loss))
    facts[1].metric("Validation loss", _number(status.validation))
    facts[2].metric("Cells per second", rate)
    facts[3].metric("Left in this stage", run_actions.duration(status.seconds_left))
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


def _space(run: Run) -> str:
    model = run.config.get("model")
    return str(model.get("space")) if isinstance(model, dict) else "latent"


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


def begin(config: RunConfig | AdaptConfig, profile: str = LOCAL) -> None:
    """Start a run and go to it; what stands in the way is shown beside the button."""
    try:
        state.choose(run=submit(config, caching.workspace(), profile=profile).id)
    except InputError as error:
        st.session_state["start_problem"] = str(error)


def leave() -> None:
    """Go back from a run to the form."""
    state.forget("run")
