from __future__ import annotations

import streamlit as st

from genediff.ui.kit import layout, model_choice, reproduction_bundle
from genediff.ui.tokens import (
    one_token,
    steer_view,
    token_cells,
    token_data,
    token_table,
    token_uncertainty,
    token_wording,
)

layout.guard()
layout.header(
    "Inspect",
    "What each token encodes: where it is active, which genes it affects, which gene sets it matches.",
)

# --- need: a model and cells --------------------------------------------------------------------------------------
info, dataset = model_choice.choose_model(why="This page shows the tokens that a trained model learned.")
choice, reproduce = st.columns([0.84, 0.16], vertical_alignment="center")
view = choice.segmented_control(
    "View",
    ["All tokens", "One token", "Steer", "Cells by tokens", "Validation"],
    default="All tokens",
    required=True,
    key=token_table.VIEW,
    bind="query-params",
    label_visibility="collapsed",
)

# --- action: measured once, then kept -----------------------------------------------------------------------------
subject = token_data.subject(info, dataset)

with reproduce:
    reproduction_bundle.bundle_button(
        f"Tokens: {view.lower()}", model=info, dataset=dataset.info, seed=0, sentence=token_wording.METHODS
    )

# --- result -------------------------------------------------------------------------------------------------------
if view == "One token":
    one_token.show(subject)
elif view == "Steer":
    steer_view.show(subject)
elif view == "Cells by tokens":
    token_cells.show(subject)
elif view == "Validation":
    token_uncertainty.show(subject)
else:
    token_table.show(subject)
