"""A worker on a cluster whose time is over: it leaves a checkpoint and its job goes back into the line.

SLURM sends SIGTERM when it takes the node away (a more urgent job, `scontrol requeue`, a drained node) and queues the
job again by itself. Some time before the time limit it sends SIGUSR2, as sbatch was told; then the worker asks for the
queueing. SIGINT is ours and means cancel. submitit would act inside its signal handler, in the middle of a step; here
the step in hand is finished first, so that what goes on is what was.
"""

from __future__ import annotations

import os
import signal
import subprocess
from typing import TYPE_CHECKING

from genediff.core.json_files import read_or_none, write_json

if TYPE_CHECKING:
    from genediff.runs.job import Job

TIME_LIMIT, TAKEN = "its time limit", "SLURM, which took its node away"
FILE = "interruption.json"
TOO_SHORT = (
    "The time limit of this profile is too short: from one start to the next, the run came no step further. Raise "
    "`time` in the profile, then resume."
)


class Interruption:
    """Whether SLURM has asked this worker to stop, and why; it counts only where nobody cancelled the run."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._cause: str | None = None

    @classmethod
    def listen(cls, job: Job) -> Interruption:
        """Handle SLURM's signals where this process is a SLURM job's; elsewhere nothing is ever heard."""
        heard = cls(job)
        if os.environ.get("SUBMITIT_EXECUTOR") == "slurm":
            signal.signal(signal.SIGTERM, lambda *_: heard._stop(TAKEN))
            signal.signal(signal.SIGUSR2, lambda *_: heard._stop(TIME_LIMIT))
            signal.signal(signal.SIGCONT, signal.SIG_DFL)  # comes before SIGTERM; submitit would only print it
        return heard

    def ending(self) -> dict[str, object] | None:
        """Return the status of a stopped run that goes on by itself later; None where it is to stay stopped."""
        if self._cause is None or (self._job.folder / "cancel").exists():
            return None
        if self._cause == TIME_LIMIT and not self._came_further():
            return {"state": "failed", "message": TOO_SHORT}
        return {
            "state": "queued",
            "message": f"Stopped by {self._cause}. It goes on from its checkpoint when its turn comes.",
            "pid": None,
            "host": None,
            "process_mark": None,
        }

    def queue_again(self) -> str | None:
        """Put the job back into the line where SLURM does not do so by itself; returns what went wrong."""
        if self._cause != TIME_LIMIT:
            return None
        try:
            subprocess.run(
                ["scontrol", "requeue", os.environ["SLURM_JOB_ID"]],
                capture_output=True,
                text=True,
                timeout=60,
                check=True,
            )
        except (OSError, subprocess.SubprocessError) as problem:
            said = getattr(problem, "stderr", None) or str(problem)
            return f"The time limit was reached, and SLURM did not queue the run again: {said.strip()}"
        return None

    def _stop(self, cause: str) -> None:
        self._cause = self._cause or cause
        self._job.ask_to_stop()

    def _came_further(self) -> bool:
        """Whether this start brought the run on; what a start without a step would repeat for ever ends here."""
        before = read_or_none(self._job.folder / FILE) or {}
        now = self._job.position
        write_json(self._job.folder / FILE, {"stage": now[0], "step": now[1]})
        return before == {} or before.get("stage") != now[0] or (now[1] or 0) > (before.get("step") or 0)
