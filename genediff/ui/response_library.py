"""Models of perturbations in the library: what each knows and how it did, to rename, delete and undo, take away."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd
import streamlit as st

from genediff.errors import InputError
from genediff.response_archive import export_response
from genediff.ui import caching, explain, frame, undo
from genediff.ui.downloads import download

if TYPE_CHECKING:
    from collections.abc import Callable

    from genediff.response.info import ResponseInfo

_DELETED = "deleted_response"
_PROBLEM = "response_problem"
CARD_FILE = "card.md"


def show() -> None:
    """Draw all models of perturbations; nothing where there are none and none was deleted."""
    place = caching.workspace()
    models, deleted = place.list_responses(), place.list_trash("responses")
    if not models and not deleted:
        return
    st.subheader("Models of perturbations", anchor=False)
    st.caption("They predict what a knock-out, an activation or a drug does to the cells that they were trained on.")
    _news()
    if models:
        st.dataframe(table(models), hide_index=True, column_config={"model": st.column_config.TextColumn(pinned=True)})
        explain.how_to_read(
            "Held-out cases are what the model was judged on, by the kind of question. *r*: mean correlation of "
            "predicted and measured change over genes; *error*: mean squared error of it, lower is better; each beside "
            "the baseline that the model starts from. *Worse on*: the share of cases with a larger error than that "
            "baseline's. Where both are the same the model stays with its baseline."
        )
    for info in models:
        with st.container(border=True):
            _one(info)
    if deleted:
        with st.expander(f"Deleted models of perturbations ({len(deleted)})", icon=":material/delete:"):
            for model_id in deleted:
                with st.container(horizontal=True, vertical_alignment="center"):
                    st.markdown(explain.plain(model_id), width="stretch")
                    st.button("Restore", key=f"restore-response-{model_id}", on_click=_restore, args=(model_id,))


def origin(info: ResponseInfo) -> str:
    """Say where a model comes from: with the app, from a run of this workspace, or from outside."""
    if info.shipped:
        return "shipped"
    return "trained here" if (caching.workspace().runs / info.id).is_dir() else "uploaded"


def table(models: list[ResponseInfo]) -> pd.DataFrame:
    """Return one row per model and kind of question that it was judged on."""
    from genediff.response.kinds import KINDS

    words = {str(kind): title for kind, title in KINDS.items()}
    rows: list[dict[str, Any]] = []
    for info in models:
        about = {
            "model": info.title,
            "origin": origin(info),
            "data set": info.dataset_name,
            "network": info.network or "none",
        }
        tested: dict[str, dict[str, float]] = info.tested or {"": {}}
        for kind, seen in tested.items():
            rows.append(
                about
                | {
                    "held out": words.get(kind, kind) or "nothing",
                    "cases": seen.get("n"),
                    "r": seen.get("r"),
                    "r, baseline": seen.get("r_baseline"),
                    "error": seen.get("error"),
                    "error, baseline": seen.get("error_baseline"),
                    "worse on": None if "harm" not in seen else f"{seen['harm']:.0%}",
                }
            )
    return pd.DataFrame(rows).round(4)


def _one(info: ResponseInfo) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{explain.plain(info.title)}**", width="content")
        st.badge(origin(info), color="green" if info.shipped else "blue")
    known = f" · runs along {explain.plain(info.network)}" if info.network else ""
    st.caption(
        f"{info.n_trained:,} measured perturbations of {explain.plain(info.dataset_name)}{known} · {info.created[:10]}"
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        frame.link(
            "perturb", "Predict with it", icon=":material/biotech:", dataset=info.dataset_id, extra={"by": info.id}
        )
        download(
            "Download (zip)",
            lambda: export_response(info.folder),
            f"{info.id}.zip",
            key=f"response-{info.id}",
            narrow=True,
        )
        if not info.shipped:
            with st.popover("Rename", icon=":material/edit:"):
                st.text_input("Name", info.title, key=f"response-title-{info.id}", max_chars=120)
                st.button(
                    "Save name", type="primary", key=f"response-save-{info.id}", on_click=_rename, args=(info.id,)
                )
            st.button("Delete", icon=":material/delete:", key=f"response-delete-{info.id}", on_click=_delete,
                      args=(info,))  # fmt: skip
    with st.expander("Card"):
        path = info.folder / CARD_FILE
        st.markdown(path.read_text(encoding="utf-8") if path.exists() else "This model came without a card.")


def _news() -> None:
    if problem := st.session_state.pop(_PROBLEM, None):
        st.error(problem)
    deleted = st.session_state.get(_DELETED)
    if deleted is not None:
        undo.offer(deleted[1], _restore, deleted[0], key="undo_response")


def _rename(model_id: str) -> None:
    name = st.session_state[f"response-title-{model_id}"] or ""
    _act(lambda: caching.workspace().rename_response(model_id, name))


def _delete(info: ResponseInfo) -> None:
    if _act(lambda: caching.workspace().delete_response(info.id)):
        st.session_state[_DELETED] = (info.id, info.title)


def _restore(model_id: str) -> None:
    if _act(lambda: caching.workspace().restore_response(model_id)):
        st.session_state.pop(_DELETED, None)


def _act(what: Callable[[], None]) -> bool:
    try:
        what()
    except InputError as error:
        st.session_state[_PROBLEM] = str(error)
        return False
    return True
