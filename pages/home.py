import streamlit as st

from genediff.runs import list_runs
from genediff.ui import caching, frame, home_view, theme
from genediff.workspace import DEMO_DATASET, DEMO_SCREEN

frame.guard()
frame.header(
    "GeneDiff Explorer",
    "A diffusion model of cells first cuts a cell's gene activity into tokens, then learns to turn noise into such "
    "tokens. How the cut is made decides what the model learns: a compressed summary, pathways, a gene network, a "
    "ranking. Here you can train such models on your own cells, generate new ones, and see how far they are from "
    "real ones.",
)
theme.picture(
    frame.ASSETS / "home.svg",
    alt="A cell's gene activity is cut into tokens in one of several ways; a flow learns to turn noise into such "
    "tokens; decoded, they are generated cells, drawn over real ones.",
)

workspace = caching.workspace()
datasets, models, runs = workspace.list_datasets(), workspace.list_models(), list_runs(workspace)

# --- action: the demo in one click, or one's own cells ------------------------------------------------------------
with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
    demo = any(info.id == DEMO_DATASET for info in datasets)
    ready = [info for info in models if info.shipped and info.dataset_id == DEMO_DATASET]
    if demo and st.button("Try it on 2,700 blood cells", type="primary", icon=":material/play_arrow:"):
        if ready:
            frame.go("generate", dataset=DEMO_DATASET, model=ready[0].id)
        frame.go("data", dataset=DEMO_DATASET)
    screen = any(info.id == DEMO_SCREEN for info in datasets)
    if screen and st.button("Predict knock-outs on a simulated screen", icon=":material/science:"):
        frame.go("perturb", dataset=DEMO_SCREEN)
    frame.link("data", "Start with your own cells", icon=":material/upload_file:", extra={"add": "1"})
    frame.link("compare", "Compare the ways of cutting", icon=":material/leaderboard:")
if demo:
    st.caption(
        "Blood cells of one healthy donor (10x Genomics, CC BY 4.0). "
        + ("A model trained on them is here already: cells appear within a minute. " if ready else "")
        + ("The screen is drawn from a known network, so predictions can be held against the truth." if screen else "")
    )

# --- result: what is here -----------------------------------------------------------------------------------------
st.subheader("Your workspace", anchor=False)
left, middle, right = st.columns(3)
with left:
    home_view.datasets_card(datasets)
with middle:
    home_view.models_card(models)
with right:
    home_view.runs_card(runs)
st.caption(f"Stored in {workspace.root}. Nothing leaves this machine.")
