"""Further tasks of a cluster and the first one do not wait for one another in vain. No cluster is needed to see it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.slowdown import slowdown

ROOT = Path(__file__).resolve().parents[2]
FIRST = """
from genediff.core.errors import InputError
from genediff.distributed.launcher import launch
try:
    with launch("", {}, size=2):
        print("met")
except InputError as problem:
    print(problem)
"""
FURTHER = """
import sys
from pathlib import Path
from genediff.runs.companions import work_along
print(work_along(Path(sys.argv[1]), Path(sys.argv[1])))
"""


def _start(code: str, *words: object, rank: int, job: int) -> subprocess.Popen[str]:
    environment = {
        "SUBMITIT_EXECUTOR": "slurm", "SLURM_PROCID": str(rank), "SLURM_NTASKS": "2", "SLURM_JOB_ID": str(job),
    }  # fmt: skip
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, words)], cwd=ROOT, env={**os.environ, **environment}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


@pytest.fixture
def job() -> int:
    """A job's number, on which the port depends where its tasks meet."""
    return os.getpid()


def test_the_first_task_is_told_that_another_failed_before_they_met(tmp_path: Path, job: int) -> None:
    """It waited for five minutes."""
    (tmp_path / "run.json").write_text(json.dumps({"kind": "train", "config": {"model": "no model"}}))
    begun = time.monotonic()
    first, further = _start(FIRST, rank=0, job=job), _start(FURTHER, tmp_path, rank=1, job=job)
    said, its_own = (one.communicate(timeout=600)[0] for one in (first, further))
    assert said.startswith("another process of this run failed: The configuration of this train run is wrong")
    assert "took part" in its_own
    assert time.monotonic() - begun < 60 * slowdown()


def test_a_further_task_leaves_when_the_run_ended_before_they_met(tmp_path: Path, job: int) -> None:
    (tmp_path / "run.json").write_text(json.dumps({"kind": "train", "config": {"model": "no model"}}))
    (tmp_path / "status.json").write_text(json.dumps({"state": "cancelled"}))
    said, _ = _start(FURTHER, tmp_path, rank=1, job=job + 1).communicate(timeout=200)
    assert "the run has ended" in said
