from __future__ import annotations

import streamlit as st

from genediff.tokenizers import TOKENIZERS
from genediff.ui.kit import layout, model_choice, reproduction_bundle
from genediff.ui.pathways import gene_set_choice, group_comparison, pathway_agreement, pathways_cell, pathways_overview

layout.guard()
layout.header(
    "Pathways",
    "How active each pathway is in every cell, which differ between groups, and whether tokens agree with their names.",
)

# --- need: a model, and cells to look at it through ---------------------------------------------------------------
info, dataset = model_choice.choose_model(
    why="This page reads pathways off a trained model.", first=lambda one: "gene_sets" in TOKENIZERS[one.strategy].needs
)

# --- inputs -------------------------------------------------------------------------------------------------------
scored = gene_set_choice.choose(info, dataset)
VIEWS = {
    "At a glance": pathways_overview.show,
    "Two groups": group_comparison.show,
    "Token-pathway agreement": pathway_agreement.show,
    "One cell": pathways_cell.show,
}
view = st.segmented_control(
    "View",
    list(VIEWS),
    default="At a glance",
    required=True,
    key=layout.view_key("pathways"),
    bind="query-params",
    label_visibility="collapsed",
)

# --- result -------------------------------------------------------------------------------------------------------
VIEWS[view](scored, info, dataset)
reproduction_bundle.bundle_button(
    f"Pathways: {view.lower()}",
    model=info,
    dataset=dataset.info,
    settings={"activations": scored.source, "gene_sets": scored.sets.title},
    seed=0,
    sentence=gene_set_choice.methods(scored),
)
