from __future__ import annotations

import streamlit as st

from genediff.ui import (
    bundle,
    frame,
    inspect_choice,
    tokens_all,
    tokens_cells,
    tokens_data,
    tokens_doubt,
    tokens_one,
    tokens_words,
)

frame.guard()
frame.header(
    "Tokens",
    "What the model says of a cell, token by token: where each is active, which genes it drives, what it may mean.",
)

# --- need: a model and cells --------------------------------------------------------------------------------------
info, dataset = inspect_choice.choose_model(why="This page shows the tokens that a trained model learned.")
choice, reproduce = st.columns([0.84, 0.16], vertical_alignment="center")
view = choice.segmented_control(
    "View",
    ["All tokens", "One token", "Cells by tokens", "Can it be trusted?"],
    default="All tokens",
    required=True,
    key=tokens_all.VIEW,
    bind="query-params",
    label_visibility="collapsed",
)

# --- action: measured once, then kept -----------------------------------------------------------------------------
subject = tokens_data.subject(info, dataset)

with reproduce:
    bundle.bundle_button(
        f"Tokens: {view.lower()}", model=info, dataset=dataset.info, seed=0, sentence=tokens_words.METHODS
    )

# --- result -------------------------------------------------------------------------------------------------------
if view == "One token":
    tokens_one.show(subject)
elif view == "Cells by tokens":
    tokens_cells.show(subject)
elif view == "Can it be trusted?":
    tokens_doubt.show(subject)
else:
    tokens_all.show(subject)
