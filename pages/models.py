from __future__ import annotations

import streamlit as st

from genediff.ui.kit import caching, damaged, layout, prerequisites
from genediff.ui.models import model_library, response_library
from genediff.ui.pathways import transfer_view

layout.guard()
layout.header("Models", "All models, shipped, trained here or uploaded, with their evaluations side by side.")
model_library.news()
damaged.show("models", "responses")

# --- need: a model ------------------------------------------------------------------------------------------------
models = caching.workspace().list_models()
if not models:
    prerequisites.empty_state(
        "No model yet",
        "Train one on your cells (quick: a few minutes), or upload a model that a colleague exported.",
        page="train",
        link_label="Train a model",
    )
    model_library.upload()
    model_library.trash()
    response_library.show()
    st.stop()

# --- inputs -------------------------------------------------------------------------------------------------------
names = {info.dataset_id: info.dataset_name for info in models}
with st.container(horizontal=True, vertical_alignment="bottom"):
    if len(names) > 1:
        st.selectbox(
            "Trained on",
            [None, *names],
            format_func=lambda chosen: "all data sets" if chosen is None else names[chosen],
            key="trained_on",
            width=360,
        )
    options = st.segmented_control(
        "Columns", model_library.OPTIONS, default=model_library.OPTIONS[0], required=True, key="options",
        bind="query-params", help="Which options of the models stand beside their figures.",
    )  # fmt: skip
trained_on = st.session_state.get("trained_on")
shown = [info for info in models if trained_on in (None, info.dataset_id)]

# --- result -------------------------------------------------------------------------------------------------------
model_library.table(shown, options=options)
info = prerequisites.require_model()
with st.container(border=True):
    model_library.details(info)
with st.container(border=True):
    transfer_view.show(info)
model_library.upload()
model_library.trash()
response_library.show()
