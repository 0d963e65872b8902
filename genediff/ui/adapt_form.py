"""The other way to a model: take a trained one and teach it new cells (LoRA)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from genediff.adaptation import AdaptConfig, starting_conditions
from genediff.adaptation.alignment import align
from genediff.errors import InputError
from genediff.model_info import read_spec
from genediff.ui import caching, choices, explain, forms, needs, press, profile_choice, run_view

if TYPE_CHECKING:
    from genediff.data.dataset import Dataset
    from genediff.data.info import DatasetInfo
    from genediff.model_info import ModelInfo

TRAIN, ADAPT = "Train a new model", "Adapt a model (LoRA)"
SENTENCES = {
    TRAIN: "A model that knows only your cells, from nothing.",
    ADAPT: "A trained model stays as it is; small matrices beside its weights, and rows for new labels, learn your "
    "cells. Fast, and for few cells often better than from nothing: the run measures both and says which won.",
}
MAIN = ("rank", "steps", "tokenizer_steps", "compare")
REST = ("alpha", "learning_rate", "batch_size", "name", "seed", "device")
NEW = ""


def is_wanted() -> bool:
    """Let the reader choose between a new model and an adapted one; returns whether it is the latter."""
    chosen: str = st.segmented_control(
        "Way",
        list(SENTENCES),
        default=TRAIN,
        key="way",
        bind="query-params",
        required=True,
        label_visibility="collapsed",
    )
    st.caption(SENTENCES[chosen])
    return chosen == ADAPT


def show(dataset: Dataset) -> None:
    """Draw the whole form, from the base to the button."""
    info = dataset.info
    bases = [m for m in caching.workspace().list_models() if m.adapter is None and m.has_counts == info.has_counts]
    left, right = st.columns(2, gap="large")
    with left:
        needs.dataset_picker(label="New cells")
    if not bases:
        kind = "counts" if info.has_counts else "values without counts"
        st.info(f"No model of the library is about {kind}, as these cells are; train a new one.")
        return
    with right:
        titles = {m.id: f"{m.title} · {m.dataset_name}" for m in bases}
        base = next(m for m in bases if m.id == choices.select("Model to adapt", titles, key="base"))
    try:
        st.caption(align(read_spec(base.folder).genes, dataset.all_genes, name=info.name).sentence)
    except InputError as error:
        explain.show_input_error(error)
        return
    columns = _conditions(base, info)
    start = AdaptConfig(base_id=base.id, dataset_id=info.id)
    chosen = dict(forms.fields(AdaptConfig, start, MAIN, key="adapt", columns=4))
    with st.expander("Every other option", icon=":material/tune:"):
        chosen |= forms.fields(AdaptConfig, start, REST, key="adapt", columns=3)
    name = chosen.pop("name") or f"{base.title}, adapted to {info.name}"
    config = start.model_copy(update={**chosen, "name": name, "conditions": columns})
    with st.container(border=True):
        profile = profile_choice.ask()
        if press.taken("adapt"):
            run_view.begin(config, profile)
            st.rerun()
        if problem := st.session_state.pop("start_problem", None):
            st.error(problem)
        st.button("Start adapting", type="primary", icon=":material/play_arrow:", on_click=press.note, args=("adapt",))


def _conditions(base: ModelInfo, info: DatasetInfo) -> dict[str, str | None]:
    """Let the reader choose the columns that steer generation, and which condition of the model each continues."""
    offered = list(dict.fromkeys([*([info.label] if info.label else []), *info.conditions]))
    if not offered:
        st.caption("These cells have no label or condition column, so they are learned without one.")
        return {}
    proposed = starting_conditions(base.conditions, info)
    taken = st.multiselect("Conditions", offered, default=[c for c in offered if c in proposed], key="adapt-conditions")
    found: dict[str, str | None] = {}
    for column, place in zip(taken, st.columns(max(len(taken), 2)), strict=False):
        offers = [*base.conditions, NEW]
        with place:
            chosen = st.selectbox(
                f"“{column}” continues",
                offers,
                index=offers.index(proposed.get(column) or NEW),
                format_func=_in_words,
                key=f"adapt-continues-{base.id}-{column}",
            )
        found[column] = chosen or None
    st.caption(
        "A condition that is continued keeps its old levels and grows rows for the new ones; levels are matched by "
        "name. A new level starts as “no label”."
    )
    return found


def _in_words(condition: str) -> str:
    return f"the model's “{condition}”" if condition else "nothing: it is a new condition"
