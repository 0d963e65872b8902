"""Workers on this machine.

submitit's local executor was examined and measured for what a run must survive. Its controller process outlives a
killed submitter, but it stays in the submitter's terminal session and process group (Ctrl-C in the terminal of the
server ends all runs), keeps its standard output, hides all GPUs unless asked, and stops jobs after five minutes unless
told otherwise. So a small launcher in a session of its own (`genediff.runs.launch_local`) calls submitit and leaves.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

from genediff.core.errors import InputError
from genediff.core.json_files import read_or_none
from genediff.runs.backend import WORKER_ENVIRONMENT, Look, python_path
from genediff.runs.run_process import is_alive

if TYPE_CHECKING:
    from pathlib import Path


class LocalBackend:
    """Workers on this machine, through submitit's local executor."""

    name = "local"
    gives_out_devices = False

    def submit(self, folder: Path, root: Path) -> None:
        """Start a worker that belongs to no terminal and no parent."""
        command = [sys.executable, "-m", "genediff.runs.launch_local", str(folder), str(root), self.name]
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
        said = read_or_none(folder / "status.json") or {}
        pid, mark = said.get("pid"), said.get("process_mark")
        if isinstance(pid, int) and is_alive(pid, mark):
            os.kill(pid, signal.SIGKILL if force else signal.SIGTERM)

    def look(self, folder: Path) -> Look:
        """Look whether submitit's controller is there and its worker has not spoken yet."""
        if (read_or_none(folder / "status.json") or {}).get("pid") is not None:
            return Look("gone")
        job = read_or_none(folder / "job.json") or {}
        return Look("waiting" if is_alive(job.get("pid"), job.get("process_mark")) else "gone")

    def logs(self, folder: Path) -> dict[str, Path]:
        """Return nothing: all that is printed is in the run's own log."""
        return {}


def _environment() -> dict[str, str]:
    # submitit's local executor overwrites CUDA_VISIBLE_DEVICES; the worker puts this one back.
    gpus = os.environ.get("CUDA_VISIBLE_DEVICES", "all")
    return {**os.environ, **WORKER_ENVIRONMENT, "PYTHONPATH": python_path(), "GENEDIFF_VISIBLE_GPUS": gpus}
