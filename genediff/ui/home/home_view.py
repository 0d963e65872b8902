"""Home: what the reader did last, where to begin, and what the workspace holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from genediff.core.users import limits_of, used_bytes
from genediff.tokenizers import TOKENIZERS
from genediff.ui.kit import explain, layout, session_user
from genediff.ui.run_views import run_actions
from genediff.workspace import DEMO_DATASET, DEMO_SCREEN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streamlit.delta_generator import DeltaGenerator

    from genediff.data import DatasetInfo
    from genediff.models.model_info import ModelInfo
    from genediff.runs import Run
    from genediff.workspace import Workspace

_MOST = 4
_KINDS = {
    "import": "import", "map": "map", "train": "training", "adapt": "adaptation", "perturb": "training",
    "generate": "generated cells", "series": "comparison", "evaluate": "evaluation",
}  # fmt: skip


def last(datasets: Sequence[DatasetInfo], models: Sequence[ModelInfo], runs: Sequence[Run]) -> None:
    """Lead back to the newest thing of the reader's own: a run, else a model or a data set; nothing without any."""
    own: list[ModelInfo | DatasetInfo] = [info for info in models if not info.shipped]
    own += [info for info in datasets if not info.shipped]
    newest = max(own, key=lambda info: info.created, default=None)
    if not runs and newest is None:
        return
    with st.container(border=True, horizontal=True, vertical_alignment="center", key="home-last"):
        if runs and (newest is None or runs[0].created.isoformat() >= newest.created[:19]):
            run = runs[0]
            st.markdown(
                f"**Where you left off** · {_KINDS.get(run.kind, run.kind)} “{explain.plain(run.name)}” · "
                f"{run_actions.word(run.status.state)}",
                width="stretch",
            )
            _run_link(run, "Open it")
        elif newest is not None:
            is_model = newest in models
            name = explain.plain(_title(newest))
            st.markdown(f"**Where you left off** · {'model' if is_model else 'data set'} “{name}”", width="stretch")
            if is_model:
                layout.link("generate", "Generate cells", icon=":material/arrow_forward:", model=newest.id)
            else:
                layout.link("data", "Open it", icon=":material/arrow_forward:", dataset=newest.id)


def doors(datasets: Sequence[DatasetInfo], models: Sequence[ModelInfo]) -> None:
    """Offer the ways to begin: a lesson (where there are any), cells of one's own, and the demo."""
    known = {info.id for info in datasets}
    ready = next((info for info in models if info.shipped and info.dataset_id == DEMO_DATASET), None)
    demo = DEMO_DATASET in known or DEMO_SCREEN in known
    places = iter(st.columns(1 + demo + layout.exists("learn")))
    if layout.exists("learn"):
        with next(places), _door("Learn"):
            st.caption("Short guided lessons: what a token is, how noise becomes a cell, how to read an evaluation.")
            layout.link("learn", "Open the lessons", icon=":material/school:")
    with next(places), _door("My cells"):
        st.caption("An h5ad, 10x .h5 or CSV file: checked, imported, ready to train on within minutes.")
        layout.link("data", "Start with your own cells", icon=":material/upload_file:", extra={"add": "1"})
        layout.link("compare", "Compare tokenizations", icon=":material/leaderboard:")
    if demo:
        with next(places), _door("Demo"):
            _demo(known, ready)


def _demo(known: set[str], ready: ModelInfo | None) -> None:
    if DEMO_DATASET in known:
        trained = " A model trained on them is included: generated cells appear within a minute." if ready else ""
        st.caption(f"Blood cells of one healthy donor (10x Genomics, CC BY 4.0).{trained}")
        if st.button("Try it on 2,700 blood cells", type="primary", icon=":material/play_arrow:"):
            if ready is not None:
                layout.go("generate", dataset=DEMO_DATASET, model=ready.id)
            layout.go("data", dataset=DEMO_DATASET)
    if DEMO_SCREEN in known and st.button(
        "Predict knock-outs on a simulated screen", icon=":material/science:",
        help="Simulated from a known network, so that predictions can be compared with the truth.",
    ):  # fmt: skip
        layout.go("perturb", dataset=DEMO_SCREEN)


def datasets_card(infos: Sequence[DatasetInfo]) -> None:
    """List the data sets, each with a link to its page."""
    with _card("Data sets", len(infos)):
        for info in infos[:_MOST]:
            layout.link("data", info.name, dataset=info.id)
            label = f" · {explain.plain(info.label)}" if info.label else ""
            st.caption(f"{info.n_cells:,} cells × {info.n_genes_total:,} genes{label}")
        _more(len(infos), "data")
        if not infos:
            st.caption("None yet. All it takes is an h5ad, 10x .h5 or CSV file.")
        layout.link("data", "Add a data set", icon=":material/add:", extra={"add": "1"})


def models_card(infos: Sequence[ModelInfo]) -> None:
    """List the models, each with a link to generating cells from it."""
    with _card("Models", len(infos)):
        for info in infos[:_MOST]:
            layout.link("generate", info.title, model=info.id, dataset=info.dataset_id)
            strategy = TOKENIZERS[info.strategy].title if info.strategy in TOKENIZERS else info.strategy
            st.caption(
                f"{explain.plain(strategy)} · {info.n_parameters / 1e6:.1f} M parameters · "
                f"{explain.plain(info.dataset_name)}"
            )
        _more(len(infos), "models")
        if not infos:
            st.caption("None yet. The quick preset trains a model within minutes, also on a laptop.")
        layout.link("train", "Train a model", icon=":material/add:")


def runs_card(runs: Sequence[Run]) -> None:
    """List the newest runs with their states, each with a link to where it can be watched."""
    with _card("Runs", len(runs)):
        for run in runs[:_MOST]:
            _run_link(run, run.name)
            state = run_actions.word(run.status.state)
            st.caption(f"{_KINDS.get(run.kind, run.kind)} · {state} · {run.created:%d %b %Y, %H:%M}")
        _more(len(runs), "train")
        if not runs:
            st.caption("None yet. Imports and trainings run in the background and continue when the browser is closed.")


def _run_link(run: Run, label: str) -> None:
    """Link to the page where a run can be watched."""
    if run.kind == "import":
        layout.link("data", label, extra={"import": run.id})
    elif run.kind == "map":
        layout.link("data", label, dataset=str(run.config.get("dataset_id")))
    elif run.kind == "series":
        layout.link("compare", label)
    elif run.kind == "generate":
        layout.link("generate", label, extra={"job": run.id})
    elif run.kind == "perturb":
        view = {layout.view_key("perturb"): "Train a model"}
        layout.link("perturb", label, dataset=str(run.config.get("dataset_id")), extra=view)
    else:
        layout.link("train", label, run=run.id)


def _title(info: ModelInfo | DatasetInfo) -> str:
    return str(getattr(info, "title", None) or getattr(info, "name", ""))


def _door(title: str) -> DeltaGenerator:
    door = st.container(border=True, height="stretch", gap="small")
    with door:
        st.subheader(title, anchor=False)
    return door


def account(workspace: Workspace) -> None:
    """Say where things are stored; where each user has a workspace, also whose it is and how full."""
    if session_user.users().known_by == "nothing":
        st.caption(f"Stored in `{workspace.root}`. Nothing leaves this machine.")
        return
    who = session_user.account()
    most = limits_of(workspace.root).gigabytes
    used = f"{used_bytes(workspace.root) / 1e9:.2f} GB"
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(
            f"{f'Signed in as {explain.plain(who)}' if who else 'The workspace of this browser'} · "
            f"{used if most is None else f'{used} of {most:g} GB'} in use · Nobody else sees or changes what is yours; "
            "what ships or is shared cannot be changed. Nothing leaves this server.",
            width="stretch",
        )
        with st.popover("Empty the trash", icon=":material/delete_forever:", type="tertiary"):
            st.markdown("What was deleted can then not be restored.")
            st.button("Empty it now", type="primary", key="home-empty-trash", on_click=workspace.empty_trash)
        if who:
            st.button("Sign out", icon=":material/logout:", type="tertiary", key="sign-out", on_click=st.logout)


def _card(title: str, number: int) -> DeltaGenerator:
    card = st.container(border=True, height="stretch", gap="xsmall")
    with card:
        st.markdown(f"**{title}** :gray[{number:,}]")
    return card


def _more(number: int, page: str) -> None:
    if number > _MOST:
        layout.link(page, f"and {number - _MOST:,} more")
