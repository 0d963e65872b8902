"""A linear map from numbers per gene to numbers per gene with one weight per edge of a network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from genediff.nn.edge_choice import kernels_for
from genediff.nn.edge_lists import ACTIVATION, REPRESSION

if TYPE_CHECKING:
    from genediff.nn.edge_lists import Graph


class EdgeLinear(nn.Module):
    """y_i = sum over edges j -> i of w_ij x_j, at O(edges) per cell in both directions.

    Weights start small and with the sign of their edge where it is known, else at zero: knowledge is where learning
    begins, and data may overrule it.
    """

    def __init__(self, graph: Graph, *, start: float = 0.1) -> None:
        super().__init__()
        self.graph = graph
        sign = (graph.kind == ACTIVATION).float() - (graph.kind == REPRESSION).float()
        n_sources = graph.start.diff()[graph.edges[1]]  # (edge,)
        self.weight = nn.Parameter(start * sign * n_sources.float().rsqrt())  # (edge,), as in graph.edges

    def forward(self, x: Tensor) -> Tensor:
        """Map x (cell, token) to y (cell, token)."""
        with torch.autocast(x.device.type, enabled=False):
            # Cells are the channels of the kernels, so that an edge is one long row.
            return _EdgeLinear.apply(x.to(self.weight.dtype).T.contiguous(), self.weight, self.graph).T


class _EdgeLinear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, graph: Graph) -> Tensor:
        ctx.graph = graph
        ctx.save_for_backward(x, weight)
        return kernels_for(x.device).sums(x, weight, graph.lists(1, 1).rows)  # (token, cell)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        lists, kernels, dy = ctx.graph.lists(1, 1), kernels_for(x.device), dy.contiguous()
        back = weight.index_select(0, lists.permutation)
        dx = kernels.sums(dy, back, lists.transposed) if ctx.needs_input_grad[0] else None
        return dx, kernels.dots(dy, x, lists.rows), None
