"""Which model is looked into, and on which cells: the bar at the top of Tokens, Pathways and Regulation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from genediff.core.errors import InputError
from genediff.tokenizers import TOKENIZERS
from genediff.ui.kit import caching, choices, explain, layout, other_species, prerequisites, state

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from genediff.data import Dataset
    from genediff.models.model_info import ModelInfo

CELLS = "cells"  # the part of the address that names the data set that is looked at


def choose_model(
    *,
    strategies: Sequence[str] = (),
    why: str = "This page shows what a trained model has learned.",
    first: Callable[[ModelInfo], bool] = lambda info: True,
) -> tuple[ModelInfo, Dataset]:
    """Draw the bar and return the chosen model and the cells it is shown; where there is none, say so and stop.

    Parameters
    ----------
    strategies
        Names of those that the page can say something about; all when empty.
    why
        One sentence on what the page needs, for the reader who has no such model.
    first
        Says of a model whether it suits the page: where the address names none, such a one is shown.
    """
    infos = caching.workspace().list_models()
    suitable = [info for info in infos if not strategies or info.strategy in strategies]
    if not suitable:
        _nothing(strategies, why)
    info = _current(suitable, infos, first)
    with st.container(border=True):
        left, middle, right = st.columns([0.44, 0.34, 0.22], vertical_alignment="bottom")
        with left:
            _picker(suitable, info)
        with middle:
            found = _cells(info)
        with right:
            layout.link("models", "About this model", icon=":material/info:", model=info.id)
        with st.container(key="gd-facts"):
            st.caption(about(info))
        try:
            # What it says stands across the box: below one picker it would push the others down.
            dataset = other_species.in_names_of(info, found)
        except InputError as error:
            explain.show_input_error(error)
            st.stop()
    return info, dataset


def about(info: ModelInfo) -> str:
    """Say what a model is made of: its strategy, its space, what it was trained on and what it knew beforehand."""
    inside = "on one vector" if info.strategy == "mlp" else "on tokens"
    space = {"latent": inside, "gene": "on expression (gene space)", "counts": "of counts (count space)"}[info.space]
    parts = [
        f"**{TOKENIZERS[info.strategy].title}**",
        f"diffusion {space}",
        f"trained on {explain.plain(info.dataset_name)}, {info.n_genes:,} genes",
        *(f"built on {explain.plain(words)}" for words in info.knowledge.values()),
    ]
    if info.adapter is not None:
        parts.append(f"adapted from {explain.plain(info.adapter.base_title)}")
    return " · ".join(parts)


def _current(
    suitable: Sequence[ModelInfo], infos: Sequence[ModelInfo], suits: Callable[[ModelInfo], bool]
) -> ModelInfo:
    asked = state.current().model
    found = next((info for info in suitable if info.id == asked), None)
    if found is not None:
        return found
    first = next(filter(suits, suitable), suitable[0])
    if asked is not None:
        other = next((info for info in infos if info.id == asked), None)
        said = f"No model has the id “{asked}”" if other is None else f"“{other.title}” has no such tokens"
        st.caption(f":material/info: {explain.plain(said)}, so another model is shown.")
    state.choose(model=first.id)
    return first


def _picker(suitable: Sequence[ModelInfo], info: ModelInfo) -> None:
    titles = {one.id: f"{one.title} · {TOKENIZERS[one.strategy].title}" for one in suitable}
    st.session_state["inspected_model"] = info.id  # the widget follows the address
    st.selectbox(
        "Model",
        list(titles),
        format_func=lambda one: titles.get(one, one),
        key="inspected_model",
        on_change=lambda: _choose(st.session_state["inspected_model"]),
    )


def _choose(model_id: str) -> None:
    state.choose(model=model_id)
    if CELLS in st.query_params:  # cells of another model's data set
        del st.query_params[CELLS]
    choices.forget(CELLS)


def _cells(info: ModelInfo) -> Dataset:
    options = {one.id: f"{one.name} · {one.n_cells:,} cells" for one in caching.workspace().list_datasets()}
    if not options:
        prerequisites.empty_state(
            "The cells of this model are not here",
            "Inspecting a model needs cells. Import the file it was trained on, or another with the same genes.",
            page="data",
            link_label="Add a data set",
        )
        st.stop()
    own = info.dataset_id if info.dataset_id in options else None
    chosen = choices.select(
        "Cells",
        options,
        key=CELLS,
        default=own,
        help="Cells that the model encodes here: its own, or others with the same genes (or orthologs).",
    )
    if own is None:
        st.caption(
            f":material/info: The model's own cells ({explain.plain(info.dataset_name)}) are not in this workspace."
        )
    try:
        return caching.dataset(chosen)
    except InputError as error:
        explain.show_input_error(error)
        st.stop()


def _nothing(strategies: Sequence[str], why: str) -> None:
    if not strategies:
        prerequisites.empty_state(
            "No model yet",
            f"{why} Train one (quick: a few minutes), or upload one on the Models page.",
            page="train",
            link_label="Train a model",
        )
        st.stop()
    titles = [TOKENIZERS[name].title for name in strategies]
    with st.container(border=True):
        st.subheader("No such model yet", anchor=False)
        st.markdown(f"{why} Train one of these; *Quick* takes minutes on a laptop:")
        for name, title in zip(strategies, titles, strict=True):
            layout.link("train", title, icon=":material/arrow_forward:", extra={"strategy": name})
    st.stop()
