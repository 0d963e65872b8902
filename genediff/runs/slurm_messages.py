"""SLURM's states and reasons in plain words."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from genediff.runs.slurm_options import JobEnd, SlurmJob

REASONS = {
    "None": "SLURM has not looked at it yet",
    "Priority": "others come first in the order of SLURM",
    "Resources": "it is next for the first nodes that get free",
    "BeginTime": "SLURM pauses a little before it starts a job again",
    "Dependency": "it waits for another job to end",
    "JobHeldUser": "it is held; `scontrol release` lets it go",
    "JobHeldAdmin": "it is held by an administrator",
    "PartitionDown": "the partition is down",
    "PartitionInactive": "the partition takes no jobs to start now",
    "PartitionTimeLimit": "it asks for more time than the partition allows and will never start: lower `time` in "
    "the profile",
    "PartitionNodeLimit": "it asks for more nodes than the partition has and will never start: lower `nodes` in "
    "the profile",
    "ReqNodeNotAvail": "nodes that it needs are down or reserved",
    "Reservation": "its reservation has not begun",
    "BadConstraints": "no node is as the profile's constraints ask, so it will never start",
    "InvalidAccount": "the account in the profile is not valid",
    "InvalidQOS": "the quality of service in the profile is not valid",
    "Licenses": "a licence is not free",
    "launch failed requeued held": "starting it failed, and it is held; `scontrol release` lets it go",
}
ENDS = {
    "CANCELLED": "was cancelled outside of GeneDiff (scancel)",
    "TIMEOUT": "reached its time limit before the run could stop",
    "NODE_FAIL": "ended because its node failed",
    "OUT_OF_MEMORY": "was ended because it took more memory than it had asked for: raise `memory` in the profile",
    "PREEMPTED": "made way for a more urgent one and was not queued again",
    "BOOT_FAIL": "ended because its node did not start",
    "DEADLINE": "reached its deadline",
    "FAILED": "failed",
    "COMPLETED": "ended without a word from its worker",
    "UNKNOWN": "is no longer known to SLURM",
}


def waiting(job: SlurmJob, place: tuple[int, int] | None) -> str:
    """Say where a job waits and why: "SLURM job 17 is 3rd of 7 in the line of partition gpu: …"."""
    where = f"in partition {job.partition}"
    if place is not None:
        where = f"as {ordinal(place[0])} of {place[1]} in the line of partition {job.partition}"
    why = REASONS.get(job.reason, "")
    if not why and "Max" in job.reason:
        why = "a limit on the jobs of this user, account or quality of service is reached"
    why = why or job.reason
    start = ""
    if job.start is not None and job.start > time.time():
        start = f" SLURM expects to start it in about {_span(job.start - time.time())}."
    return f"SLURM job {job.job_id} waits {where}: {why}.{start}"


def going(job: SlurmJob) -> str:
    """Say where a job runs: "SLURM job 17 on node3, partition gpu; 3 h until its time limit"."""
    seconds = seconds_of(job.left)
    left = "" if seconds is None else f"; {_span(seconds)} until its time limit"
    stopped = "" if job.state in ("RUNNING", "COMPLETING") else f" ({job.state.lower()})"
    return f"SLURM job {job.job_id}{stopped} on {job.nodes or 'its nodes'}, partition {job.partition}{left}"


def ended(job_id: str, end: JobEnd) -> str:
    """Say how a job ended that said nothing itself."""
    code = end.exit_code.split(":")[0]
    told = f" with exit code {code}" if end.state == "FAILED" and code not in ("", "0") else ""
    words = ENDS.get(end.state, f"ended as {end.state}")
    return f"SLURM job {job_id} {words}{told}. The logs may say more; resume goes on from the last checkpoint."


def ordinal(number: int) -> str:
    """Write 1st, 2nd, 3rd, 4th, 11th."""
    ending = "th" if 10 <= number % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def seconds_of(left: str) -> int | None:
    """Return the seconds of SLURM's [days-][hours:]minutes:seconds; None for UNLIMITED and the like."""
    found = re.fullmatch(r"(?:(\d+)-)?(?:(\d+):)?(\d+):(\d+)", left)
    if found is None:
        return None
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return ((24 * days + hours) * 60 + minutes) * 60 + seconds


def _span(seconds: float) -> str:
    if seconds < 90:
        return f"{max(round(seconds), 1)} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min" if minutes < 48 * 60 else f"{round(minutes / 1440)} days"
