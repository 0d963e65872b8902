from __future__ import annotations

import streamlit as st

from genediff.core.errors import InputError
from genediff.ui.kit import explain, layout
from genediff.ui.perturb import many_predictions, one_prediction, perturb_prerequisites, perturb_rank, response_training

layout.guard()
layout.header(
    "Predict",
    "Predicted responses to knock-outs, activations or drugs, beside simple baselines and, where measured, real cells.",
)

# --- need: cells of which some were perturbed ---------------------------------------------------------------------
dataset = perturb_prerequisites.require_screen()
perturb_prerequisites.what_it_does()

# --- inputs and result --------------------------------------------------------------------------------------------
VIEWS = {
    "One perturbation": one_prediction.show,
    "Rank by desired effect": perturb_rank.show,
    "Many at once": many_predictions.show,
    "Train a model": response_training.show,
}
view = st.segmented_control(
    "View",
    list(VIEWS),
    default="One perturbation",
    required=True,
    key=layout.view_key("perturb"),
    bind="query-params",
    label_visibility="collapsed",
)
try:
    VIEWS[view](dataset)
except InputError as error:
    explain.show_input_error(error)
