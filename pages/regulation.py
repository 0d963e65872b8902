from __future__ import annotations

import streamlit as st

from genediff.errors import InputError
from genediff.ui import (
    explain,
    frame,
    inspect_choice,
    regulation_compare,
    regulation_needs,
    regulation_paths,
    regulation_regulators,
)

frame.guard()
frame.header(
    "Regulation",
    "Which regulators the model listens to for a gene, along which paths, and whether chance would do as well.",
)
regulation_needs.how_it_works()

# --- need: a model whose tokens are genes on a network --------------------------------------------------------------
info, dataset = inspect_choice.choose_model(why="This page follows paths through a model's network of genes.")
if not regulation_needs.suitable(info):
    regulation_needs.show(info)
    st.stop()

# --- inputs and result ----------------------------------------------------------------------------------------------
view = st.segmented_control(
    "View",
    ["Paths", "Key regulators", "Two cell types"],
    default="Paths",
    required=True,
    key="view",
    bind="query-params",
    label_visibility="collapsed",
)
try:
    if view == "Key regulators":
        regulation_regulators.show(info, dataset)
    elif view == "Two cell types":
        regulation_compare.show(info, dataset)
    else:
        regulation_paths.show(info, dataset)
except InputError as error:
    explain.show_input_error(error)
