"""Join the process group of torch, and leave it."""

from __future__ import annotations

import os
import sys
import time
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

from genediff.core.errors import InputError
from genediff.distributed.ranks import Ranks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch.distributed import Store

    from genediff.distributed.slurm_environment import Task

PATIENCE = timedelta(minutes=60)
"""How long a process waits for the others: the first may read or write for a while alone."""

MEETING = timedelta(minutes=5)
"""How long the tasks of a cluster wait for one another, unless one says that it failed."""

LOOPBACK = "GLOO_SOCKET_IFNAME"
_FAILED = "failed"


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
    store = _connect(task)
    store.set(f"here-{task.rank}", "")
    if task.rank == 0:
        _wait_for_others(store, task.size)
    return store


def _connect(task: Task) -> Store:
    import torch.distributed as dist

    first = task.rank == 0
    return dist.TCPStore(
        str(task.address), task.port, task.size, is_master=first, timeout=MEETING, wait_for_workers=False
    )


def _wait_for_others(store: Store, size: int) -> None:
    begun, others = time.monotonic(), [f"here-{rank}" for rank in range(1, size)]
    while not store.check(others):
        if store.check([_FAILED]):
            raise InputError(f"another process of this run failed: {store.get(_FAILED).decode()}")
        if time.monotonic() - begun > MEETING.total_seconds():
            raise InputError("the other processes of this run did not start within 5 minutes; SLURM's logs say why")
        time.sleep(0.05)


def tell_failure(task: Task, why: str) -> None:
    """Let the first process know that this one will not come, or it would wait for it."""
    _connect(task).set(_FAILED, why)
