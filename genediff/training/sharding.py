"""Tensors that processes hold in parts (FSDP), put together and cut again; plain tensors stay as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn

if TYPE_CHECKING:
    from torch.distributed.device_mesh import DeviceMesh


def whole(tensor: Tensor) -> Tensor:
    """Return a tensor in full; where it is held in parts all processes must ask for it at once."""
    parts = getattr(tensor, "full_tensor", None)
    return tensor if parts is None else parts().detach()


def spread(tensor: Tensor, like: Tensor) -> Tensor:
    """Cut a full tensor as ``like`` is cut; all processes must do it at once."""
    placements = getattr(like, "placements", None)
    if placements is None:
        return tensor
    from torch.distributed.tensor import distribute_tensor

    return distribute_tensor(tensor.detach(), like.device_mesh, placements)  # type: ignore[attr-defined]


def shard(module: nn.Module, mesh: DeviceMesh) -> nn.Module:
    """Cut the weights of a module over processes: each block of a stack by itself, then the rest.

    Only the block at work is whole, so that a model may be larger than the memory of one GPU.
    """
    from torch.distributed.fsdp import fully_shard

    for part in module.modules():
        if isinstance(part, nn.ModuleList):
            for block in part:
                fully_shard(block, mesh=mesh["data_parallel"])
    # Also the rest leaves after use, or the average could not be put in its place after a look at held-out cells.
    fully_shard(module, mesh=mesh["data_parallel"], reshard_after_forward=True)
    return module
