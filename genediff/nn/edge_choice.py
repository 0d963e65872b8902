"""Which kernels attention along edges runs on: a fixed choice per kind of device.

On a CPU scalar products and softmax are compiled and sums are embedding bags, the fastest of what was measured
(benchmarks/tokenization_speed.md). On a GPU embedding bags gather nothing per edge either; benchmarks/gpu.py times them
against the others. Elsewhere they are gathers and scatters of public torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from genediff.nn import edge_kernels
from genediff.nn.edge_compiled import CompiledKernels

if TYPE_CHECKING:
    from genediff.nn.edge_kernels import Kernels


def kernels_for(device: torch.device) -> Kernels:
    """Return the kernels of a device."""
    if device.type == "cpu":
        return CompiledKernels()
    if device.type == "cuda":
        has_bags = hasattr(torch.ops.aten, edge_kernels.DOTS)
        return edge_kernels.BagKernels() if has_bags else edge_kernels.SparseKernels()
    return edge_kernels.ScatterKernels()
