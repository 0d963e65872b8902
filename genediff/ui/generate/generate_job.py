"""Generating, placing and evaluating cells in the background of the server, once for each set of parameters.

The same request always means the same cells, so a finished job is its own cache: it is kept by its parameters and
found again after a reload, from another page, or from a link. Cells are there as soon as they are drawn; evaluating
them has a queue of its own, pauses while anybody's cells are drawn, and can fail without losing them.
"""

from __future__ import annotations

import hashlib
import re
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import streamlit as st

from genediff.core.errors import Cancelled, InputError
from genediff.core.turns import by_turn
from genediff.core.users import limits_of
from genediff.data.cells.placer import PLACER
from genediff.data.cells.view import log_values
from genediff.models.adapter_info import ADAPTER_FILE
from genediff.runs.kinds.evaluate_generated import evaluate_request, real_cells_of
from genediff.ui.kit import background, caching

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np
    from anndata import AnnData

    from genediff.data import Dataset
    from genediff.diffusion import Recording
    from genediff.evaluation import Evaluation
    from genediff.models.generate_request import GenerateRequest
    from genediff.models.model_info import ModelSpec
    from genediff.workspace import Workspace

Stage = Literal["waiting", "loading", "generating", "placing", "judging", "done"]
STAGES: dict[str, str] = {
    "waiting": "Waiting for another generation on this server",
    "loading": "Loading the model",
    "generating": "Generating cells",
    "placing": "Placing cells on the map of real cells",
    "judging": "Evaluating against held-out cells",
    "done": "Done",
}
KEPT = 48  # jobs in memory, over all readers of this server


class Queue:
    """Jobs that take turns: two at once would only slow each other down.

    First come, first served within a workspace; where there are several, turns go round among them.
    """

    def __init__(self) -> None:
        self._jobs: list[Job] = []
        self._first: Job | None = None
        self._changed = threading.Condition()

    @contextmanager
    def turn(self, job: Job) -> Iterator[None]:
        """Wait for all jobs ahead, then hold the turn; raises Cancelled when the reader asked to stop."""
        with self._changed:
            self._jobs.append(job)
        try:
            while (ahead := self._ahead(job)) > 0:
                job.report(0.0, f"{ahead} ahead")
            yield
        finally:
            with self._changed:
                self._jobs.remove(job)
                if self._first is job:
                    self._first = None
                self._changed.notify_all()

    def wait_until_empty(self, job: Job) -> None:
        """Return once no job is in this queue; raises Cancelled when the reader asked to stop."""
        with self._changed:
            while self._jobs and not job.stopped:
                self._changed.wait(0.5)

    def _ahead(self, job: Job) -> int:
        with self._changed:
            if self._by_turn()[0] is not job:
                self._changed.wait(0.5)
            turns = self._by_turn()
            if turns[0] is job:
                self._first = job
            return turns.index(job)

    def _by_turn(self) -> list[Job]:
        return by_turn(self._jobs, lambda job: job.workspace.root, is_first=lambda job: job is self._first)


DRAWING, JUDGING = Queue(), Queue()


@dataclass
class Job:
    """One request of a workspace on its way; a thread fills it and pages only read it."""

    request: GenerateRequest
    workspace: Workspace
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
    def stopped(self) -> bool:
        """Whether the reader asked to stop."""
        return self._stop.is_set()

    @property
    def cancelled(self) -> bool:
        """Whether the reader asked to stop before there were cells."""
        return self.stopped and self.cells is None

    def cancel(self) -> None:
        """Stop at the next batch or metric; cells that were drawn stay."""
        self._stop.set()

    def again(self) -> None:
        """Go on with the evaluation that the reader stopped."""
        if self.stopped and self.stage == "done":
            self._stop.clear()
            self.stage, self.unjudged = "judging", None
            _begin(self)

    def report(self, fraction: float, message: str = "") -> None:
        """Take note of progress; raises Cancelled when the reader asked to stop."""
        if self.stopped:
            raise Cancelled("the generation was cancelled")
        self.fraction, self.message = min(max(fraction, 0.0), 1.0), message

    def enter(self, stage: Stage) -> None:
        """Begin the next stage."""
        self.report(0.0)
        self.stage = stage


def start(request: GenerateRequest) -> Job:
    """Return the job of a request: a new one, the one that is under way, or the one that has ended.

    One that was cancelled or failed starts again; one whose evaluation was stopped goes on with that.
    """
    place = caching.place()
    job = _job(place, request)
    job.again()
    if job.cancelled or job.problem is not None:
        _job.clear(place, request)
        job = _job(place, request)
    return job


def find(request: GenerateRequest) -> Job:
    """Return the job of a request as it stands, also when it was cancelled or failed."""
    return _job(caching.place(), request)


@st.cache_resource(max_entries=KEPT, show_spinner=False)
def _job(place: str, request: GenerateRequest) -> Job:
    job = Job(request, caching.workspace())
    _begin(job)
    return job


def _begin(job: Job) -> None:
    threading.Thread(target=_work, args=(job,), name="generate", daemon=True).start()


def _work(job: Job) -> None:
    try:
        if job.cells is None:
            with DRAWING.turn(job):
                _generate(job)
    except Cancelled:
        return
    except Exception as error:  # noqa: BLE001  said to the reader, and to the log where it is not foreseen
        memory = "There is not enough memory for so many cells; ask for fewer."
        job.problem = background.in_a_sentence(error, memory=memory, otherwise="The generation stopped unexpectedly")
    else:
        job.unjudged = _evaluated(job)
        job.stage = "done"


def _evaluated(job: Job) -> str | None:
    """Place and evaluate the cells and return None, or why they could not be: whatever fails here, the cells stay."""
    try:
        _compare(job)
    except Cancelled:
        return "The evaluation was stopped; Generate resumes it."
    except Exception as error:  # noqa: BLE001  drawn cells are worth more than their evaluation
        memory = "There is not enough memory to evaluate so many cells; they can be downloaded all the same."
        return background.in_a_sentence(error, memory=memory, otherwise="These cells could not be evaluated")
    return None


def _generate(job: Job) -> None:
    job.enter("loading")
    from genediff.diffusion import Recorder
    from genediff.models.load_model import load_model

    request, workspace = job.request, job.workspace
    model = load_model(workspace.model_folder(request.model_id))
    job.adapted = (workspace.model_folder(request.model_id) / ADAPTER_FILE).is_file()
    job.enter("generating")
    recorder = Recorder()
    begun = time.monotonic()
    job.cells = request.draw(model, progress=_progress(job, begun), watch=recorder)
    job.recording = recorder.finish()
    job.seconds = time.monotonic() - begun


def _progress(job: Job, begun: float) -> Callable[[int, int], None]:
    most = limits_of(job.workspace.root).minutes

    def progress(done: int, total: int) -> None:
        passed = time.monotonic() - begun
        if most is not None and passed > 60 * most:
            raise InputError(
                f"Stopped after {most:g} minutes, the most that generating cells may take on this server; ask for "
                "fewer cells or steps."
            )
        left = passed / max(done, 1) * (total - done)
        job.report(done / total, f"{done:,} of {total:,} cells, {left:.0f} s left")

    return progress


def _compare(job: Job) -> None:
    assert job.cells is not None
    dataset = real_cells_of(job.cells, job.workspace)
    if dataset.info.has_umap and job.xy is None:
        job.enter("placing")
        job.xy = place(job.cells, dataset, waiting=lambda: job.report(0.0))
    job.enter("judging")
    from genediff.models.load_model import load_model

    how = {"progress": job.report, "cancelled": lambda: _yielding(job)}
    with JUDGING.turn(job):
        model = load_model(job.workspace.model_folder(job.request.model_id))
        job.evaluation = evaluate_request(job.cells, dataset, job.request.conditions, model=model, **how)


def _yielding(job: Job) -> bool:
    """Let those who wait for cells go first; say whether the reader asked to stop."""
    DRAWING.wait_until_empty(job)
    return job.stopped


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


def n_seen(spec: ModelSpec, fixed: dict[str, str]) -> int:
    """Return how many training cells had all these levels."""
    columns = list(spec.levels)
    wanted = {columns.index(c): spec.levels[c].index(level) for c, level in fixed.items()}
    return sum(n for codes, n in spec.combinations if all(codes[i] == code for i, code in wanted.items()))


def mark_of(request: GenerateRequest) -> str:
    """Return a short name of a request, the same for the same parameters in every process."""
    return hashlib.sha256(repr(request).encode()).hexdigest()[:10]


def file_name(request: GenerateRequest) -> str:
    """Return the stem of the files of a request."""
    kind = "-".join(request.conditions.values()) or "all"
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
