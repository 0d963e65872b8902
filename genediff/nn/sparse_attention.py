"""Attention along the edges of a network, at O(edges) time and memory in both directions."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from genediff.nn.edge_choice import kernels_for
from genediff.nn.edge_lists import N_KINDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from genediff.nn.edge_kernels import Kernels
    from genediff.nn.edge_lists import EdgeLists, Graph


def edge_attention(
    q: Tensor, k: Tensor, v: Tensor, graph: Graph, bias: Tensor | None = None, *, kernels: Kernels | None = None
) -> Tensor:
    """Let every token attend to itself and to the sources of its edges.

    Parameters
    ----------
    q, k, v
        Queries, keys and values, (cell, token, head, channel).
    graph
        The edges, and a self-loop on every token: without any source a token keeps its own value.
    bias
        Added to the score of each edge, (edge, head), in the order of ``graph.edges``.
    kernels
        How sums over edges are taken; None: the fastest known for the device.

    Returns
    -------
    Tensor
        The mixed values, (cell, token, head, channel).
    """
    with torch.autocast(q.device.type, enabled=False):  # products of sparse matrices know no half precision
        return _EdgeAttention.apply(q, k, v, bias, graph, kernels or kernels_for(q.device))


@torch.no_grad()
def edge_weights(q: Tensor, k: Tensor, graph: Graph, bias: Tensor | None = None) -> Tensor:
    """Return the weights that `edge_attention` uses, (cell, edge, head); over the edges into a token they add to 1."""
    q, k, kernels = q.contiguous(), k.contiguous(), kernels_for(q.device)
    weights = q.new_empty(len(q), graph.n_edges * q.shape[2])  # (cell, edge x head)
    for part, lists in _groups(graph, q):
        weights[part, lists.slot] = _weigh(q[part], k[part], lists, bias, kernels).view(-1, len(lists.slot))
    return weights.unflatten(1, (graph.n_edges, q.shape[2]))


class _EdgeAttention(torch.autograd.Function):
    """For target i and its sources j: w_ij = softmax_j(q_i · k_j / sqrt(d) + b_ij), o_i = sum_j w_ij v_j."""

    @staticmethod
    def forward(
        ctx: Any, q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None, graph: Graph, kernels: Kernels
    ) -> Tensor:
        q, k, v = q.contiguous(), k.contiguous(), v.contiguous()
        out, weights = torch.empty_like(q), q.new_empty(len(q), graph.n_edges * q.shape[2])  # (cell, entry)
        for part, lists in _groups(graph, q):
            w = _weigh(q[part], k[part], lists, bias, kernels)
            out[part] = kernels.sums(_rows(v[part]), w, lists.rows).view_as(out[part])
            weights[part] = w.view(-1, len(lists.slot))
        ctx.graph, ctx.kernels, ctx.has_bias = graph, kernels, bias is not None
        ctx.save_for_backward(q, k, v, out, weights)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_out: Tensor) -> tuple[Tensor | None, ...]:
        q, k, v, out, weights = ctx.saved_tensors
        graph, kernels, d_out = ctx.graph, ctx.kernels, d_out.contiguous()
        dq, dk, dv = torch.empty_like(q), torch.empty_like(k), torch.empty_like(v)
        d_bias = q.new_zeros(weights.shape[1]) if ctx.has_bias else None  # (entry,)
        for part, lists in _groups(graph, q):
            rows, back, order = lists.rows, lists.transposed, lists.permutation
            w, do = weights[part].flatten(), _rows(d_out[part])
            # Softmax: ds = w (dw - sum_j w dw), and that sum is do · o, row by row.
            ds = kernels.dots(do, _rows(v[part]), rows)  # (entry,)
            ds.sub_((do * _rows(out[part])).sum(1).index_select(0, rows.row)).mul_(w)
            if d_bias is not None:
                d_bias += ds.view(-1, len(lists.slot)).sum(0)
            ds.mul_(_scale(q))
            dq[part] = kernels.sums(_rows(k[part]), ds, rows).view_as(dq[part])
            dk[part] = kernels.sums(_rows(q[part]), ds.index_select(0, order), back).view_as(dk[part])
            dv[part] = kernels.sums(do, w.index_select(0, order), back).view_as(dv[part])
        if d_bias is not None:
            by_slot = torch.empty_like(d_bias)
            by_slot[graph.lists(1, q.shape[2]).slot] = d_bias
            d_bias = by_slot.view(graph.n_edges, q.shape[2])
        return dq, dk, dv, d_bias, None, None


def _weigh(q: Tensor, k: Tensor, lists: EdgeLists, bias: Tensor | None, kernels: Kernels) -> Tensor:
    """Return the attention weight of every entry, (entry,)."""
    scores = kernels.dots(_rows(q), _rows(k), lists.rows).mul_(_scale(q))
    if bias is not None:
        scores.view(-1, len(lists.slot)).add_(bias.flatten()[lists.slot])
    return kernels.softmax(scores, lists.rows)


def _groups(graph: Graph, q: Tensor) -> Iterator[tuple[slice, EdgeLists]]:
    """Cut the cells of a batch (cell, token, head, channel) into groups with their edge lists."""
    cells, size = len(q), graph.group(q.shape[2])
    for start in range(0, cells, size):
        stop = min(start + size, cells)
        yield slice(start, stop), graph.lists(stop - start, q.shape[2])


def _rows(x: Tensor) -> Tensor:
    return x.flatten(0, 2)  # (cell x token x head, channel)


def _scale(q: Tensor) -> float:
    return 1 / math.sqrt(q.shape[3])


class EdgeSelfAttention(nn.Module):
    """Every token attends to itself and to its sources; each head has a learned bias per kind of edge.

    Kinds are self-loop, unknown sign, activation and repression, so that a head can specialise in one of them.
    """

    def __init__(self, width: int, heads: int, graph: Graph) -> None:
        super().__init__()
        self.heads, self.graph = heads, graph
        # Three maps instead of one: kernels read queries, keys and values as they come, without a copy.
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.out = nn.Linear(width, width)
        self.kind = nn.Parameter(torch.zeros(N_KINDS, heads))

    def forward(self, x: Tensor, graph: Graph | None = None) -> Tensor:
        """Map tokens (cell, token, width) to tokens of the same shape; ``graph``: over the tokens of all cells."""
        graph, cells = self._over(graph), x if graph is None else x.flatten(0, 1)[None]
        q, k, v = (self._heads(part(cells)) for part in (self.query, self.key, self.value))
        mixed = edge_attention(q, k, v, graph, self.kind[graph.kind])  # (cell, token, head, channel)
        return self.out(mixed.flatten(2).to(x.dtype)).view_as(x)

    def weights(self, x: Tensor, graph: Graph | None = None) -> Tensor:
        """Return the attention weights (cell, head, edge) on tokens (cell, token, width), as in ``graph.edges``."""
        graph, cells = self._over(graph), x if graph is None else x.flatten(0, 1)[None]
        q, k = self._heads(self.query(cells)), self._heads(self.key(cells))
        return edge_weights(q, k, graph, self.kind[graph.kind]).transpose(1, 2)

    def _over(self, graph: Graph | None) -> Graph:
        return self.graph if graph is None else graph

    def _heads(self, x: Tensor) -> Tensor:
        x = x.unflatten(2, (self.heads, -1))  # (cell, token, head, channel)
        return x.float() if x.dtype in (torch.bfloat16, torch.float16) else x  # the kernels know no half precision
