"""Which device and precision a run uses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from genediff.core.errors import InputError
from genediff.distributed import ALONE
from genediff.distributed.device import choose_device

if TYPE_CHECKING:
    from lightning_fabric import Fabric
    from lightning_fabric.strategies import Strategy

    from genediff.distributed import Ranks


def make_fabric(
    device: str = "auto",
    precision: str = "auto",
    *,
    ranks: Ranks = ALONE,
    strategy: str = "auto",
    all_used: bool = True,
) -> Fabric:
    """Return the Fabric that places, scales and steps for this process on its device.

    ``auto`` precision is bfloat16 on a GPU that has it. On a CPU it is 32 bits: the small models that a CPU can
    train gain nothing from bfloat16.

    Parameters
    ----------
    ranks
        The processes that train together; they have found one another already.
    strategy
        ``ddp``, in which each process holds all weights (also ``auto``), or ``fsdp``, in which each holds a part.
    all_used
        Whether every weight has a part in the loss; if not, ``ddp`` looks through each step for those that have none.
    """
    from lightning_fabric import Fabric

    chosen = choose_device(device)
    if precision == "auto":
        precision = "bf16-mixed" if chosen.type == "cuda" and torch.cuda.is_bf16_supported() else "32-true"
    from genediff.training.rank_environment import RankEnvironment

    # Fabric is told who sits where, or it would look for SLURM by itself and count that job's tasks.
    plugins: Any = [RankEnvironment(ranks)]
    kind: Any = chosen.type
    level: Any = precision
    if ranks.size == 1:
        devices: Any = [chosen.index or 0] if kind == "cuda" else 1
        return Fabric(accelerator=kind, devices=devices, precision=level, plugins=plugins)
    if kind == "mps":
        raise InputError("Apple's GPU works for one process alone; set the processes to 1, or the device to cpu")
    devices = [ranks.local % torch.cuda.device_count()] if kind == "cuda" else 1
    # Each process is a machine of its own to Fabric.
    fabric = Fabric(
        accelerator=kind,
        devices=devices,
        num_nodes=ranks.size,
        precision=level,
        strategy=_strategy(strategy, ranks, all_used=all_used),
        plugins=plugins,
    )
    fabric.launch()
    return fabric


def _strategy(name: str, ranks: Ranks, *, all_used: bool) -> Strategy:
    from lightning_fabric.strategies import DDPStrategy, ModelParallelStrategy

    from genediff.training.sharding import shard

    if name == "fsdp":
        return ModelParallelStrategy(shard, data_parallel_size=ranks.size, tensor_parallel_size=1)
    # Buffers are constants here.
    return DDPStrategy(forward_sync_buffers=False, find_unused_parameters=not all_used, gradient_as_bucket_view=True)
