"""What the workspace holds, in three cards with links."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from genediff.ui import frame

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streamlit.delta_generator import DeltaGenerator

    from genediff.data import DatasetInfo
    from genediff.model_info import ModelInfo
    from genediff.runs import Run

_MOST = 4
_STATES = {
    "queued": ":orange[waiting]",
    "running": ":blue[running]",
    "finished": ":green[finished]",
    "cancelled": ":gray[cancelled]",
    "failed": ":red[failed]",
    "lost": ":red[worker lost]",
}


def datasets_card(infos: Sequence[DatasetInfo]) -> None:
    """List the data sets, each with a link to its page."""
    with _card("Data sets", len(infos)):
        for info in infos[:_MOST]:
            frame.link("data", info.name, dataset=info.id)
            label = f" · {info.label}" if info.label else ""
            st.caption(f"{info.n_cells:,} cells × {info.n_genes_total:,} genes{label}")
        _more(len(infos), "data")
        if not infos:
            st.caption("None yet. An h5ad, 10x .h5 or CSV file is all it takes.")
        frame.link("data", "Add a data set", icon=":material/add:", extra={"add": "1"})


def models_card(infos: Sequence[ModelInfo]) -> None:
    """List the models, each with a link to generating cells from it."""
    with _card("Models", len(infos)):
        for info in infos[:_MOST]:
            frame.link("generate", info.title, model=info.id, dataset=info.dataset_id)
            st.caption(f"{info.strategy} tokens · {info.n_parameters / 1e6:.1f} M parameters · {info.dataset_name}")
        _more(len(infos), "models")
        if not infos:
            st.caption("None yet. The quick preset trains one in a few minutes, on a laptop too.")
        frame.link("train", "Train a model", icon=":material/add:")


def runs_card(runs: Sequence[Run]) -> None:
    """List the newest runs with their states, each with a link to where it can be watched."""
    with _card("Runs", len(runs)):
        for run in runs[:_MOST]:
            if run.kind == "import":
                frame.link("data", run.name, extra={"import": run.id})
            elif run.kind == "map":
                frame.link("data", run.name, dataset=str(run.config.get("dataset_id")))
            elif run.kind == "series":
                frame.link("compare", run.name)
            else:
                frame.link("train", run.name, run=run.id)
            state = run.status.state
            st.caption(f"{run.kind} · {_STATES.get(state, state)} · {run.created:%d %b %Y, %H:%M}")
        _more(len(runs), "train")
        if not runs:
            st.caption("None yet. Imports and trainings appear here; they go on when the browser is closed.")


def _card(title: str, number: int) -> DeltaGenerator:
    card = st.container(border=True, height="stretch", gap="xsmall")
    with card:
        st.markdown(f"**{title}** :gray[{number:,}]")
    return card


def _more(number: int, page: str) -> None:
    if number > _MOST:
        frame.link(page, f"and {number - _MOST:,} more")
