from __future__ import annotations

import streamlit as st

from genediff.core.errors import InputError
from genediff.runs import find_run
from genediff.ui.kit import button_events, caching, explain, layout, prerequisites, state
from genediff.ui.knowledge import knowledge_choice, knowledge_view
from genediff.ui.run_views import estimate_view, profile_choice, run_card, run_list
from genediff.ui.train import adapt_form, run_bundle, train_form

layout.guard()
layout.header(
    "Train",
    "Train a model on your cells. Training runs in the background: you can close this page and come back.",
)

# --- one run, when the address names it ---------------------------------------------------------------------------
runs = run_list.training_runs()
chosen = state.current().run
if chosen is not None:
    try:
        run = find_run(caching.workspace(), chosen)
    except InputError as error:
        explain.show_input_error(error)
        state.forget("run")
    else:
        with st.container(border=True):
            run_card.show(run)
            run_bundle.of_run(run)
        st.button("Train another model", icon=":material/add:", on_click=run_card.leave)
        run_list.show(runs, chosen=run.id)
        st.stop()

# --- need: cells --------------------------------------------------------------------------------------------------
dataset = prerequisites.require_dataset()
info = dataset.info

# --- another way: adapt a trained model ---------------------------------------------------------------------------
if adapt_form.is_wanted():
    adapt_form.show(dataset)
    run_list.show(runs)
    st.stop()

# --- inputs -------------------------------------------------------------------------------------------------------
left, right = st.columns(2, gap="large")
with left:
    prerequisites.dataset_picker()
    st.caption(
        f"{info.split_sizes.get('train', 0):,} training, {info.split_sizes.get('validation', 0):,} validation, "
        f"{info.split_sizes.get('test', 0):,} test cells · {info.n_genes:,} genes"
    )
with right:
    columns = train_form.conditions(info)

st.subheader("Tokenization", anchor=False)
strategy = train_form.strategy_cards()
known = knowledge_choice.ask(strategy, dataset)
coverage = st.container()
st.subheader("Model size", anchor=False)
preset = train_form.preset_cards(strategy)
space = train_form.space(info, strategy)

pressed = button_events.pop_press("train")
try:
    config = train_form.options(preset, train_form.start(info, preset, strategy, space, columns, known))
except InputError as error:
    explain.show_input_error(error)
    st.stop()

# --- action -------------------------------------------------------------------------------------------------------
with st.container(border=True):
    st.markdown("**Estimated cost on this machine**")
    estimate = st.container()
    profile = profile_choice.ask()
    if pressed:  # before what is measured, which may start the page over
        run_card.begin(config, profile)
        st.rerun()
    with estimate:
        estimate_view.show(config, dataset, profile)
    if problem := st.session_state.pop("start_problem", None):
        explain.show_input_error(problem)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            "Start training", type="primary", icon=":material/play_arrow:", on_click=button_events.note, args=("train",)
        )
        run_bundle.of_config(config, info)
with coverage:
    knowledge_view.show(config, dataset)
run_list.show(runs)
