"""What SLURM says of jobs, asked by its own commands: seldom, with patience, and without an accounting database."""

from __future__ import annotations

import os
import re
import subprocess
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from genediff.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

JOBS_KEPT, LINE_KEPT = 1.5, 15.0
"""Seconds that an answer is used again: of a user's own jobs, and of a partition's whole line."""
PATIENCE = 10.0
"""Seconds that one command may take, and that a cluster which did not answer is left alone."""

NOT_IN_LINE = (
    "BeginTime",
    "Dependency",
    "DependencyNeverSatisfied",
    "JobHeldUser",
    "JobHeldAdmin",
    "JobHoldMaxRequeue",
)
"""Reasons for which a job lets others pass."""
_FIELDS = "%i|%T|%r|%P|%N|%S|%L"


class SlurmSilent(InputError):
    """SLURM's commands are not there, or its controller does not answer."""


@dataclass(frozen=True)
class SlurmJob:
    """One line of squeue. `start` is in seconds since 1970, `left` as SLURM writes it (days-hours:minutes:seconds)."""

    job_id: str
    state: str
    reason: str
    partition: str
    nodes: str = ""
    start: float | None = None
    left: str = ""


@dataclass(frozen=True)
class JobEnd:
    """How a job ended, as SLURM says; the state is UNKNOWN where it has forgotten."""

    state: str
    exit_code: str = ""


def run_slurm(*command: str, accept: tuple[int, ...] = (0,)) -> str:
    """Return what a command of SLURM prints.

    Raises
    ------
    SlurmSilent
        When it is not installed, takes too long, or ends otherwise than `accept` says.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SQUEUE_", "SACCT_"))}
    try:
        done = subprocess.run(
            command,
            env={**kept, "SLURM_TIME_FORMAT": "%s"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
    except FileNotFoundError:
        raise SlurmSilent(f"SLURM's command {command[0]} is not on this machine.") from None
    except subprocess.TimeoutExpired:
        raise SlurmSilent(f"SLURM did not answer {command[0]} within {PATIENCE:.0f} seconds.") from None
    if done.returncode not in accept:
        raise SlurmSilent(f"SLURM says: {_last_line(done.stderr) or 'nothing'}")
    return done.stdout


def jobs_of(user: str) -> dict[str, SlurmJob]:
    """Return a user's jobs that wait or run, by id."""
    text = _jobs(user, lambda: run_slurm("squeue", "--noheader", f"--user={user}", f"--format={_FIELDS}"))
    return {job.job_id: job for job in _parse(text)}


def place_in_line(job: SlurmJob) -> tuple[int, int] | None:
    """Return a waiting job's place (1 is next) in its partition's line, and the length of the line.

    SLURM's own order of priority; jobs that are held or wait for something else than their turn are left out. None
    where the job is such a one. Where a cluster hides other people's jobs, they cannot be counted.
    """
    text = _lines(
        job.partition,
        lambda: run_slurm(
            "squeue", "--noheader", "--states=PENDING", f"--partition={job.partition}", "--sort=-p,i",
            f"--format={_FIELDS}",
        ),
    )  # fmt: skip
    line = [other.job_id for other in _parse(text) if other.reason not in NOT_IN_LINE]
    return (line.index(job.job_id) + 1, len(line)) if job.job_id in line else None


def job_end(job_id: str) -> JobEnd:
    """Return how a job that squeue no longer lists ended, from the controller's memory or from the accounts."""
    text = run_slurm("scontrol", "show", "job", "--oneliner", job_id, accept=(0, 1))
    found = dict(re.findall(r"(\w+)=(\S*)", text))
    if "JobState" in found:
        return JobEnd(found["JobState"], found.get("ExitCode", ""))
    try:
        text = run_slurm("sacct", "-X", "--noheader", "--parsable2", f"--jobs={job_id}", "--format=State,ExitCode")
    except SlurmSilent:
        text = ""  # no accounting on this cluster, or none for this user
    state, _, code = (_last_line(text) or "UNKNOWN|").partition("|")
    return JobEnd(state.split()[0], code)  # "CANCELLED by 1000"


def forget() -> None:
    """Ask anew: something was submitted or cancelled just now."""
    _jobs.clear()
    _lines.clear()


class _Kept:
    """Answers of one question, kept for some seconds; who asks at the same time waits for the one answer."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._answers: dict[str, tuple[float, str | SlurmSilent]] = {}
        self._lock = threading.Lock()

    def __call__(self, key: str, ask: Callable[[], str]) -> str:
        with self._lock:
            until, answer = self._answers.get(key, (0.0, ""))
            if time.monotonic() >= until:
                try:
                    until, answer = self._seconds, ask()
                except SlurmSilent as problem:
                    until, answer = PATIENCE, problem
                self._answers[key] = (time.monotonic() + until, answer)
        if isinstance(answer, SlurmSilent):
            raise SlurmSilent(str(answer))
        return answer

    def clear(self) -> None:
        with self._lock:
            self._answers.clear()


_jobs = _Kept(JOBS_KEPT)
_lines = _Kept(LINE_KEPT)


def _parse(text: str) -> list[SlurmJob]:
    rows: list[list[Any]] = [line.split("|") for line in text.splitlines() if line.count("|") == _FIELDS.count("|")]
    return [
        SlurmJob(job_id, state, reason, partition, nodes, float(start) if start.isdigit() else None, left)
        for job_id, state, reason, partition, nodes, start, left in rows
    ]


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or [""])[-1].strip()
