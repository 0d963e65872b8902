"""Which task of a SLURM step this process is, where srun has started one process per task."""

from __future__ import annotations

import itertools
import os
from dataclasses import dataclass

_meetings = itertools.count()


@dataclass(frozen=True)
class Task:
    """One process of a crew: its number, how many there are, its number on its machine, and where they meet.

    They meet in the file ``store``, or at a port of the machine ``address``.
    """

    rank: int
    size: int
    local: int
    store: str = ""
    address: str | None = None
    port: int = 0


def slurm_rank() -> int:
    """Return the number of this process within its SLURM step; 0 outside SLURM."""
    return int(os.environ.get("SLURM_PROCID", "0")) if "SLURM_STEP_ID" in os.environ else 0


def slurm_task(size: int) -> Task | None:
    """Return the place of this process in a SLURM step of exactly ``size`` tasks; None where it is not in one."""
    given = os.environ
    if "SLURM_STEP_ID" not in given or int(given.get("SLURM_STEP_NUM_TASKS", given.get("SLURM_NTASKS", "1"))) != size:
        return None
    # Every crew of a job meets at another port, which all its processes work out alike.
    port = 15_000 + (int(given["SLURM_JOB_ID"]) * 7 + next(_meetings)) % 20_000
    nodes = given.get("SLURM_STEP_NODELIST") or given.get("SLURM_JOB_NODELIST", "")
    alone = int(given.get("SLURM_STEP_NUM_NODES", given.get("SLURM_NNODES", "1"))) == 1
    address = "127.0.0.1" if alone else _first_of(nodes)
    return Task(int(given["SLURM_PROCID"]), size, int(given.get("SLURM_LOCALID", "0")), address=address, port=port)


def _first_of(nodes: str) -> str:
    from lightning_fabric.plugins.environments import SLURMEnvironment

    return SLURMEnvironment.resolve_root_node_address(nodes)
