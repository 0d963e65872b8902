from __future__ import annotations

import streamlit as st

from genediff.ui import caching, frame, model_library, needs, response_library, transfer_view

frame.guard()
frame.header("Models", "Every model that came with the app, was trained here or uploaded: their figures side by side.")
model_library.news()

# --- need: a model ------------------------------------------------------------------------------------------------
models = caching.workspace().list_models()
if not models:
    needs.empty_state(
        "No model yet",
        "Train one on your cells (a quick one takes a few minutes), or upload a model that a colleague exported.",
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
            format_func=lambda chosen: "every data set" if chosen is None else names[chosen],
            key="trained_on",
            width=360,
        )
    every_column = st.toggle("Show options that are the same for all", key="every_column", bind="query-params")
trained_on = st.session_state.get("trained_on")
shown = [info for info in models if trained_on in (None, info.dataset_id)]

# --- result -------------------------------------------------------------------------------------------------------
model_library.table(shown, every_column=every_column)
info = needs.require_model()
with st.container(border=True):
    model_library.details(info)
with st.container(border=True):
    transfer_view.show(info)
model_library.upload()
model_library.trash()
response_library.show()
