"""What further tasks of a cluster do in a run: their share of the work, and nothing else."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
import traceback
from typing import TYPE_CHECKING

from genediff.core.errors import InputError
from genediff.core.json_files import read_or_none
from genediff.distributed.process_group import tell_failure
from genediff.distributed.slurm_environment import has_come, slurm_task
from genediff.runs.kinds import find_kind
from genediff.runs.run_status import ENDED

if TYPE_CHECKING:
    from pathlib import Path


def work_along(folder: Path, root: Path) -> str:
    """Take part in the run in `folder` of the workspace at `root`, whose worker is the first task.

    Signals are for the worker, which tells the others. A failure is written to the log and reported to a worker that
    waits for this process; later the worker misses it in the next exchange. An exit code would have SLURM kill the
    worker before it has written why the run ends.
    """
    from genediff.workspace import Workspace

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, signal.SIG_IGN)
    threading.Thread(target=_leave_with_the_worker, args=(folder,), daemon=True).start()
    content = read_or_none(folder / "run.json") or {}
    try:
        kind = find_kind(content.get("kind", ""))
        if kind.along is not None:
            kind.along(folder, Workspace(root), kind.read_config(content["config"]))
    except InputError as problem:
        print(f"A further task ends: {problem}", flush=True)
        _report_failure(str(problem))
    except Exception as error:  # noqa: BLE001  see above
        traceback.print_exc()
        _report_failure(f"{type(error).__name__}: {error}; the log holds the details")
    return "took part"


def _report_failure(why: str) -> None:
    if not has_come():
        with contextlib.suppress(RuntimeError):  # the worker has ended itself
            tell_failure(slurm_task(), why)


def _leave_with_the_worker(folder: Path) -> None:
    """End this process when the run ended before its tasks met: nobody would come."""
    while not has_come():
        if (read_or_none(folder / "status.json") or {}).get("state") in ENDED:
            print("A further task ends: the run has ended.", flush=True)
            os._exit(0)
        time.sleep(1)
