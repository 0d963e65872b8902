from __future__ import annotations

import streamlit as st

from genediff.ui import (
    bundle,
    frame,
    inspect_choice,
    pathways_cell,
    pathways_drift,
    pathways_groups,
    pathways_overview,
    pathways_source,
)

frame.guard()
frame.header(
    "Pathways",
    "How active each pathway is in every cell, which ones tell groups apart, and whether a token still means its name.",
)

# --- need: a model, and cells to look at it through ---------------------------------------------------------------
info, dataset = inspect_choice.choose_model(why="This page reads pathways off a trained model.")

# --- inputs -------------------------------------------------------------------------------------------------------
scored = pathways_source.choose(info, dataset)
VIEWS = {
    "At a glance": pathways_overview.show,
    "Two groups": pathways_groups.show,
    "Names put to the test": pathways_drift.show,
    "One cell": pathways_cell.show,
}
view = st.segmented_control(
    "View",
    list(VIEWS),
    default="At a glance",
    required=True,
    key="view",
    bind="query-params",
    label_visibility="collapsed",
)

# --- result -------------------------------------------------------------------------------------------------------
VIEWS[view](scored, info, dataset)
bundle.bundle_button(
    f"Pathways: {view.lower()}",
    model=info,
    dataset=dataset.info,
    settings={"activations": scored.source, "gene_sets": scored.sets.title},
    seed=0,
    sentence=pathways_source.methods(scored),
)
