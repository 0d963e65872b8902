"""What further tasks of a cluster do in a run: their share of the work, and nothing else."""

from __future__ import annotations

import signal
import traceback
from typing import TYPE_CHECKING

from genediff.errors import InputError
from genediff.runs.files import read_json
from genediff.runs.kinds import find_kind

if TYPE_CHECKING:
    from pathlib import Path


def work_along(folder: Path, root: Path) -> str:
    """Take part in the run in `folder` of the workspace at `root`, whose worker is the first task.

    Signals are for the worker, which tells the others. A failure is said in the log and no more: the worker misses
    this process in its next exchange, and an exit code would have SLURM kill it before it has written why it ends.
    """
    from genediff.workspace import Workspace

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, signal.SIG_IGN)
    content = read_json(folder / "run.json") or {}
    try:
        kind = find_kind(content.get("kind", ""))
        if kind.along is not None:
            kind.along(folder, Workspace(root), kind.read_config(content["config"]))
    except InputError as problem:
        print(f"A further task ends: {problem}", flush=True)
    except Exception:  # noqa: BLE001  see above
        traceback.print_exc()
    return "took part"
