"""A worker that SLURM stops goes on later, unless nothing would come of it or it was cancelled."""

from __future__ import annotations

import pytest

from genediff.runs.job import Job
from genediff.runs.run_interruption import TAKEN, TIME_LIMIT, TOO_SHORT, Interruption
from genediff.runs.run_status import Status


@pytest.fixture
def job(tmp_path):
    (tmp_path / "events.jsonl").touch()
    made = Job(tmp_path, tmp_path, Status(submitted=0.0, pid=1, host="node1"), runs=tmp_path)
    yield made
    made.close(state="cancelled", message="")


def _stopped(job: Job, cause: str) -> dict[str, object] | None:
    interruption = Interruption.listen(job)
    interruption._stop(cause)
    assert job.stop()
    return interruption.ending()


def test_it_waits_to_go_on_without_a_worker_of_its_own(job):
    ended = _stopped(job, TAKEN)
    assert ended is not None and (ended["state"], ended["pid"], ended["host"]) == ("queued", None, None)
    assert TAKEN in str(ended["message"])


def test_nobody_has_interrupted_it(job):
    assert Interruption.listen(job).ending() is None
    assert not job.stop()


def test_a_cancel_is_stronger(job):
    (job.folder / "cancel").touch()
    assert _stopped(job, TIME_LIMIT) is None


def test_a_limit_that_lets_nothing_happen_ends_the_run(job):
    """Each start loads, comes to the same step, and is stopped again: for ever, if nobody counted."""
    states = []
    for step in (10, 30, 30):
        job.step("flow", step=step, total=100)
        ended = _stopped(job, TIME_LIMIT)
        assert ended is not None
        states.append(ended["state"])
    assert states == ["queued", "queued", "failed"]
    assert ended["message"] == TOO_SHORT
    job.step("evaluation", step=0, total=100)
    assert (_stopped(job, TIME_LIMIT) or {})["state"] == "queued"
