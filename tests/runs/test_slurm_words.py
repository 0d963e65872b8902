"""What is said of jobs, and what a run's status makes of it."""

from __future__ import annotations

import time

import pytest

from genediff.runs import slurm_messages, slurm_options
from genediff.runs.backend import Look
from genediff.runs.run_process import HOST
from genediff.runs.run_status import Status, read_status
from genediff.runs.slurm_options import JobEnd, SlurmJob, SlurmSilent


def _job(**fields):
    return SlurmJob(**{"job_id": "17", "state": "PENDING", "reason": "Priority", "partition": "gpu", **fields})


def test_a_waiting_job_is_told_with_its_place_its_reason_and_its_start():
    said = slurm_messages.waiting(_job(start=time.time() + 2 * 3600 + 20), (3, 7))
    assert said == (
        "SLURM job 17 waits as 3rd of 7 in the line of partition gpu: others come first in the order of SLURM. "
        "SLURM expects to start it in about 2 h 0 min."
    )
    assert "never start" in slurm_messages.waiting(_job(reason="PartitionTimeLimit"), None)
    assert "a limit on the jobs" in slurm_messages.waiting(_job(reason="QOSMaxJobsPerUserLimit"), None)
    assert "SomethingNew" in slurm_messages.waiting(_job(reason="SomethingNew"), None)


@pytest.mark.parametrize(
    ("left", "seconds"), [("3-01:00:00", 262800), ("1:00:05", 3605), ("4:05", 245), ("UNLIMITED", None)]
)
def test_times_left_are_read(left, seconds):
    assert slurm_messages.seconds_of(left) == seconds


def test_ends_are_told():
    assert "more memory than it had asked for" in slurm_messages.ended("17", JobEnd("OUT_OF_MEMORY", "0:125"))
    assert "failed with exit code 127." in slurm_messages.ended("17", JobEnd("FAILED", "127:0"))
    assert [slurm_messages.ordinal(n) for n in (1, 2, 3, 4, 11, 12, 13, 21, 112)] == [
        "1st", "2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "112th",
    ]  # fmt: skip


def test_a_missing_slurm_is_said_and_asked_only_now_and_then(monkeypatch, tmp_path):
    asked = []
    run = slurm_options.subprocess.run

    def counted(*command, **how):
        asked.append(command)
        return run(*command, **how)

    monkeypatch.setattr(slurm_options.subprocess, "run", counted)
    monkeypatch.setenv("PATH", str(tmp_path))
    slurm_options.forget()
    for _ in range(5):
        with pytest.raises(SlurmSilent, match="squeue is not on this machine"):
            slurm_options.jobs_of("ada")
    assert len(asked) == 1
    slurm_options.forget()


GONE = Look("gone", "SLURM job 17 failed.")


def _elsewhere(silent: float):
    return lambda: Status(state="running", pid=1, host="node1", heartbeat=time.time() - silent)


@pytest.mark.parametrize(
    ("said", "seen", "state", "words"),
    [
        (Status, Look("waiting", "3rd of 7"), "queued", "3rd of 7"),
        (Status, Look("going", "on node1"), "queued", "the worker is loading"),
        (lambda: Status(submitted=time.time()), GONE, "lost", "failed"),
        (lambda: Status(submitted=time.time() + 600), Look("gone"), "queued", ""),
        (Status, Look("gone", "was cancelled", "cancelled"), "cancelled", "was cancelled"),
        (Status, Look("unknown", "does not answer"), "queued", "does not answer"),
        (_elsewhere(-600), GONE, "running", ""),
        (_elsewhere(3600), GONE, "lost", "failed"),
        (_elsewhere(3600), Look("gone"), "lost", "worker process is gone"),
        (_elsewhere(3600), Look("waiting", "queued again"), "queued", "queued again"),
        (_elsewhere(3600), Look("going", "on node1."), "running", "on node1. Its worker has been silent for 6"),
        (_elsewhere(3600), Look("unknown", "does not answer"), "running", "does not answer"),
        (lambda: Status(state="running", pid=2**22 - 1, process_mark="x", host=HOST), GONE, "lost", "failed"),
    ],
)
def test_a_status_follows_what_the_cluster_says(tmp_path, said, seen, state, words):
    said().write(tmp_path)  # made here: minutes may lie between the collection of tests and this one
    concluded = read_status(tmp_path, look=lambda: seen)
    assert (concluded.state, words in concluded.message) == (state, True), concluded


def test_a_cancelled_run_whose_job_still_waits_is_cancelled(tmp_path):
    _elsewhere(3600)().write(tmp_path)
    (tmp_path / "cancel").touch()
    assert read_status(tmp_path, look=lambda: Look("waiting", "queued again")).state == "cancelled"
    assert read_status(tmp_path, look=lambda: Look("going", "on node1")).state == "running"


def test_a_last_word_between_two_looks_counts(tmp_path):
    """The job leaves SLURM's list just after its worker has written that it finished."""
    _elsewhere(3600)().write(tmp_path)

    def look() -> Look:
        Status(state="finished", message="done").write(tmp_path)
        return GONE

    assert read_status(tmp_path, look=look).state == "finished"
