import streamlit as st

from genediff.runs import list_runs
from genediff.ui.home import home_view
from genediff.ui.kit import caching, damaged, layout, theme

layout.guard()
layout.header(
    "GeneDiff Explorer",
    "Diffusion models of single cells. A model first encodes a cell's expression profile as tokens, then learns to "
    "generate such tokens from noise. The tokenization determines what the model can learn: a compressed summary, "
    "pathway activities, a gene-regulatory network or a ranking of genes. Train models on your own cells, generate new "
    "cells, and compare these with real ones.",
)
theme.picture(
    layout.ASSETS / "home.svg",
    alt="A cell's expression profile is encoded as tokens by one of several tokenizations; a flow learns to turn noise "
    "into such tokens; decoded, they are generated cells, drawn over real ones.",
)

workspace = caching.workspace()
datasets, models, runs = workspace.list_datasets(), workspace.list_models(), list_runs(workspace)

# --- action: where to go on, or to begin --------------------------------------------------------------------------
home_view.last(datasets, models, runs)
home_view.doors(datasets, models)

# --- result: what is here -----------------------------------------------------------------------------------------
st.subheader("Your workspace", anchor=False)
left, middle, right = st.columns(3)
with left:
    home_view.datasets_card(datasets)
with middle:
    home_view.models_card(models)
with right:
    home_view.runs_card(runs)
damaged.show("datasets", "models", "comparisons", "responses")
home_view.account(workspace)
