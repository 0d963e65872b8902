from __future__ import annotations

import streamlit as st

from genediff.core.errors import InputError
from genediff.tokenizers import TOKENIZERS
from genediff.ui.compare import compare_choice, compare_form, compare_view, experiments_view, plan_view
from genediff.ui.kit import damaged, explain, layout, prerequisites, tables

layout.guard()
layout.header(
    "Compare",
    "Same data, same training budget, same evaluation: only the tokenization differs.",
)

damaged.show("comparisons")
VIEWS = ("Comparisons", "What is it good for?")
if st.segmented_control(
    "View", VIEWS, default=VIEWS[0], required=True, key=layout.view_key("compare"), bind="query-params",
    label_visibility="collapsed",
) == VIEWS[1]:  # fmt: skip
    experiments_view.show()
    st.stop()

# --- one comparison, when there is one ----------------------------------------------------------------------------
comparison = compare_choice.chosen()
if comparison is not None:
    compare_view.show(comparison)
    st.stop()

# --- need: cells --------------------------------------------------------------------------------------------------
info = prerequisites.require_dataset().info

# --- inputs -------------------------------------------------------------------------------------------------------
st.subheader("A new comparison", anchor=False)
st.caption("Choose what differs and how long each model may train; the table fills while you do something else.")
prerequisites.dataset_picker()
try:
    config = compare_form.ask(info)
except InputError as error:
    explain.show_input_error(error)
    st.stop()
with st.expander("Tokens, widths, layers and heads of each size, and what is allowed", icon=":material/table:"):
    tables.show(compare_form.hyper_parameters(info, tuple(TOKENIZERS)), "hyper-parameters")
    explain.how_to_read("Sizes are the presets of the Train page, where every one of these can be changed.")

# --- action -------------------------------------------------------------------------------------------------------
if config is not None:
    with st.container(border=True):
        st.markdown("**What this will take on this machine**")
        plan_view.show(config, info)
