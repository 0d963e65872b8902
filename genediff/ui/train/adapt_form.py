"""The other way to a model: take a trained one and teach it new cells (LoRA)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from genediff.core.errors import InputError
from genediff.models.alignment import align
from genediff.models.model_info import read_spec
from genediff.training.adapt import AdaptConfig, starting_conditions
from genediff.ui.kit import button_events, caching, choices, explain, forms, prerequisites
from genediff.ui.run_views import profile_choice, run_card

if TYPE_CHECKING:
    from genediff.data.cells.dataset import Dataset
    from genediff.data.cells.dataset_info import DatasetInfo
    from genediff.models.model_info import ModelInfo

TRAIN, ADAPT = "Train a new model", "Adapt a model (LoRA)"
SENTENCES = {
    TRAIN: "A new model, trained from scratch on your cells.",
    ADAPT: "The weights of a trained model stay fixed; low-rank matrices and embeddings of new labels are "
    "trained on your cells. Fast, and with few cells often better than training from scratch; the run compares both.",
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
        prerequisites.dataset_picker(label="New cells")
    if not bases:
        kind = "counts" if info.has_counts else "values without counts"
        st.info(f"No model of the library was trained on {kind}, as in these cells; train a new one.")
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
    with st.expander("All options", icon=":material/tune:"):
        chosen |= forms.fields(AdaptConfig, start, REST, key="adapt", columns=3)
    name = chosen.pop("name") or f"{base.title}, adapted to {info.name}"
    config = start.model_copy(update={**chosen, "name": name, "conditions": columns})
    with st.container(border=True):
        profile = profile_choice.ask()
        if button_events.pop_press("adapt"):
            run_card.begin(config, profile)
            st.rerun()
        if problem := st.session_state.pop("start_problem", None):
            explain.show_input_error(problem)
        st.button(
            "Start adapting", type="primary", icon=":material/play_arrow:", on_click=button_events.note, args=("adapt",)
        )


def _conditions(base: ModelInfo, info: DatasetInfo) -> dict[str, str | None]:
    """Let the reader choose the columns that steer generation, and which condition of the model each continues."""
    offered = list(dict.fromkeys([*([info.label] if info.label else []), *info.conditions]))
    if not offered:
        st.caption("These cells have no label or condition column, so the adapted model has none.")
        return {}
    proposed = starting_conditions(base.conditions, info)
    taken = st.multiselect("Conditions", offered, default=[c for c in offered if c in proposed], key="adapt-conditions")
    found: dict[str, str | None] = {}
    for column, place in zip(taken, st.columns(max(len(taken), 2)), strict=False):
        offers = [*base.conditions, NEW]
        with place:
            chosen = st.selectbox(
                f"“{explain.plain(column)}” continues",
                offers,
                index=offers.index(proposed.get(column) or NEW),
                format_func=_in_words,
                key=f"adapt-continues-{base.id}-{column}",
            )
        found[column] = chosen or None
    st.caption(
        "A continued condition keeps its levels and gains the new ones; levels are matched by name. New levels start "
        "from the embedding of “no label”."
    )
    return found


def _in_words(condition: str) -> str:
    return f"the model's “{condition}”" if condition else "none: a new condition"
