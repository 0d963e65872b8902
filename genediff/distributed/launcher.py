"""Start the processes of a job on this machine, or join those that a cluster has started.

The process that asks is the first of its launch. It starts the others itself, in sessions of their own, without a
terminal. Each of them holds the reading end of a pipe whose other end only the first process has: however that one
ends, by SIGKILL too, the pipe closes and the others leave. Signals are for the first process alone; it tells the
others to stop when they next agree.

On a cluster that has started one process per task (srun), nobody is started: all are there already.

Why not Lightning Fabric's launcher, which trains with them once they have met: it starts the others by running the
main script again, and here that is a notebook, a test or the app as often as a worker; it does not say which process
ended, and why. Its own were gone 12 seconds after SIGKILL of the first (two processes, a busy machine).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genediff.core.errors import InputError
from genediff.core.installation import PACKAGE_PARENT
from genediff.distributed.process_group import joined
from genediff.distributed.ranks import ALONE
from genediff.distributed.slurm_environment import Task, slurm_task, slurm_tasks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from genediff.distributed.ranks import Ranks


START = 300.0
"""Seconds that a process may take until it is ready; reading torch from a slow disk takes a minute."""

END = 20.0
"""Seconds that the others may take to leave when the job is done."""


def launch_size(wanted: int) -> int:
    """Return how many processes a job has: the tasks that a cluster has started for it, or as many as are wanted."""
    tasks = slurm_tasks()
    return tasks if tasks > 1 else wanted


@contextmanager
def launch(target: str, arguments: dict[str, Any], *, size: int, gpus: bool = False) -> Iterator[Ranks]:
    """Do the body in ``size`` processes, of which this is the first, or the one that a cluster made it.

    Parameters
    ----------
    target
        ``module:function`` that the other processes call with (ranks, **arguments). It has to take part in every
        exchange that the body takes part in.
    arguments
        Plain values that survive JSON.
    size
        Number of processes; see `launch_size`.
    gpus
        Whether each process works on a GPU of its own.

    Raises
    ------
    InputError
        When one of them ends early.
    """
    if size == 1:
        yield ALONE
        return
    if slurm_tasks() > 1:
        try:
            with joined(slurm_task(), gpus=gpus) as ranks:
                yield ranks
        except RuntimeError as error:
            if not _is_broken_exchange(error):
                raise
            raise InputError(
                "another process of this run ended early; SLURM's logs say why. Resume goes on from the last checkpoint"
            ) from error
        return
    with tempfile.TemporaryDirectory(prefix="genediff-launch-") as name:
        yield from _local(Path(name), target, arguments, size=size, gpus=gpus)


def _local(folder: Path, target: str, arguments: dict[str, Any], *, size: int, gpus: bool) -> Iterator[Ranks]:
    threads = _threads_each(size)
    job = {"target": target, "arguments": arguments, "size": size, "gpus": gpus, "threads": threads}
    (folder / "job.json").write_text(json.dumps(job))
    others = [_start(folder, rank, threads, gpus=gpus) for rank in range(1, size)]
    try:
        _wait_until_ready(folder, others)
        with joined(Task(0, size, 0, str(folder / "store")), gpus=gpus, threads=threads) as ranks:
            yield ranks
        _wait_for_end(others)
    except RuntimeError as error:
        if not _is_broken_exchange(error):
            raise
        time.sleep(0.5)  # the one that ended first made this one fail; let the system say so
        raise _ended(others) or error from error
    finally:
        for process in others:
            process.kill()
            process.wait()
            if process.stdin is not None:
                process.stdin.close()


def _start(folder: Path, rank: int, threads: int, *, gpus: bool) -> subprocess.Popen[bytes]:
    path = os.pathsep.join([str(PACKAGE_PARENT), *filter(None, [os.environ.get("PYTHONPATH")])])
    settings = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": str(threads), "GENEDIFF_CREW": str(folder)}
    command = [sys.executable, "-m", "genediff.distributed.worker_entry", str(folder), str(rank)]
    return subprocess.Popen(command, env=settings, stdin=subprocess.PIPE, start_new_session=True)


def _threads_each(size: int) -> int:
    """Return how many threads each process takes, so that together they take no more than this one would."""
    import torch

    return max(1, torch.get_num_threads() // size)


def _wait_until_ready(folder: Path, others: list[subprocess.Popen[bytes]]) -> None:
    """Wait until all have come: a process that fails before is noticed here, not by a wait without end."""
    begun = time.monotonic()
    while not all((folder / f"ready-{rank}").exists() for rank in range(1, len(others) + 1)):
        if (problem := _ended(others)) is not None:
            raise problem
        if time.monotonic() - begun > START:
            raise InputError(f"the other processes of this run did not start within {START:.0f} seconds; try again")
        time.sleep(0.05)


def _wait_for_end(others: list[subprocess.Popen[bytes]]) -> None:
    for process in others:
        try:
            process.wait(END)
        except subprocess.TimeoutExpired:
            process.kill()


def _ended(others: list[subprocess.Popen[bytes]]) -> InputError | None:
    """Return in words which process ended by an error."""
    for rank, process in enumerate(others, 1):
        if process.poll() not in (None, 0):
            how = f"exit code {process.returncode}; what it said last stands in the log"
            if process.returncode == -9:
                how = "killed by the system, most often for lack of memory"
            return InputError(
                f"process {rank + 1} of {len(others) + 1} ended early ({how}). Resume goes on from the last checkpoint"
            )
    return None


def _is_broken_exchange(error: RuntimeError) -> bool:
    """Whether an error says that another process is gone."""
    import torch.distributed as dist

    words = ("gloo", "nccl", "connection closed", "connection reset")
    return isinstance(error, dist.DistError) or any(word in str(error).lower() for word in words)
