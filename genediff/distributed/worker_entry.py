"""One of the other processes of a launch on this machine."""

from __future__ import annotations

import json
import os
import pkgutil
import signal
import sys
import threading
from pathlib import Path

from genediff.core.errors import InputError
from genediff.distributed.process_group import joined
from genediff.distributed.slurm_environment import Task


def take_part(folder: Path, rank: int) -> None:
    """Do the job that the first process has written into the folder."""
    job = json.loads((folder / "job.json").read_text())
    # The first process is told to stop, and tells the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    threading.Thread(target=_leave_with_the_first, daemon=True).start()
    if job["gpus"]:
        os.environ["CUDA_VISIBLE_DEVICES"] = _own_gpu(rank)
    target = pkgutil.resolve_name(job["target"])
    (folder / f"ready-{rank}").touch()
    task = Task(rank, job["size"], 0, str(folder / "store"))  # number 0: it sees its own GPU alone
    with joined(task, gpus=job["gpus"], threads=job["threads"]) as ranks:
        target(ranks, **job["arguments"])


def _own_gpu(rank: int) -> str:
    """Return the GPU of this process: the rank-th of those that the first process sees."""
    seen = os.environ.get("CUDA_VISIBLE_DEVICES")
    return str(rank) if seen is None else seen.split(",")[rank].strip()


def _leave_with_the_first() -> None:
    """Read the pipe until it closes, which it does when the first process ends, however it ends."""
    while os.read(0, 1):
        pass
    os._exit(1)


if __name__ == "__main__":
    try:
        take_part(Path(sys.argv[1]), int(sys.argv[2]))
    except InputError as problem:  # the first process meets the same and says it
        print(f"Process {int(sys.argv[2]) + 1}: {problem}", file=sys.stderr)
        sys.exit(2)
