from __future__ import annotations

import streamlit as st

from genediff.errors import InputError
from genediff.runs import find_run
from genediff.ui import (
    adapt_form,
    caching,
    estimate_view,
    explain,
    frame,
    knowledge_choice,
    knowledge_view,
    needs,
    press,
    profile_choice,
    run_list,
    run_view,
    state,
    train_bundle,
    train_form,
)

frame.guard()
frame.header(
    "Train",
    "Teach a model what your cells look like. It runs in a process of its own: you can close this page and come back.",
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
            run_view.show(run)
            train_bundle.of_run(run)
        st.button("Train another model", icon=":material/add:", on_click=run_view.leave)
        run_list.show(runs, chosen=run.id)
        st.stop()

# --- need: cells --------------------------------------------------------------------------------------------------
dataset = needs.require_dataset()
info = dataset.info

# --- another way: adapt a trained model ---------------------------------------------------------------------------
if adapt_form.is_wanted():
    adapt_form.show(dataset)
    run_list.show(runs)
    st.stop()

# --- inputs -------------------------------------------------------------------------------------------------------
left, right = st.columns(2, gap="large")
with left:
    needs.dataset_picker()
    st.caption(
        f"{info.split_sizes.get('train', 0):,} cells to train on, {info.split_sizes.get('validation', 0):,} to watch, "
        f"{info.split_sizes.get('test', 0):,} kept for judging · {info.n_genes:,} genes"
    )
with right:
    columns = train_form.conditions(info)

st.subheader("How a cell is cut into tokens", anchor=False)
strategy = train_form.strategy_cards()
known = knowledge_choice.ask(strategy, dataset)
coverage = st.container()
st.subheader("How large the model is", anchor=False)
preset = train_form.preset_cards(strategy)

pressed = press.taken("train")
try:
    config = train_form.options(preset, train_form.start(info, preset, strategy, columns, known))
except InputError as error:
    explain.show_input_error(error)
    st.stop()

# --- action -------------------------------------------------------------------------------------------------------
with st.container(border=True):
    st.markdown("**What this will take on this machine**")
    estimate = st.container()
    profile = profile_choice.ask()
    if pressed:  # before what is measured, which may start the page over
        run_view.begin(config, profile)
        st.rerun()
    with estimate:
        estimate_view.show(config, dataset, profile)
    if problem := st.session_state.pop("start_problem", None):
        st.error(problem)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button("Start training", type="primary", icon=":material/play_arrow:", on_click=press.note, args=("train",))
        train_bundle.of_config(config, info)
with coverage:
    knowledge_view.show(config, dataset)
run_list.show(runs)
