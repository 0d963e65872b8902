"""Where workers are started: on this machine now, on a cluster later, behind submitit's interface either way.

submitit's local executor was examined and measured for what a run must survive. Its controller process outlives a
killed submitter, but it stays in the submitter's terminal session and process group (Ctrl-C in the terminal of the
server ends all runs), keeps its standard output, hides all GPUs unless asked, and stops jobs after five minutes unless
told otherwise. So a small launcher in a session of its own (`genediff.runs.launch`) calls submitit and leaves.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Literal, Protocol

from genediff.errors import InputError
from genediff.runs.files import read_json
from genediff.runs.process import is_alive

JobState = Literal["pending", "gone"]

PACKAGE_PARENT = Path(__file__).resolve().parents[2]

WORKER_ENVIRONMENT = {
    "OMP_WAIT_POLICY": "PASSIVE",  # waiting threads sleep: threefold faster beside a busy neighbour
    "THP_MEM_ALLOC_ENABLE": "1",  # torch's huge pages
    "CUBLAS_WORKSPACE_CONFIG": ":4096:8",  # the same sums in the same order on a GPU
    "PYTHONUNBUFFERED": "1",
    "MPLBACKEND": "Agg",
    "SUBMITIT_LOG_LEVEL": "WARNING",
}


class Backend(Protocol):
    """Starts the worker of a run folder somewhere, and ends it."""

    name: str

    def submit(self, folder: Path, root: Path) -> None:
        """Start a worker for the run in `folder` of the workspace at `root`."""

    def cancel(self, folder: Path, *, force: bool) -> None:
        """Ask the worker to stop (it also watches its folder's `cancel` file); with `force`, end it at once."""

    def state(self, folder: Path) -> JobState:
        """Whether a worker that has not spoken yet may still come."""


class LocalBackend:
    """Workers on this machine, through submitit's local executor."""

    name = "local"

    def submit(self, folder: Path, root: Path) -> None:
        """Start a worker that belongs to no terminal and no parent."""
        command = [sys.executable, "-m", "genediff.runs.launch", str(folder), str(root), self.name]
        with (folder / "log.txt").open("ab") as log:  # not a pipe: submitit's controller keeps it open
            result = subprocess.run(
                command,
                env=_environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                timeout=120,
                check=False,
            )
        if result.returncode != 0:
            raise InputError(f"The worker of this run could not be started; {folder / 'log.txt'} says why.")

    def cancel(self, folder: Path, *, force: bool) -> None:
        """Send the worker a signal: SIGTERM, or SIGKILL with `force`."""
        said = read_json(folder / "status.json") or {}
        pid, mark = said.get("pid"), said.get("process_mark")
        if isinstance(pid, int) and is_alive(pid, mark):
            os.kill(pid, signal.SIGKILL if force else signal.SIGTERM)

    def state(self, folder: Path) -> JobState:
        """Look whether submitit's controller is there."""
        job = read_json(folder / "job.json") or {}
        return "pending" if is_alive(job.get("pid"), job.get("process_mark")) else "gone"


BACKENDS: dict[str, Backend] = {"local": LocalBackend()}


def find_backend(name: str) -> Backend:
    """Return a backend by name."""
    if name not in BACKENDS:
        raise InputError(f"Unknown backend '{name}'; known: {', '.join(sorted(BACKENDS))}.")
    return BACKENDS[name]


def _environment() -> dict[str, str]:
    path = os.pathsep.join([str(PACKAGE_PARENT), *filter(None, [os.environ.get("PYTHONPATH")])])
    # submitit's local executor overwrites CUDA_VISIBLE_DEVICES; the worker puts this one back.
    gpus = os.environ.get("CUDA_VISIBLE_DEVICES", "all")
    return {**os.environ, **WORKER_ENVIRONMENT, "PYTHONPATH": path, "GENEDIFF_VISIBLE_GPUS": gpus}
