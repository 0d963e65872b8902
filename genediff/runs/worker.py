"""The process that does a run: it alone writes the run's folder, from its first heartbeat to its last word."""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import os
import signal
import sys
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genediff.core.disk_errors import disk_error
from genediff.core.errors import Cancelled, InputError
from genediff.core.json_files import read_or_none
from genediff.distributed.slurm_environment import is_further_task
from genediff.runs.backends import find_backend
from genediff.runs.companions import work_along
from genediff.runs.devices import acceptable_devices, gpus_to_hold
from genediff.runs.job import Job
from genediff.runs.kinds import find_kind
from genediff.runs.queue import drop_ticket, hold_device
from genediff.runs.run import Run, submit
from genediff.runs.run_interruption import Interruption
from genediff.runs.run_process import HOST, process_mark
from genediff.runs.run_status import RESUME, Status

if TYPE_CHECKING:
    from collections.abc import Iterator

    from genediff.runs.kinds import Kind
    from genediff.workspace import Workspace

IMPATIENCE = 5.0
"""Seconds after a first SIGTERM from which a second one ends the worker at once."""


def work(folder: str, root: str) -> str:
    """Do the run in `folder` of the workspace at `root`; returns the state it ended in. Called by submitit."""
    place = Path(folder)
    _show_gpus_again()
    _write_output_to(place / "log.txt")
    if is_further_task():
        return work_along(place, Path(root))
    with _claim(place) as mine:
        if not mine:
            print("Another worker has this run; this one leaves.")
            return "left"
        first = _first_status(place)
        try:
            job = Job(place, Path(root), first, runs=_Runs())
        except OSError as error:  # no room for its first word
            dataclasses.replace(first, state="failed", message=_in_words(error), ended=time.time()).write(place)
            return "failed"
        _stop_on_signals(job)
        try:
            return _run(job, Interruption.listen(job))
        finally:
            drop_ticket(place.parent, job.id)


class _Runs:
    """Other runs, for a run that has them done."""

    def submit(self, config: object, workspace: Workspace, *, profile: str) -> Run:
        """Start a run; it is a part of the one that asks, so no limit on how many are asked for holds."""
        return submit(config, workspace, profile=profile, is_part=True)

    def open(self, folder: Path) -> Run:
        """Return the run of a folder."""
        return Run.open(folder)


def _run(job: Job, interruption: Interruption) -> str:
    ended: dict[str, object]
    try:
        ended = {"state": "finished", "message": _do(job)}
    except Cancelled as stop:
        message = job.out_of_time() if job.is_out_of_time else str(stop) or "Cancelled."
        ended = interruption.ending() or {"state": "cancelled", "message": message}
    except InputError as problem:
        ended = {"state": "failed", "message": str(problem)}
    except Exception as error:  # noqa: BLE001  a worker's last duty is to say what ended it
        job.make_room()
        with contextlib.suppress(OSError):  # the log lies on the same disk
            traceback.print_exc()
        ended = {"state": "failed", "message": _in_words(error)}
    job.close(**ended)
    if ended["state"] == "queued" and (trouble := interruption.queue_again()):
        job.update(state="cancelled", message=trouble, ended=time.time())
    return str(ended["state"])


def _do(job: Job) -> str:
    content = read_or_none(job.folder / "run.json")
    if content is None:
        raise InputError("The description of this run cannot be read (run.json is missing or damaged); start it anew.")
    kind = find_kind(content.get("kind", ""))
    config = kind.read_config(content["config"])
    if (job.folder / "events.jsonl").stat().st_size:
        job.resumed()
    if kind.device is None:
        return _start(job, kind, config)
    wish = kind.device(config)
    devices = acceptable_devices(wish)
    if find_backend(content.get("backend", "local")).gives_out_devices:
        job.update(device=devices[0].name)
        return _start(job, kind, config)
    count = gpus_to_hold(devices, kind.processes(config))
    with hold_device(
        job.folder.parent, job.id, devices, stop=job.stop, waiting=lambda ahead: _say_place(job, ahead), count=count
    ) as device:
        if device is None:
            raise Cancelled("Cancelled while it was waiting for its turn.")
        if device.number is not None and wish in ("auto", "cuda"):
            os.environ["CUDA_VISIBLE_DEVICES"] = device.number  # before torch looks: "auto" is this GPU and no other
            device = dataclasses.replace(device, name="cuda:0")
        job.update(device=device.name)
        return _start(job, kind, config)


def _start(job: Job, kind: Kind[Any], config: object) -> str:
    if job.stop():
        raise Cancelled("Cancelled before it started.")
    job.update(state="running", started=time.time(), message="Loading.")
    return kind.run(job, config)


def _say_place(job: Job, ahead: tuple[str, ...]) -> None:
    runs = "1 run" if len(ahead) == 1 else f"{len(ahead)} runs"
    job.update(message=f"Waiting in the queue: {runs} before this one.")


def _in_words(error: Exception) -> str:
    torch = sys.modules.get("torch")
    out_of_memory = (MemoryError, *((torch.OutOfMemoryError,) if torch else ()))
    if isinstance(error, out_of_memory):
        return "There was not enough memory: choose a smaller batch size, a smaller preset, or fewer genes."
    if (problem := disk_error(error)) is not None:
        return f"{problem} {RESUME}"
    if isinstance(error, OSError) and error.strerror:
        return f"A file could not be read or written ({error.strerror}: {error.filename}). The log holds the details."
    first_line = (str(error).splitlines() or [""])[0]
    return (
        f"The run stopped at an error in the program ({type(error).__name__}: {first_line}). The log holds the details."
    )


def _first_status(folder: Path) -> Status:
    before = read_or_none(folder / "status.json") or {}
    submitted = before.get("submitted")
    return Status(
        submitted=submitted if isinstance(submitted, int | float) else time.time(),
        host=HOST,
        pid=os.getpid(),
        process_mark=process_mark(os.getpid()),
    )


def _stop_on_signals(job: Job) -> None:
    """Let SIGTERM (and Ctrl-C's SIGINT) stop the run at its next step; a late second one ends the process."""
    first: list[float] = []

    def stop(signum: int, frame: object) -> None:
        # A signal to the whole group arrives twice, once through submitit's controller: that is not impatience.
        if first and time.monotonic() - first[0] > IMPATIENCE:
            os._exit(128 + signum)
        first.append(time.monotonic())
        job.ask_to_stop()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)


def _write_output_to(path: Path) -> None:
    log = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    for stream in (1, 2):
        os.dup2(log, stream)
    os.close(log)


def _show_gpus_again() -> None:
    gpus = os.environ.get("GENEDIFF_VISIBLE_GPUS")
    if gpus == "all":
        os.environ.pop("CUDA_VISIBLE_DEVICES", None)
    elif gpus is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpus


@contextlib.contextmanager
def _claim(folder: Path) -> Iterator[bool]:
    """Hold the run's own lock, so that two resumes at once give one worker."""
    handle = os.open(folder / "worker.lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        yield _lock_now(handle)
    finally:
        os.close(handle)


def _lock_now(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
