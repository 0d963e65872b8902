from __future__ import annotations

import streamlit as st

from genediff.core.errors import InputError
from genediff.models.model_info import read_spec
from genediff.ui.generate import (
    deepen_view,
    detail_tabs,
    generate_downloads,
    generate_form,
    generate_job,
    generate_map,
    generate_runs,
)
from genediff.ui.kit import button_events, caching, explain, layout, missing_map, prerequisites
from genediff.ui.run_views import trust_panel

layout.guard()
layout.header("Generate", "Generate new cells with a model, see them among real cells, and judge how similar they are.")

# --- need: a model ------------------------------------------------------------------------------------------------
info = prerequisites.require_model()
controls, result = st.columns([0.27, 0.73], gap="medium")

# --- inputs: beside the map, which so begins at the top -----------------------------------------------------------
with controls, st.container(border=True):
    prerequisites.model_picker()
    if deepen_view.is_wanted(info):
        deeper = deepen_view.ask(info)
        with result:
            deepen_view.show(info, deeper)
        st.stop()
    request = generate_form.ask(info, read_spec(info.folder))
    profile, devices = generate_runs.ask_where(request)
    st.button(
        "Generate", type="primary", icon=":material/auto_awesome:", on_click=button_events.note, args=("generate",),
        width="stretch",
    )  # fmt: skip
    generate_runs.say_what_it_takes(request, info)
    layout.link("models", "About this model", icon=":material/info:", model=info.id)
    if button_events.pop_press("generate"):
        if generate_runs.is_large(request):
            generate_runs.begin(request, profile, devices)
        else:
            generate_map.make(request)

# --- a large generation, when the address names it ----------------------------------------------------------------
if generate_runs.is_chosen():
    with result:
        generate_runs.show_chosen()
        generate_runs.show_others()
    st.stop()

# --- action: the address says what was generated, so that a link or a reload shows it again -----------------------
mark = generate_job.mark_of(request)
made = st.query_params.get("made")
if made != mark:
    with result:
        if made is not None:
            st.info("The settings have changed. Press **Generate** to generate cells with them.")
        generate_map.show_real(info.dataset_id)
        generate_runs.show_others()
    st.stop()
job = generate_job.find(request)
with result:
    if not job.ended:
        generate_job.watch(job)
    if job.cancelled:
        st.warning("Cancelled. Press **Generate** to start again.")
        st.stop()
    if job.problem is not None:
        explain.show_input_error(job.problem)
        st.stop()
    if job.cells is None:
        generate_map.show_real(info.dataset_id)
        st.stop()

# --- result: the map, then the evaluation -------------------------------------------------------------------------
name = generate_job.file_name(request)
rate = job.cells.n_obs / max(job.seconds, 1e-9)
try:
    dataset = caching.dataset(info.dataset_id)
except InputError:
    dataset = None
with result:
    st.markdown(
        f"**{job.cells.n_obs:,} generated cells** :gray[in {job.seconds:.1f} s, {rate:,.0f} cells per second; the same "
        "settings and seed give the same cells]"
    )
    if dataset is not None:
        xy = generate_job.placed(job, dataset)
        if xy is not None:
            st.fragment(generate_map.show)(job.cells, xy, dataset, name=name)
        elif generate_job.has_no_place(job, dataset):
            st.info("This model was adapted from other cells, and its genes are not those of the map.")
        elif not job.ended:
            generate_map.show_real(info.dataset_id)
        elif job.stage == "done" and not dataset.info.has_umap:
            missing_map.show(dataset, "The generated cells are placed on it once it is there.")
if job.evaluation is not None:
    trust_panel.verdict(job.evaluation)
elif job.unjudged is not None:
    st.warning(explain.plain(job.unjudged))
if job.evaluation is not None and dataset is not None:
    dots, tabs = st.columns([0.4, 0.6], gap="medium")
    with dots:
        trust_panel.dots(job.evaluation, name=name)
    with tabs:
        trust_panel.tabs(job.evaluation, name=name, choose_gene=generate_map.colour_by_gene)
generate_downloads.show(job, name=name, info=info, dataset=None if dataset is None else dataset.info)
if job.stage == "done" and dataset is not None:
    st.fragment(detail_tabs.show)(job, dataset, info, name=name)
