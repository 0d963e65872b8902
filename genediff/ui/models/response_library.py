"""Models of perturbations in the library: their evaluation, rename, delete and undo, download."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd
import streamlit as st

from genediff.perturbation.model.response_archive import export_response
from genediff.ui.kit import caching, explain, layout, tables
from genediff.ui.kit.downloads import download
from genediff.ui.kit.library_list import LibraryList
from genediff.ui.models.model_library import origin, show_card

if TYPE_CHECKING:
    from genediff.models.response_info import ResponseInfo

CARD_FILE = "card.md"


def library() -> LibraryList:
    """Return what can be done with models of perturbations."""
    place = caching.workspace()
    return LibraryList(
        "response", "models of perturbations", place.delete_response, place.restore_response, place.rename_response
    )


def show() -> None:
    """Draw all models of perturbations; nothing where there are none and none was deleted."""
    place = caching.workspace()
    models, deleted = place.list_responses(), place.list_trash("responses")
    if not models and not deleted:
        return
    st.subheader("Models of perturbations", anchor=False)
    st.caption("They predict the response of the cells they were trained on to a knock-out, an activation or a drug.")
    library().messages()
    if models:
        tables.show(table(models), "response-models", column_config={"model": st.column_config.TextColumn(pinned=True)})
        explain.how_to_read(
            "Evaluation on held-out cases, by type of prediction. *r*: mean correlation of predicted and measured "
            "change "
            "over genes; *error*: mean squared error of the change, lower is better; each beside the baseline that the "
            "model starts from. *Worse on*: share of cases with a larger error than the baseline. Equal values: the "
            "model equals its baseline."
        )
    for info in models:
        with st.container(border=True):
            _one(info)
    library().trash(deleted)


def table(models: list[ResponseInfo]) -> pd.DataFrame:
    """Return one row per model and kind of question that it was judged on."""
    from genediff.perturbation.model.model_kinds import KINDS

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
    known = f" · network: {explain.plain(info.network)}" if info.network else ""
    st.caption(
        f"{info.n_trained:,} measured perturbations of {explain.plain(info.dataset_name)}{known} · {info.created[:10]}"
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        layout.link(
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
            library().rename_button(info.id, info.title)
            library().delete_button(info.id, info.title)
    with st.expander("Card"):
        show_card(info.folder / CARD_FILE)
