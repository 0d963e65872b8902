"""What a page needs before it can start: a data set, a model. Where it is missing, say so and say where to get it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from genediff.core.errors import InputError
from genediff.ui.kit import caching, explain, layout, state

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from genediff.data.cells.dataset import Dataset, DatasetInfo
    from genediff.models.model_info import ModelInfo


def empty_state(title: str, sentence: str, *, page: str | None = None, link_label: str = "") -> None:
    """Say what is missing and what to do next, with a link to the page where it is done."""
    with st.container(border=True):
        st.subheader(title, anchor=False)
        st.markdown(sentence)
        if page is not None:
            layout.link(page, link_label, icon=":material/arrow_forward:")


def require_dataset() -> Dataset:
    """Return the data set that the page is about; without one, say what to do and stop the page."""
    infos = caching.workspace().list_datasets()
    if not infos:
        empty_state(
            "No data set yet",
            "This page needs cells. Add an h5ad, 10x .h5 or CSV file on the Data page; this takes a minute or two.",
            page="data",
            link_label="Add a data set",
        )
        st.stop()
    chosen = state.current().dataset
    if chosen is None:
        chosen = infos[0].id
        state.choose(dataset=chosen)
    try:
        return caching.dataset(chosen)
    except InputError as error:
        _unknown(str(error), page="data", link_label="See all data sets", forget="dataset")
        raise AssertionError("unreachable") from error


def require_model() -> ModelInfo:
    """Return what is known of the page's model (weights are not loaded); without one, say what to do and stop."""
    infos = caching.workspace().list_models()
    if not infos:
        empty_state(
            "No model yet",
            "This page needs a trained model. Train one (quick: a few minutes), or upload one on the Models page.",
            page="train",
            link_label="Train a model",
        )
        st.stop()
    chosen = state.current().model
    if chosen is None:
        chosen = _model_for(infos, state.current().dataset).id
        state.choose(model=chosen)
    found = [info for info in infos if info.id == chosen]
    if not found:
        known = ", ".join(info.id for info in infos)
        message = f"No model has the id “{chosen}”; it may have been deleted. Known: {known}."
        _unknown(message, page="models", link_label="See all models", forget="model")
    return found[0]


def dataset_picker(*, label: str = "Data set", key: str = "dataset_picker") -> None:
    """Offer the data sets of the workspace; choosing one changes the address and the page."""
    options = {info.id: _describe_dataset(info) for info in caching.workspace().list_datasets()}
    _picker(label, options, current=state.current().dataset, key=key, choose=_choose_dataset)


def model_picker(*, label: str = "Model", key: str = "model_picker", dataset: str | None = None) -> None:
    """Offer the models of the workspace (those of one data set, when its id is given)."""
    infos = caching.workspace().list_models()
    options = {info.id: _describe_model(info) for info in infos if dataset is None or info.dataset_id == dataset}
    _picker(label, options, current=state.current().model, key=key, choose=_choose_model)


def _picker(
    label: str, options: dict[str, str], *, current: str | None, key: str, choose: Callable[[str], None]
) -> None:
    # The widget follows the address: a link to another id must not be overruled by what the widget remembers. Told even
    # where it is the same id: the browser holds the title, which goes on being the old one when a name was changed.
    if current in options:
        st.session_state[key] = current
    ids: list[str] = list(options)
    # index 0: what the session holds stands, and the choice cannot be cleared.
    index = 0 if current in options else None
    st.selectbox(
        label,
        ids,
        index=index,
        format_func=lambda chosen: options.get(chosen, chosen),
        key=key,
        placeholder="Choose one",
        on_change=lambda: choose(st.session_state[key]),
    )


def _choose_dataset(chosen: str) -> None:
    state.choose(dataset=chosen)


def _choose_model(chosen: str) -> None:
    state.choose(model=chosen)


def _describe_dataset(info: DatasetInfo) -> str:
    return f"{info.name} · {info.n_cells:,} cells"


def _describe_model(info: ModelInfo) -> str:
    return f"{info.title} · {info.dataset_name}"


def _model_for(infos: Sequence[ModelInfo], dataset: str | None) -> ModelInfo:
    return next((info for info in infos if info.dataset_id == dataset), infos[0])


def _unknown(message: str, *, page: str, link_label: str, forget: str) -> None:
    explain.show_input_error(message)
    state.forget(forget)
    layout.link(page, link_label, icon=":material/arrow_forward:")
    st.stop()
