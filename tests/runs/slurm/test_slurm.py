"""Real trainings in a real SLURM: they wait, are cancelled, preempted, timed out, and go on to the same weights."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

import pytest
from safetensors.numpy import load_file

from genediff.core.errors import InputError
from genediff.core.json_files import read_or_none
from genediff.runs import Run, SeriesJob, find_run, list_runs, submit, without_repeats
from genediff.runs.kinds.series_run import children
from tests.slowdown import slowdown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.runs.slurm.cluster import Cluster

pytestmark = pytest.mark.slow
ENDLESS = 1_000_000


def _weights(run: Run) -> dict[str, bytes]:
    tensors = load_file(run.folder / "checkpoint" / "model" / "model.safetensors")
    return {name: values.tobytes() for name, values in tensors.items()}


def _resumed_after(run: Run) -> list[int]:
    said = [event.message for event in run.events().items if event.message.startswith("Resumed after step")]
    return [int(message.split()[-1].rstrip(".").replace(",", "")) for message in said]


def _in_slurm(cluster: Cluster, runs: Sequence[Run]) -> list[bool]:
    names = cluster.ask("squeue", "-h", "-o", "%j").split()
    return [f"genediff-{run.id}" in names for run in runs]


def _held_out(run: Run) -> dict[int, float]:
    steps = without_repeats(run.events().items)
    return {event.step: event.validation for event in steps if event.stage == "flow" and event.validation is not None}


def test_preempted_and_cancelled_it_goes_on_to_the_same_weights(cluster, workspace, tiny, wait_for):
    """Checkpoints come from stopping alone: the clock would write the first after an hour."""
    steps = 1200
    config = tiny(steps=steps, tokenizer_steps=30, checkpoint_seconds=3600)
    broken, both = (submit(config, workspace, profile=profile, name=profile) for profile in ("cpu", "two"))
    wait_for(
        lambda: broken.status.stage == "flow" and broken.status.step > 20, seconds=300, what="it trains", run=broken
    )
    assert broken.status.device == "cpu"
    assert "on" in broken.look().sentence and "until its time limit" in broken.look().sentence
    urgent = cluster.ask("sbatch", "--partition=urgent", "--exclusive", "--output=/dev/null", "--wrap=sleep 1")
    assert "Submitted" in urgent
    wait_for(lambda: broken.status.state == "queued", seconds=300, what="SLURM takes the node back", run=broken)
    assert "Stopped by SLURM" in broken.events().items[-1].message
    unbroken = submit(config, workspace, profile="cpu", name="unbroken")
    wait_for(lambda: _resumed_after(broken), seconds=300, what="it goes on", run=broken)
    assert 20 < _resumed_after(broken)[0] < steps

    begun = time.monotonic()
    status = broken.cancel(wait=300)
    took = time.monotonic() - begun
    assert status.state == "cancelled" and "force" not in status.message, status
    assert took < 2 * slowdown()
    broken.resume()
    for run in (broken, unbroken, both):
        wait_for(lambda run=run: run.status.stage == "evaluation" or run.status.has_ended, seconds=300, what="judged")
        run.cancel(wait=300)
    assert [len(_resumed_after(run)) for run in (broken, unbroken)] == [2, 0]
    assert _weights(broken) == _weights(unbroken)
    taken = [event.step for event in without_repeats(broken.events().items) if event.stage == "flow"]
    assert taken == sorted(set(taken))

    # Two tasks share each batch: the same sums in another order, so the same curve within rounding.
    assert "Restarts=1" in cluster.ask("scontrol", "show", "job", read_or_none(both.folder / "job.json")["job_id"])
    assert "2 processes" in both.log_tail()
    assert _held_out(both)[steps] == pytest.approx(_held_out(unbroken)[steps], rel=0.02)


def test_jobs_wait_in_line_leave_it_and_go_on_after_their_time_limit(cluster, workspace, tiny, wait_for):
    """One GPU for three jobs. SLURM gives it out; the queue of this machine's own devices is not asked.

    Meanwhile a run with a limit of two minutes comes to the warning before it. With one minute a busy machine could be
    warned twice before its first step, which ends a run: SLURM looks only now and then, and warns up to a minute early.
    """
    short = submit(tiny(steps=ENDLESS, checkpoint_seconds=3600, name="short"), workspace, profile="minutes")
    first, second, third = (submit(tiny(steps=ENDLESS, name=name), workspace, profile="gpu") for name in "abc")
    wait_for(lambda: first.status.state == "running", seconds=300, what="the first runs", run=first)
    wait_for(lambda: "as 2nd of 2 in" in third.status.message, seconds=300, what="the third says its place")
    wait_for(lambda: "as 1st of 2 in" in second.status.message, seconds=300, what="the second says its place")
    assert "partition day" in second.status.message and "first nodes that get free" in second.status.message
    wait_for(lambda: "expects to start" in second.status.message, seconds=300, what="SLURM's forecast")
    assert third.ahead() == ()
    assert not list((workspace.runs / ".queue").glob("*")) and not (workspace.runs / ".devices").exists()

    begun = time.monotonic()
    assert second.cancel(wait=300).state == "cancelled"
    assert time.monotonic() - begun < 2 * slowdown()
    assert _in_slurm(cluster, (first, second, third, short)) == [True, False, True, True]
    wait_for(lambda: first.status.stage is not None, seconds=300, what="the first trains", run=first)
    assert "set up as the profile says" in first.backend_logs()["SLURM's standard output"]

    cluster.ask("scancel", first.look().sentence.split()[2])  # by hand, outside of the app
    wait_for(lambda: first.status.has_ended, seconds=300, what="the end outside is noticed")
    assert first.status.state == "cancelled" and "outside of GeneDiff" in first.status.message
    assert (first.folder / "checkpoint").exists()
    wait_for(lambda: third.status.pid is not None, seconds=300, what="the third has its turn", run=third)
    os.kill(third.status.pid, signal.SIGKILL)
    wait_for(lambda: third.status.has_ended, seconds=300, what="the killed worker is noticed")
    assert third.status.state == "lost", third.status
    assert "failed with exit code" in third.status.message and "resume goes on" in third.status.message

    wait_for(lambda: "Stopped by its time limit" in "".join(event.message for event in short.events().items),
             seconds=80, what="the warning before the limit")  # fmt: skip
    wait_for(lambda: _resumed_after(short), seconds=300, what="it goes on in the same job", run=short)
    assert short.cancel(wait=300).state == "cancelled"


def test_the_trainings_of_a_series_go_to_the_cluster_all_at_once(cluster, workspace, tiny, wait_for):
    """Here the series would train one after the other, since there is one CPU to take turns on."""
    series = submit(SeriesJob((tiny(seed=0), tiny(seed=1)), profile="cpu"), workspace)
    wait_for(lambda: len(children(series.folder)) == 2, seconds=300, what="all are submitted", run=series)
    runs = [find_run(workspace, run_id) for run_id in children(series.folder).values()]
    assert _in_slurm(cluster, runs) == [True] * 2
    assert series.cancel(wait=300).state == "cancelled"
    assert [(run.profile, run.status.state) for run in runs] == [("cpu", "cancelled")] * 2
    wait_for(lambda: not any(_in_slurm(cluster, runs)), seconds=300, what="no job is left")


def test_a_refused_job_is_told_in_slurms_words(cluster, workspace, tiny):
    with pytest.raises(InputError, match="invalid partition specified: nowhere"):
        submit(tiny(), workspace, profile="nowhere")
    (run,) = list_runs(workspace)
    assert run.status.state == "failed" and "nowhere" in run.status.message
