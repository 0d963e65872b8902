from __future__ import annotations

import streamlit as st

from genediff.core.errors import InputError
from genediff.ui.kit import explain, layout, model_choice
from genediff.ui.regulation import (
    regulation_compare,
    regulation_overview,
    regulation_paths,
    regulation_prerequisites,
    regulation_regulators,
)

layout.guard()
layout.header(
    "Regulation",
    "Which regulators drive the model's prediction of a gene, along which paths, compared with shuffled networks.",
)
regulation_prerequisites.how_it_works()

# --- need: a model whose tokens are genes on a network --------------------------------------------------------------
info, dataset = model_choice.choose_model(
    why="This page follows paths through a model's network of genes.", first=regulation_prerequisites.suitable
)
if not regulation_prerequisites.suitable(info):
    regulation_prerequisites.show(info)
    st.stop()

# --- inputs and result ----------------------------------------------------------------------------------------------
view = st.segmented_control(
    "View",
    ["Overview", "Paths", "Key regulators", "Two cell types"],
    default="Overview",
    required=True,
    key=layout.view_key("regulation"),
    bind="query-params",
    label_visibility="collapsed",
)
try:
    if view == "Key regulators":
        regulation_regulators.show(info, dataset)
    elif view == "Two cell types":
        regulation_compare.show(info, dataset)
    elif view == "Paths":
        regulation_paths.show(info, dataset)
    else:
        regulation_overview.show(info, dataset)
except InputError as error:
    explain.show_input_error(error)
