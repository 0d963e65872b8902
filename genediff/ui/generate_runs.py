"""Large generations on the page: a run that writes a file, found again by its address, judged and drawn by a sample."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import streamlit as st

from genediff.conditions import LARGE
from genediff.errors import InputError
from genediff.evaluation import Evaluation
from genediff.model_info import MEASURES_FILE
from genediff.runs import KINDS, LOCAL, GenerateJob, Run, find_run, list_runs, submit
from genediff.runs.files import read_json
from genediff.runs.kinds.generate import EVALUATION_FILE, GENERATING, JUDGING, SAMPLE_FILE, WRITING
from genediff.ui import (
    caching,
    downloads,
    explain,
    generate_downloads,
    generate_map,
    profile_choice,
    run_view,
    trust_panel,
)
from genediff.ui import upload_widget as server
from genediff.ui.add_server_file import size_in_words
from genediff.ui.generate_job import Request
from genediff.ui.generate_map import JOB

if TYPE_CHECKING:
    from pathlib import Path

    from anndata import AnnData

    from genediff.model_info import ModelInfo
    from genediff.runs import Status

CELLS = "/api/cells"
BY_BUTTON = 200_000_000
"""Bytes up to which a file may go through memory, where the server has no route for it."""
SHOWN = 5
STAGES = {
    GENERATING: "Drawing cells",
    JUDGING: "Placing a sample on the map and judging it against held-out cells",
    WRITING: "Writing the file",
}


def is_large(request: Request) -> bool:
    """Say whether so many cells are made by a run."""
    return request.n > LARGE


def say_what_it_takes(request: Request, info: ModelInfo) -> None:
    """Say beside the button what a large generation is and about how long it takes; nothing for a small one."""
    if not is_large(request):
        return
    measured = ((read_json(info.folder / MEASURES_FILE) or {}).get("measures") or {}).get("cells_per_second")
    takes = ""
    if measured:
        seconds = run_view.duration(request.n / measured)
        takes = f" At the speed that was measured when the model was trained, drawing them takes about {seconds}."
    st.caption(
        f"{request.n:,} cells are made by a job in the background, into one file. You can close this page: its address "
        f"finds the job again.{takes}"
    )


def ask_where(request: Request) -> tuple[str, int]:
    """Let the reader choose where a large generation runs: the profile's name, and how many processes share it here."""
    if not is_large(request):
        return LOCAL, 1
    profile = profile_choice.ask(
        key="generate_profile", otherwise="Generate on a cluster instead", again="goes on from its parts"
    )
    if profile != LOCAL:
        return profile, 1
    with st.container(width=260):
        devices = st.number_input(
            "GPUs or processes", 1, 64, 1, key="generate_devices", bind="query-params",
            help="How many GPUs of this machine draw together; without a GPU, how many processes, which share its "
            "cores. The cells are the same. On a cluster the profile decides.",
        )  # fmt: skip
    return LOCAL, int(devices)


def begin(request: Request, profile: str = LOCAL, devices: int = 1) -> None:
    """Start the run that makes these cells, or go to the one that does already."""
    job = GenerateJob(
        request.model_id, request.n, dict(request.conditions), request.guidance, request.sampler, request.n_steps,
        request.seed, devices=devices, precision=request.precision, compiled=request.compiled,
    )  # fmt: skip
    asked = KINDS["generate"].write_config(job)
    known = [run for run in _runs() if _cells(run.config) == _cells(asked)]
    try:
        run = known[0] if known else submit(job, caching.workspace(), profile=profile)
    except InputError as error:
        st.session_state["job_problem"] = str(error)
        return
    st.query_params[JOB] = run.id
    st.query_params.pop("made", None)
    generate_map.forget_region()


def _cells(config: dict[str, Any]) -> dict[str, Any]:
    """Return what of a run's configuration decides its cells; runs of older versions say nothing of their speed."""
    usual = {"precision": "auto", "compiled": False}
    return usual | {name: value for name, value in config.items() if name != "devices"}


def is_chosen() -> bool:
    """Say whether the address names a large generation."""
    if problem := st.session_state.pop("job_problem", None):
        st.error(problem)
    return JOB in st.query_params


def show_chosen() -> None:
    """Draw the run that the address names."""
    try:
        run = find_run(caching.workspace(), st.query_params[JOB])
        if run.kind != "generate":
            raise InputError(f"The run {run.id} generates no cells; the Train page shows it.")
    except InputError as error:
        explain.show_input_error(error)
        return
    status = run.status
    if not status.has_ended:
        st.html(run_view.QUIET)
    with st.container(border=True):
        st.fragment(_body, run_every=None if status.has_ended else "1s")(run, status.has_ended)
    if status.state == "finished":
        _result(run)


def show_others() -> None:
    """List the large generations of the workspace but the one on view, to be opened again."""
    others = [run for run in _runs() if run.id != st.query_params.get(JOB)]
    if not others:
        return
    with st.expander(f"Large generations ({len(others)})", icon=":material/stacks:"):
        for run in others[:SHOWN]:
            status = run.status
            name, where, what = st.columns([0.5, 0.35, 0.15], vertical_alignment="center")
            with name, st.container(horizontal=True, vertical_alignment="center"):
                run_view.badge(status.state)
                st.markdown(f"**{explain.plain(run.name)}**", width="content")
            where.caption(f"{run_view.duration(time.time() - run.created.timestamp())} ago · {run.id}")
            what.button("Open", key=f"job-{run.id}", width="stretch", on_click=_open, args=(run.id,))
        if len(others) > SHOWN:
            st.caption(f"{len(others) - SHOWN} more: `python -m genediff runs list` names them all.")


def _body(run: Run, had_ended: bool) -> None:
    status = run.status
    if status.has_ended and not had_ended:
        st.rerun()
    left, right = st.columns([0.7, 0.3], vertical_alignment="center")
    with left, st.container(horizontal=True, vertical_alignment="center"):
        st.subheader(run.name, anchor=False, width="content")
        run_view.badge(status.state)
    with right, st.container(horizontal=True, horizontal_alignment="right"):
        _actions(run, status)
    if problem := st.session_state.pop("job_problem", None):
        st.error(problem)
    if status.state in ("failed", "lost"):
        st.error(status.message or "The worker ended without a word; its log may say why.")
    elif status.state == "queued" and run.on_cluster:
        st.info(explain.plain(run_view.place_in_queue(run)), icon=":material/dns:")
    elif status.state == "queued":
        st.info(f"Waiting for the device: {run_view.place_in_queue(run)}. One run uses a device at a time.")
    elif status.state == "cancelled":
        st.warning(status.message)
    if status.state != "finished":
        _progress(run, status)
    else:
        _facts(run, status)


def _actions(run: Run, status: Status) -> None:
    if not status.has_ended:
        st.button("Cancel", icon=":material/stop:", key="cancel_job", on_click=_tell, args=(run.cancel,))
        return
    if status.state != "finished":
        st.button(
            "Resume", icon=":material/play_arrow:", type="primary", key="resume_job", on_click=_tell, args=(run.resume,)
        )
    st.button(
        "Delete", icon=":material/delete:", key="delete_job", on_click=_delete, args=(run,),
        help="Removes the job and the file in its folder.",
    )  # fmt: skip


def _progress(run: Run, status: Status) -> None:
    asked = int(run.config.get("n", 0))
    stage = status.stage or GENERATING
    counted = stage in (GENERATING, WRITING) and status.step is not None
    done = f" · {status.step:,} of {status.total or asked:,} cells" if counted else ""
    st.progress(status.fraction or 0.0, text=f"{STAGES.get(stage, stage)}{done}")
    if status.state != "running":
        return
    facts = st.columns(4)
    rate = "–" if status.cells_per_second is None else f"{status.cells_per_second:,.0f}"
    facts[0].metric("Cells per second", rate)
    facts[1].metric("Left in this stage", run_view.duration(status.seconds_left))
    facts[2].metric("Device", status.device or "–")
    facts[3].metric("On disk so far", size_in_words(_parts_size(run.folder)))


def _facts(run: Run, status: Status) -> None:
    made = run.result
    took = run_view.duration(status.ended - status.started) if status.ended and status.started else "–"
    facts = [f"Finished in {took}"]
    if rate := made.get("cells_per_second"):
        facts.append(f"{float(rate):,.0f} cells per second while drawing")
    if peak := made.get("peak_memory_bytes"):
        facts.append(f"at most {size_in_words(int(peak))} of memory")
    st.caption(" · ".join(facts) + " · the same choices give the same cells again")


def _result(run: Run) -> None:
    evaluation = _evaluation(run.folder)
    sample = _sample(run.folder)
    n = int(run.config.get("n", 0))
    _take_away(run)
    if evaluation is None:
        st.warning(run.status.message)
    else:
        trust_panel.verdict(evaluation)
    if sample is None:
        return
    st.caption(
        f"The verdict and the map are of {sample.n_obs:,} of the {n:,} cells, drawn evenly from all of them: what is "
        "true of one cell in thousands may not be among them."
    )
    try:
        dataset = caching.dataset(str(sample.uns["genediff"]["dataset_id"]))
    except InputError:
        return
    picture, trust = st.columns([0.62, 0.38], gap="medium")
    with picture:
        if "X_umap" in sample.obsm:
            generate_map.show(sample, sample.obsm["X_umap"], dataset, name=run.id)
        else:
            st.info("There is no map to place these cells on.")
    if evaluation is not None:
        with trust:
            trust_panel.dots(evaluation, name=run.id)
        trust_panel.tabs(evaluation, name=run.id, choose_gene=generate_map.colour_by_gene)


def _take_away(run: Run) -> None:
    """Offer the file: streamed by the server, from memory where it is small, or by its path."""
    made = run.result
    path, size = made.get("file", ""), int(made.get("bytes", 0))
    own = run.folder / "cells.h5ad"
    info = next((one for one in caching.workspace().list_models() if one.id == run.config.get("model_id")), None)
    with st.container(horizontal=True, vertical_alignment="center"):
        if not own.is_file():
            st.markdown(f"The file of {size_in_words(size)} lies on the server: `{path}`", width="content")
        elif server.is_possible():
            link = f"{server.address(CELLS)}/{run.id}?token={server.token()}"
            st.link_button(f"Cells (h5ad, {size_in_words(size)})", link, icon=":material/download:", type="primary")
        elif size <= BY_BUTTON:
            downloads.download("Cells (h5ad)", own.read_bytes, f"{run.id}.h5ad", key="job-cells", narrow=True)
        else:
            st.markdown(f"The file of {size_in_words(size)} lies on the server: `{own}`", width="content")
        evaluation = _evaluation(run.folder)
        if evaluation is not None:
            downloads.download(
                "Evaluation of the sample (JSON)", lambda: generate_downloads.to_json(evaluation),
                f"{run.id}-evaluation.json", key="job-evaluation", narrow=True,
            )  # fmt: skip
        generate_downloads.reproduce(_request(run, info), info, None)


def _request(run: Run, info: ModelInfo | None) -> Request:
    """Return what a run was asked for; what it left open is the model's own way."""
    config = run.config
    own = {} if info is None else info.config.sample.model_dump()
    how = {
        name: config[name] if config.get(name) is not None else own.get(name, usual)
        for name, usual in (("guidance", 1.0), ("sampler", "heun"), ("n_steps", 10))
    }
    fixed = tuple(sorted(config.get("conditions", {}).items()))
    speed = {"precision": config.get("precision", "auto"), "compiled": config.get("compiled", False)}
    return Request(str(config["model_id"]), int(config["n"]), fixed, **how, seed=int(config["seed"]), **speed)


def _runs() -> list[Run]:
    return [run for run in list_runs(caching.workspace()) if run.kind == "generate"]


def _evaluation(folder: Path) -> Evaluation | None:
    stored = folder / EVALUATION_FILE
    return Evaluation.read(stored) if stored.is_file() else None


def _sample(folder: Path) -> AnnData | None:
    stored = folder / SAMPLE_FILE
    return _read(str(stored), stored.stat().st_mtime_ns) if stored.is_file() else None


@st.cache_resource(max_entries=4, show_spinner="Opening the sample …")
def _read(path: str, changed: int) -> AnnData:
    import anndata

    return anndata.read_h5ad(path)


def _parts_size(folder: Path) -> int:
    return sum(part.stat().st_size for part in folder.glob("parts/*.npz"))


def _open(run_id: str) -> None:
    st.query_params[JOB] = run_id
    st.query_params.pop("made", None)


def _tell(act: Any) -> None:
    try:
        act()
    except InputError as error:
        st.session_state["job_problem"] = str(error)


def _delete(run: Run) -> None:
    _tell(run.delete)
    if not run.folder.exists():
        st.query_params.pop(JOB, None)
