from __future__ import annotations

import streamlit as st

from genediff.errors import InputError
from genediff.model_info import read_spec
from genediff.ui import (
    caching,
    frame,
    generate_closer,
    generate_downloads,
    generate_form,
    generate_job,
    generate_map,
    generate_runs,
    missing_map,
    needs,
    press,
    trust_panel,
)

frame.guard()
frame.header("Generate", "Draw new cells from a model, see them among real ones, and read how far they can be trusted.")

# --- need: a model ------------------------------------------------------------------------------------------------
info = needs.require_model()

# --- inputs -------------------------------------------------------------------------------------------------------
with st.container(border=True):
    left, right = st.columns([0.72, 0.28], vertical_alignment="bottom")
    with left:
        needs.model_picker()
    with right:
        frame.link("models", "About this model", icon=":material/info:", model=info.id)
    request = generate_form.ask(info, read_spec(info.folder))
    profile, devices = generate_runs.ask_where(request)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button("Generate", type="primary", icon=":material/auto_awesome:", on_click=press.note, args=("generate",))
        generate_runs.say_what_it_takes(request, info)
    if press.taken("generate"):
        if generate_runs.is_large(request):
            generate_runs.begin(request, profile, devices)
        else:
            generate_map.make(request)

# --- a large generation, when the address names it ----------------------------------------------------------------
if generate_runs.is_chosen():
    generate_runs.show_chosen()
    generate_runs.show_others()
    st.stop()

# --- action: the address says what was made, so that a link or a reload shows it again ----------------------------
mark = generate_job.mark_of(request)
made = st.query_params.get("made")
if made is None:
    st.info("Choose how many cells of which kind, then press **Generate**. A thousand cells take some seconds.")
    generate_runs.show_others()
    generate_map.show_real(info.dataset_id)
    st.stop()
if made != mark:
    st.info("The choices above have changed since the last cells were made. Press **Generate** to make these.")
    st.stop()
job = generate_job.find(request)
if not job.ended:
    generate_job.watch(job)

# --- result -------------------------------------------------------------------------------------------------------
if job.cancelled:
    st.warning("Cancelled. Press **Generate** to start again.")
    st.stop()
if job.problem is not None:
    st.error(job.problem)
    st.stop()
if job.cells is None:
    generate_map.show_real(info.dataset_id)
    st.stop()
name = generate_job.file_name(request)
rate = job.cells.n_obs / max(job.seconds, 1e-9)
st.subheader(f"{job.cells.n_obs:,} generated cells", anchor=False)
st.caption(f"Made in {job.seconds:.1f} s, {rate:,.0f} cells per second · the same choices give the same cells again")
if job.evaluation is not None:
    trust_panel.verdict(job.evaluation)
elif job.unjudged is not None:
    st.warning(job.unjudged)
try:
    dataset = caching.dataset(info.dataset_id)
except InputError:
    generate_downloads.show(job, name=name, info=info)
    st.stop()
picture, trust = st.columns([0.62, 0.38], gap="medium")
with picture:
    xy = generate_job.placed(job, dataset)
    if xy is not None:
        st.fragment(generate_map.show)(job.cells, xy, dataset, name=name)
    elif generate_job.has_no_place(job, dataset):
        st.info("This model was adapted from other cells and has other genes than the map has.")
    elif job.stage == "done" and not dataset.info.has_umap:
        missing_map.show(dataset, "These cells are placed on it when it is there.")
if job.evaluation is not None:
    with trust:
        trust_panel.dots(job.evaluation, name=name)
    trust_panel.tabs(job.evaluation, name=name, choose_gene=generate_map.colour_by_gene)
generate_downloads.show(job, name=name, info=info, dataset=dataset.info)
if job.stage == "done":
    st.fragment(generate_closer.show)(job, dataset, info, name=name)
