"""Train a model of perturbations from the page, watch it, and list those that are here."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import streamlit as st

from genediff.core.errors import InputError
from genediff.data.simulation.planted import kept_truth
from genediff.models.response_config import DEFAULT_SOURCES, ResponseConfig
from genediff.perturbation.model.model_source import PLANTED, PLANTED_NETWORK
from genediff.perturbation.task_config import KINDS
from genediff.runs import list_runs, submit
from genediff.ui.kit import button_events, caching, choices, explain, layout
from genediff.ui.knowledge import knowledge_upload
from genediff.ui.perturb import perturb_prerequisites, task_choice
from genediff.ui.run_views import profile_choice, run_actions

if TYPE_CHECKING:
    from collections.abc import Callable

    from genediff.data import Dataset
    from genediff.models.response_info import ResponseInfo
    from genediff.runs import Run

_PROBLEM = "perturb_train_problem"
NONE = "none"
_SHOWN = 6


def show(dataset: Dataset) -> None:
    """Ask how to train, start it, and show runs and models."""
    with st.container(border=True):
        left, right = st.columns(2, gap="medium")
        with left:
            perturb_prerequisites.dataset_picker(dataset.info.id)
        config = _ask(dataset, right)
        if config is not None:
            profile = profile_choice.ask(key="perturb_profile")
            if button_events.pop_press("perturb"):
                _start(config, profile)
                st.rerun()
        if problem := st.session_state.pop(_PROBLEM, None):
            st.error(problem)
        if config is not None:
            st.button(
                "Start training", type="primary", icon=":material/play_arrow:", on_click=button_events.note,
                args=("perturb",), key="perturb-train",
            )  # fmt: skip
            st.caption(
                "Without a token model this takes seconds to some minutes on a CPU. The run is a process of its own: "
                "you can close this page and come back."
            )
    _runs(dataset)
    _models(dataset)


def _ask(dataset: Dataset, place: Any) -> ResponseConfig | None:
    with place:
        held = _schemes(dataset)
        if not held:
            st.error("These data hold too few perturbations to hold some out, so no model can be judged on them.")
            return None
        words = {scheme: KINDS[scheme].capitalize() for scheme in held}
        scheme = choices.select(
            "What is held out to judge it", words, key="scheme", help="Choose what you will ask the model for."
        )
    left, middle, right = st.columns(3, gap="medium")
    with left:
        networks = {NONE: "No network"}
        if kept_truth(dataset) is not None:
            networks["planted"] = "The planted network (simulated cells)"
        networks |= {item.id: item.title for item in caching.workspace().library().list("network")}
        network = choices.select(
            "Network that knock-outs run along", networks, key="trainnet",
            default="planted" if "planted" in networks else NONE,
        )  # fmt: skip
    with middle:
        bases = {NONE: "None: control cells are moved"} | {
            info.id: info.title for info in caching.workspace().list_models() if info.dataset_id == dataset.info.id
        }
        base = choices.select(
            "Token model for the flow", bases, key="base",
            help="A trained model of these cells, of any strategy: cells then flow along its tokens. Takes longer.",
        )  # fmt: skip
    with right:
        name = st.text_input("Name", key="perturb-name", placeholder=f"Perturbations of {dataset.info.name}")
    library = caching.workspace().library()
    known = {item.id: item.title for item in library.list()}
    priors = st.multiselect(
        "Gene priors: which genes are alike", list(known), default=[one for one in DEFAULT_SOURCES if one in known],
        format_func=lambda one: known[one], key="priors",
        help="Genes that were never perturbed are predicted from perturbed genes that share sets, regulators, targets "
        "or embeddings with them. How much each source counts is decided by perturbations that are left out.",
    )  # fmt: skip
    knowledge_upload.embedding_button(library)
    task = task_choice.reader().usual(dataset, scheme=scheme)
    for note in task.notes:
        st.caption(f":material/info: {explain.plain(note)}")
    return ResponseConfig(
        name=name or f"Perturbations of {dataset.info.name}",
        dataset_id=dataset.info.id,
        task=task.config.model_dump(mode="json"),
        network=None if network == NONE else network,
        base_id=None if base == NONE else base,
        priors=tuple(priors),
    )


def _schemes(dataset: Dataset) -> list[str]:
    """Return what can be held out of these data, pairs first."""
    kinds = ("doubles", "unseen_single", "context", "cells")
    return [kind for kind in kinds if task_choice.reader().held_out(dataset, kind) is not None]


def _start(config: ResponseConfig, profile: str) -> None:
    try:
        submit(config, caching.workspace(), profile=profile)
    except InputError as error:
        st.session_state[_PROBLEM] = str(error)


def _runs(dataset: Dataset) -> None:
    runs = [
        run
        for run in list_runs(caching.workspace())
        if run.kind == "perturb" and run.config.get("dataset_id") == dataset.info.id
    ]
    if not runs:
        return
    st.subheader("Runs", anchor=False)
    busy = [run.id for run in runs if not run.status.has_ended]
    st.fragment(_rows, run_every="1s" if busy else None)(runs[:_SHOWN], busy)


def _rows(runs: list[Run], were_busy: list[str]) -> None:
    if any(run.id in were_busy and run.status.has_ended for run in runs):
        st.rerun()  # the whole page: the model stands in the list below
    for run in runs:
        if not run.folder.exists():
            continue
        status = run.status
        with st.container(border=True):
            left, right = st.columns([0.72, 0.28], vertical_alignment="center")
            with left, st.container(horizontal=True, vertical_alignment="center"):
                run_actions.badge(status.state)
                st.markdown(f"**{explain.plain(run.name)}**", width="content")
            with right, st.container(horizontal=True, horizontal_alignment="right"):
                _actions(run)
            if status.state == "running":
                stage = (status.stage or "starting").replace("_", " ").capitalize()
                st.progress(status.fraction or 0.0, text=f"{stage} · {run_actions.duration(status.seconds_left)} left")
            elif status.state == "queued":
                st.caption(run_actions.place_in_queue(run).capitalize())
            elif status.state in ("failed", "lost"):
                st.error(status.message or "The worker ended without a word.")
                with st.expander("Log of the worker"):
                    st.code(run.log_tail(100) or "Nothing was printed.", language=None)
            else:
                ago = run_actions.duration(time.time() - (status.ended or run.created.timestamp()))
                st.caption(f"{ago} ago. {explain.plain(status.message)}")


def _actions(run: Run) -> None:
    status = run.status
    if not status.has_ended:
        st.button("Cancel", key=f"perturb-cancel-{run.id}", icon=":material/stop:", on_click=_tell, args=(run.cancel,))
        return
    if status.state != "finished":
        st.button("Resume", key=f"perturb-resume-{run.id}", icon=":material/play_arrow:", on_click=_tell,
                  args=(run.resume,))  # fmt: skip
    st.button("Delete run", key=f"perturb-delete-{run.id}", icon=":material/delete:", type="tertiary", on_click=_tell,
              args=(run.delete,))  # fmt: skip


def _tell(act: Callable[[], object]) -> None:
    try:
        act()
    except InputError as error:
        st.session_state[_PROBLEM] = str(error)


def _models(dataset: Dataset) -> None:
    place = caching.workspace()
    found = [one for one in place.list_responses() if one.content_hash == dataset.info.content_hash]
    if not found:
        return
    st.subheader("Models of these cells", anchor=False)
    for info in found:
        with st.container(border=True):
            left, right = st.columns([0.72, 0.28], vertical_alignment="center")
            with left:
                built = f" · runs along {explain.plain(info.network)}" if info.network else ""
                origin = f" :gray[{place.origin(info.folder)}]" if info.shipped else ""
                st.markdown(f"**{explain.plain(info.title)}**{origin}{built}")
                st.caption(_tested(info))
            with right, st.container(horizontal=True, horizontal_alignment="right"):
                st.button("Predict with it", key=f"perturb-use-{info.id}", icon=":material/arrow_forward:",
                          on_click=_use, args=(info.id,))  # fmt: skip
                if not info.shipped:
                    st.button("Delete", key=f"perturb-drop-{info.id}", type="tertiary", icon=":material/delete:",
                              on_click=_drop, args=(info.id,))  # fmt: skip
    deleted = st.session_state.get("perturb_deleted")
    if deleted:
        st.button("Undo the last deletion", icon=":material/undo:", on_click=_restore, args=(deleted,))


def _tested(info: ResponseInfo) -> str:
    """Say how a model did on what was held out, beside its baseline."""
    from genediff.perturbation.model.model_kinds import KINDS

    words = {str(kind): title for kind, title in KINDS.items()}
    rows = [
        f"{row['n']:.0f} held-out case{'' if row['n'] == 1 else 's'} of {words.get(kind, kind)}: "
        f"r = {row['r']:.2f}, best baseline {row['r_baseline']:.2f}"
        for kind, row in info.tested.items()
    ]
    found = "; ".join(rows) or "Not judged on anything held out."
    return f"{found}. {PLANTED_NETWORK}" if info.config.network == PLANTED else found


def _use(model_id: str) -> None:
    choices.choose("by", model_id)
    st.session_state[layout.view_key("perturb")] = "One perturbation"


def _drop(model_id: str) -> None:
    _tell(lambda: caching.workspace().delete_response(model_id))
    choices.forget("by")
    st.query_params.pop("by", None)
    st.session_state["perturb_deleted"] = model_id


def _restore(model_id: str) -> None:
    _tell(lambda: caching.workspace().restore_response(model_id))
    st.session_state.pop("perturb_deleted", None)
