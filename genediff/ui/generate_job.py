"""Generating, placing and judging cells in the background of the server, once for each set of parameters.

The same request always means the same cells, so a finished job is its own cache: it is kept by its parameters and
found again after a reload, from another page, or from a link.
"""

from __future__ import annotations

import hashlib
import re
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import streamlit as st

from genediff.adapter_info import ADAPTER_FILE
from genediff.conditions import cells_at_once, draw_conditions, judged_by
from genediff.data.placer import PLACER
from genediff.data.view import in_genes, log_values
from genediff.errors import Cancelled, InputError
from genediff.ui import background
from genediff.workspace import Workspace, home

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from anndata import AnnData

    from genediff.data import Dataset
    from genediff.diffusion import Recording
    from genediff.evaluation import Evaluation
    from genediff.model_info import ModelSpec

Stage = Literal["waiting", "loading", "generating", "placing", "judging", "done"]
STAGES: dict[str, str] = {
    "waiting": "Waiting for another generation on this server",
    "loading": "Loading the model",
    "generating": "Generating cells",
    "placing": "Placing them on the map of the real cells (the first time takes some ten seconds)",
    "judging": "Judging them against held-out cells",
    "done": "Done",
}
KEPT = 8  # finished jobs in memory, over all readers of this server
_turn = threading.Lock()  # two generations at once would only slow each other down


@dataclass(frozen=True)
class Request:
    """What is asked of a model; `conditions` are pairs of column and level, other columns come as in the data."""

    model_id: str
    n: int
    conditions: tuple[tuple[str, str], ...]
    guidance: float
    sampler: str
    n_steps: int
    seed: int
    precision: str = "auto"
    compiled: bool = False


@dataclass
class Job:
    """One request on its way; a thread fills it and pages only read it."""

    request: Request
    stage: Stage = "waiting"
    fraction: float = 0.0
    message: str = ""
    problem: str | None = None
    seconds: float = 0.0
    cells: AnnData | None = None
    xy: np.ndarray | None = None  # (cell, 2)
    recording: Recording | None = None  # of the first cells, on their way from noise
    evaluation: Evaluation | None = None
    unjudged: str | None = None
    adapted: bool = False
    started: float = field(default_factory=time.monotonic)
    _stop: threading.Event = field(default_factory=threading.Event)

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen."""
        return self.stage == "done" or self.problem is not None or self.cancelled

    @property
    def cancelled(self) -> bool:
        """Whether the reader asked to stop."""
        return self._stop.is_set()

    def cancel(self) -> None:
        """Stop at the next batch or metric."""
        self._stop.set()

    def report(self, fraction: float, message: str = "") -> None:
        """Take note of progress; raises Cancelled when the reader asked to stop."""
        if self.cancelled:
            raise Cancelled("the generation was cancelled")
        self.fraction, self.message = min(max(fraction, 0.0), 1.0), message

    def enter(self, stage: Stage) -> None:
        """Begin the next stage."""
        self.report(0.0)
        self.stage = stage


def start(request: Request) -> Job:
    """Return the job of a request: a new one, the one that is under way, or the one that has ended.

    One that was cancelled or failed starts again.
    """
    job = _job(str(home()), request)
    if job.cancelled or job.problem is not None:
        _job.clear(str(home()), request)
        job = _job(str(home()), request)
    return job


def find(request: Request) -> Job:
    """Return the job of a request as it stands, also when it was cancelled or failed."""
    return _job(str(home()), request)


@st.cache_resource(max_entries=KEPT, show_spinner=False)
def _job(home_folder: str, request: Request) -> Job:
    job = Job(request)
    threading.Thread(target=_work, args=(job, Workspace()), name="generate", daemon=True).start()
    return job


def _work(job: Job, workspace: Workspace) -> None:
    try:
        with _turn:
            _generate(job, workspace)
            _compare(job, workspace)
            job.stage = "done"
    except Cancelled:
        pass
    except InputError as error:
        job.problem = str(error)
    except MemoryError:
        job.problem = "There is not enough memory for so many cells; ask for fewer."
    except Exception as error:
        job.problem = f"The generation stopped unexpectedly ({type(error).__name__}); the server's log says more."
        raise


def _generate(job: Job, workspace: Workspace) -> None:
    job.enter("loading")
    from genediff.diffusion import Recorder
    from genediff.model import GeneDiff

    request = job.request
    model = GeneDiff.load(workspace.model_folder(request.model_id))
    job.adapted = (workspace.model_folder(request.model_id) / ADAPTER_FILE).is_file()
    job.enter("generating")
    recorder = Recorder()
    begun = time.monotonic()
    job.cells = model.generate(
        request.n,
        conditions=draw_conditions(model.spec, dict(request.conditions), n=request.n, seed=request.seed),
        guidance=request.guidance,
        sampler=request.sampler,
        n_steps=request.n_steps,
        seed=request.seed,
        batch_size=cells_at_once(request.n),
        precision=request.precision,
        compiled=request.compiled,
        progress=_progress(job, begun),
        watch=recorder,
    )
    job.recording = recorder.finish()
    job.seconds = time.monotonic() - begun


def _progress(job: Job, begun: float) -> Callable[[int, int], None]:
    def progress(done: int, total: int) -> None:
        left = (time.monotonic() - begun) / max(done, 1) * (total - done)
        job.report(done / total, f"{done:,} of {total:,} cells, {left:.0f} s left")

    return progress


def _compare(job: Job, workspace: Workspace) -> None:
    assert job.cells is not None
    dataset = _dataset(job, workspace)
    if dataset is None:
        return
    if job.adapted:
        # It has the genes of its base; where these are not all of the data's, there is no place on its map.
        dataset = in_genes(dataset, list(job.cells.var_names))
    if dataset.info.has_umap:
        job.enter("placing")
        job.xy = place(job.cells, dataset, waiting=lambda: job.report(0.0))
    job.enter("judging")
    from genediff.evaluation import evaluate

    label, classes = judged_by(dict(job.request.conditions), dataset.info.label)
    try:
        job.evaluation = evaluate(
            job.cells,
            dataset,
            label=label,
            classes=classes,
            progress=job.report,
            cancelled=lambda: job.cancelled,
        )
    except InputError as error:
        job.unjudged = str(error)


def _dataset(job: Job, workspace: Workspace) -> Dataset | None:
    assert job.cells is not None
    dataset_id = str(job.cells.uns["genediff"]["dataset_id"])
    try:
        return workspace.open_dataset(dataset_id)
    except InputError:
        job.unjudged = (
            f"The data set that this model was trained on ({dataset_id}) is not in this workspace, so its cells can be "
            "downloaded but not compared with real ones. Import the same file with the same options on the Data page."
        )
        return None


def place(cells: AnnData, dataset: Dataset, *, waiting: Callable[[], None] | None = None) -> np.ndarray:
    """Return the coordinates of generated cells on the map of a data set, ``(cell, 2)``; genes are matched by name.

    `waiting` is called now and then meanwhile and may raise to stop.

    Raises
    ------
    InputError
        When genes of the data set were not generated.
    """
    return PLACER.place(dataset.info.folder, dataset.project(log_values(cells, dataset)), waiting=waiting)


def placed(job: Job, dataset: Dataset) -> np.ndarray | None:
    """Return where the cells lie on the map, ``(cell, 2)``; None where they do not, or not yet.

    Where the map was drawn only after they were made they are placed now, and the page runs again.
    """
    late = job.stage == "done" and job.xy is None and dataset.info.has_umap and not has_no_place(job, dataset)
    if late:
        cells = job.cells
        assert cells is not None

        def make(report: Callable[[float], None]) -> np.ndarray:
            return place(cells, dataset, waiting=lambda: report(0.0))

        key = ("placed", mark_of(job.request), dataset.info.content_hash)
        job.xy = background.soon("Placing the cells on the map", key, make)
    return job.xy


def has_no_place(job: Job, dataset: Dataset) -> bool:
    """Say whether these cells have other genes than the map, as those of an adapted model can."""
    return job.adapted and job.cells is not None and list(job.cells.var_names) != list(dataset.genes)


def seen_together(spec: ModelSpec, fixed: dict[str, str]) -> bool:
    """Return whether any training cell had all these levels."""
    columns = list(spec.levels)
    wanted = {columns.index(c): spec.levels[c].index(level) for c, level in fixed.items()}
    return any(all(codes[i] == code for i, code in wanted.items()) for codes, _ in spec.combinations)


def mark_of(request: Request) -> str:
    """Return a short name of a request, the same for the same parameters in every process."""
    return hashlib.sha256(repr(request).encode()).hexdigest()[:10]


def file_name(request: Request) -> str:
    """Return the stem of the files of a request."""
    kind = "-".join(level for _, level in request.conditions) or "all"
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", f"{request.model_id}-{kind}-{request.n}-seed{request.seed}")


def watch(job: Job) -> None:
    """Draw the progress of a job with a way to cancel it, twice a second; the page runs again at each new stage."""
    st.fragment(_watch, run_every="0.5s")(job, job.stage)


def _watch(job: Job, drawn_at: Stage) -> None:
    if job.ended or job.stage != drawn_at:
        st.rerun()
    with st.container(border=True):
        left, right = st.columns([0.85, 0.15], vertical_alignment="center")
        with left:
            words = STAGES[job.stage]
            st.progress(job.fraction, text=f"{words}: {job.message}" if job.message else f"{words} …")
        right.button("Cancel", icon=":material/stop:", key="cancel_generation", on_click=job.cancel, width="stretch")
