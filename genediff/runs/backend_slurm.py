"""Workers on the nodes of a SLURM cluster, which share the workspace's folder with this machine."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from typing import TYPE_CHECKING

from genediff.core.errors import InputError
from genediff.core.json_files import read_or_none, write_json
from genediff.runs import slurm_messages
from genediff.runs.backend import WORKER_ENVIRONMENT, Look, python_path
from genediff.runs.slurm_options import SlurmJob, SlurmSilent, forget, job_end, jobs_of, place_in_line, run_slurm

if TYPE_CHECKING:
    from pathlib import Path

END_FILE = "job_end.json"
LOGS = {"SLURM's standard output": "out", "SLURM's standard error": "err"}
WAITING = ("PENDING", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "SPECIAL_EXIT")
LIVE = (*WAITING, "RUNNING", "CONFIGURING", "COMPLETING", "SUSPENDED", "STOPPED", "RESIZING", "SIGNALING", "STAGE_OUT")
UNANSWERED = "Where its job stands is not known now."


class SlurmBackend:
    """Workers as SLURM jobs, submitted by submitit. SLURM gives out nodes and GPUs; no run waits for another here."""

    name = "slurm"
    gives_out_devices = True

    def submit(self, folder: Path, root: Path) -> None:
        """Hand the run to sbatch.

        Raises
        ------
        InputError
            When SLURM is not there or refuses the job; its own words are in the sentence.
        """
        (folder / END_FILE).unlink(missing_ok=True)
        command = [sys.executable, "-m", "genediff.runs.slurm_launch", str(folder), str(root)]
        result = subprocess.run(
            command,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        forget()
        if result.returncode != 0:
            with (folder / "log.txt").open("a") as log:
                log.write(result.stderr)
            raise InputError(f"The run could not be handed to SLURM: {_reason(result.stderr)}")

    def cancel(self, folder: Path, *, force: bool) -> None:
        """Take a waiting job out of the line; send a running worker SIGINT, or with `force` end all of the job.

        SIGINT means cancel; SIGTERM and SIGUSR2 come from SLURM itself and mean stop, and go on later.
        """
        job_id = self._job_id(folder)
        if job_id is None:
            return
        if force:
            run_slurm("scancel", "--signal=KILL", "--full", job_id, accept=(0, 1))
            run_slurm("scancel", job_id, accept=(0, 1))
        else:
            with contextlib.suppress(SlurmSilent):  # the worker also sees the `cancel` file, now or when it starts
                run_slurm("scancel", "--state=PENDING", job_id, accept=(0, 1))
                run_slurm("scancel", "--signal=INT", job_id, accept=(0, 1))
        forget()

    def look(self, folder: Path) -> Look:
        """Ask SLURM where the job stands; how it ended is kept in the folder, since SLURM forgets in minutes."""
        job = read_or_none(folder / "job.json") or {}
        job_id = self._job_id(folder)
        if job_id is None:
            return Look("gone")
        kept = read_or_none(folder / END_FILE) or {}
        if kept.get("job_id") == job_id:
            return Look("gone", str(kept["sentence"]), "cancelled" if kept.get("ends_as") == "cancelled" else "lost")
        try:
            found = jobs_of(str(job.get("user", ""))).get(job_id)
            return self._live(found) if found is not None else self._ended(folder, job_id)
        except SlurmSilent as problem:
            return Look("unknown", f"{problem} {UNANSWERED}")

    def logs(self, folder: Path) -> dict[str, Path]:
        """Return SLURM's two files of the job."""
        job_id = self._job_id(folder)
        if job_id is None:
            return {}
        return {title: folder / "submitit" / f"{job_id}_0_log.{ending}" for title, ending in LOGS.items()}

    @staticmethod
    def _live(job: SlurmJob) -> Look:
        if job.state in WAITING:
            return Look("waiting", slurm_messages.waiting(job, place_in_line(job)))
        return Look("going", f"{slurm_messages.going(job)}.")

    @staticmethod
    def _ended(folder: Path, job_id: str) -> Look:
        end = job_end(job_id)
        if end.state in LIVE:  # it came after the list was made, or changes its state just now
            return Look("waiting" if end.state in WAITING else "going", f"SLURM has taken the run as job {job_id}.")
        look = Look("gone", slurm_messages.ended(job_id, end), "cancelled" if end.state == "CANCELLED" else "lost")
        with contextlib.suppress(OSError):  # a colleague's run may be readable only
            write_json(folder / END_FILE, {"job_id": job_id, "sentence": look.sentence, "ends_as": look.ends_as})
        return look

    @staticmethod
    def _job_id(folder: Path) -> str | None:
        job_id = (read_or_none(folder / "job.json") or {}).get("job_id")
        return job_id if isinstance(job_id, str) and job_id.isdigit() else None


def _environment() -> dict[str, str]:
    """Return this environment for sbatch, without what an allocation around it would pass on to the new job."""
    own = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("SLURM_", "SBATCH_", "SRUN_", "SUBMITIT_")) and name != "GENEDIFF_VISIBLE_GPUS"
    }
    config = {name: os.environ[name] for name in ("SLURM_CONF",) if name in os.environ}
    return {**own, **config, **WORKER_ENVIRONMENT, "PYTHONPATH": python_path()}


def _reason(printed: str) -> str:
    """Return the last line of an error that says something."""
    lines = [line.strip() for line in printed.splitlines() if line.strip()]
    errors = [line.removeprefix("sbatch: error: ") for line in lines if line.startswith("sbatch: error: ")]
    return " ".join(errors) or (lines[-1] if lines else "it said nothing")
