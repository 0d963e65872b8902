from __future__ import annotations

import streamlit as st

from genediff.analysis.ground import cell_of
from genediff.errors import InputError
from genediff.ui import (
    bundle,
    explain,
    frame,
    needs,
    tokenize_cards,
    tokenize_choice,
    tokenize_data,
    tokenize_guide,
    tokenize_table,
)

frame.guard()
frame.header(
    "Tokenize", "One real cell, cut in every way: what each cut keeps of it, what it loses, and what it costs."
)

# --- need: cells --------------------------------------------------------------------------------------------------
dataset = needs.require_dataset()
pick, view = st.columns([0.45, 0.55], vertical_alignment="bottom")
with pick:
    needs.dataset_picker()
with view:
    chosen_view = st.segmented_control(
        "View",
        ["One cell", "All cuts", "Which one for me?"],
        default="One cell",
        required=True,
        key="view",
        bind="query-params",
        label_visibility="collapsed",
    )
if chosen_view == "Which one for me?":
    tokenize_guide.show(dataset)
    st.stop()

# --- inputs -------------------------------------------------------------------------------------------------------
name = tokenize_choice.cell(dataset)
chosen = tokenize_choice.material(dataset)
try:
    cell = cell_of(dataset, tokenize_data.ground(dataset), name)
except InputError as error:
    explain.show_input_error(error)
    st.stop()

# --- result -------------------------------------------------------------------------------------------------------
if chosen_view == "All cuts":
    tokenize_table.show(dataset, cell, chosen)
    bundle.bundle_button("Tokenize: all cuts", dataset=dataset.info, settings={"cell": name})
    st.stop()
where, about = st.columns([0.6, 0.4], gap="medium")
with where:
    tokenize_choice.show_map(dataset, name)
with about:
    tokenize_choice.about(dataset, cell)
tokenize_cards.show(dataset, cell, chosen)
bundle.bundle_button("Tokenize: one cell", dataset=dataset.info, settings={"cell": name})
