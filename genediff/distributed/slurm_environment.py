"""Which task of a SLURM step this process is, where srun has started one process per task."""

from __future__ import annotations

import os
from dataclasses import dataclass

_ports: list[int] = []
"""Where the launches of this process have met, so far."""


@dataclass(frozen=True)
class Task:
    """One process of a launch: its number, how many there are, its number on its machine, and where they meet.

    They meet in the file ``store``, or at a port of the machine ``address``.
    """

    rank: int
    size: int
    local: int
    store: str = ""
    address: str | None = None
    port: int = 0


def slurm_tasks() -> int:
    """Return how many tasks srun has started for the run that this process works on; 1 outside of SLURM.

    Only a run that was submitted to SLURM counts, and not what somebody does by hand within an allocation.
    """
    given = os.environ
    if given.get("SUBMITIT_EXECUTOR") != "slurm" or "SLURM_PROCID" not in given:
        return 1
    return int(given.get("SLURM_STEP_NUM_TASKS") or given.get("SLURM_NTASKS") or 1)


def is_further_task() -> bool:
    """Whether another task is the first one of the run that this process works on."""
    return slurm_tasks() > 1 and os.environ["SLURM_PROCID"] != "0"


def has_come() -> bool:
    """Whether this process has gone to meet the others."""
    return bool(_ports)


def slurm_task() -> Task:
    """Return the place of this process among the tasks of its run."""
    given = os.environ
    # Every launch of a job meets at another port, which all its processes work out alike.
    port = 15_000 + (int(given["SLURM_JOB_ID"]) * 7 + len(_ports)) % 20_000
    _ports.append(port)
    nodes = given.get("SLURM_STEP_NODELIST") or given.get("SLURM_JOB_NODELIST", "")
    alone = int(given.get("SLURM_STEP_NUM_NODES") or given.get("SLURM_NNODES") or 1) == 1
    address = "127.0.0.1" if alone else _first_of(nodes)
    rank, local = int(given["SLURM_PROCID"]), int(given.get("SLURM_LOCALID", "0"))
    return Task(rank, slurm_tasks(), local, address=address, port=port)


def _first_of(nodes: str) -> str:
    from lightning_fabric.plugins.environments import SLURMEnvironment

    return SLURMEnvironment.resolve_root_node_address(nodes)
