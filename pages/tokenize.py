from __future__ import annotations

import streamlit as st

from genediff.core.errors import InputError
from genediff.inspection.one_cell.dataset_context import cell_of
from genediff.ui.kit import explain, layout, prerequisites, reproduction_bundle
from genediff.ui.tokenize import (
    cell_choice,
    decision_guide,
    tokenize_cards,
    tokenize_data,
    tokenize_table,
    walkthrough_view,
)

layout.guard()
layout.header("Tokenize", "One real cell under each tokenization: what it keeps, what it loses, and what it costs.")

# --- need: cells --------------------------------------------------------------------------------------------------
dataset = prerequisites.require_dataset()
pick, view = st.columns([0.45, 0.55], vertical_alignment="bottom")
with pick:
    prerequisites.dataset_picker()
with view:
    chosen_view = st.segmented_control(
        "View",
        ["One cell", "Step by step", "All tokenizations", "Decision guide"],
        default="One cell",
        required=True,
        key=layout.view_key("tokenize"),
        bind="query-params",
        label_visibility="collapsed",
    )
if chosen_view == "Decision guide":
    decision_guide.show(dataset)
    st.stop()

# --- inputs -------------------------------------------------------------------------------------------------------
name = cell_choice.cell(dataset)
chosen = cell_choice.material(dataset) if chosen_view != "Step by step" else None
try:
    context = tokenize_data.context(dataset)
    cell = cell_of(dataset, context, name)
except InputError as error:
    explain.show_input_error(error)
    st.stop()

# --- result -------------------------------------------------------------------------------------------------------
if chosen is None:
    walkthrough_view.show(dataset, context, cell)
    reproduction_bundle.bundle_button("Tokenize: step by step", dataset=dataset.info, settings={"cell": name})
    st.stop()
if chosen_view == "All tokenizations":
    tokenize_table.show(dataset, cell, chosen)
    reproduction_bundle.bundle_button("Tokenize: all tokenizations", dataset=dataset.info, settings={"cell": name})
    st.stop()
where, about = st.columns([0.6, 0.4], gap="medium")
with where:
    cell_choice.show_map(dataset, name)
with about:
    cell_choice.about(dataset, cell)
tokenize_cards.show(dataset, cell, chosen)
reproduction_bundle.bundle_button("Tokenize: one cell", dataset=dataset.info, settings={"cell": name})
