from __future__ import annotations

import streamlit as st

from genediff.errors import InputError
from genediff.ui import explain, frame, perturb_many, perturb_needs, perturb_one, perturb_rank, perturb_train

frame.guard()
frame.header(
    "Perturb",
    "How cells would respond to a knock-out, an activation or a drug, beside the simple baselines that a "
    "prediction has to "
    "beat and, where they were measured, beside real cells.",
)

# --- need: cells of which some were perturbed ---------------------------------------------------------------------
dataset = perturb_needs.require_screen()
perturb_needs.what_it_does()

# --- inputs and result --------------------------------------------------------------------------------------------
VIEWS = {
    "One perturbation": perturb_one.show,
    "Rank by a wish": perturb_rank.show,
    "Many at once": perturb_many.show,
    "Train a model": perturb_train.show,
}
view = st.segmented_control(
    "View",
    list(VIEWS),
    default="One perturbation",
    required=True,
    key="view",
    bind="query-params",
    label_visibility="collapsed",
)
try:
    VIEWS[view](dataset)
except InputError as error:
    explain.show_input_error(error)
