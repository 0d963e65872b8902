"""Join the process group of torch, and leave it."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

from genediff.parallel.ranks import Ranks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch.distributed import Store

    from genediff.parallel.slurm import Task

PATIENCE = timedelta(minutes=60)
"""How long a process waits for the others: the first may read or write for a while alone."""

MEETING = timedelta(minutes=5)
"""How long a task of a cluster waits for the first one to come: where that one ended before, nobody comes."""

LOOPBACK = "GLOO_SOCKET_IFNAME"


@contextmanager
def joined(task: Task, *, gpus: bool, threads: int = 0) -> Iterator[Ranks]:
    """Take part in a group of processes and leave it at the end.

    Parameters
    ----------
    gpus
        Tensors of GPUs travel by NCCL; those of the CPU, and all where there is no GPU, by gloo.
    threads
        Threads of this process meanwhile; 0: as it is.
    """
    import torch
    import torch.distributed as dist

    before, interface = torch.get_num_threads(), os.environ.get(LOOPBACK)
    if task.address is None or task.address == "127.0.0.1":
        # On one machine nothing should listen to the network.
        os.environ.setdefault(LOOPBACK, "lo0" if sys.platform == "darwin" else "lo")
    if threads:
        torch.set_num_threads(threads)
    try:
        dist.init_process_group(
            "cpu:gloo,cuda:nccl" if gpus else "gloo",
            store=_store(task),
            rank=task.rank,
            world_size=task.size,
            timeout=PATIENCE,
        )
        yield Ranks(task.rank, task.size, task.local)
    finally:
        if dist.is_initialized():
            dist.destroy_process_group()
        torch.set_num_threads(before)
        if interface is None:
            os.environ.pop(LOOPBACK, None)


def _store(task: Task) -> Store:
    """Return where processes find one another: a file on one machine, the first one's port on several."""
    import torch.distributed as dist

    if task.address is None:
        return dist.FileStore(task.store, task.size)
    return dist.TCPStore(task.address, task.port, task.size, is_master=task.rank == 0, timeout=MEETING)
