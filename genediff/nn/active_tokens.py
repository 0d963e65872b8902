"""Some tokens of each cell, packed side by side, with the edges between them: what is left out costs nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Iterator

    from genediff.nn.edge_lists import Graph

MOST_PACKED = 2**15
"""Tokens that are packed at once, so that their vectors stay within the caches."""
MOST_PADDED = 1.5
"""Cells are packed together while the largest has at most so many times the tokens of the smallest."""


@dataclass(frozen=True, eq=False)
class ActiveTokens:
    """The active tokens of some cells in a tensor of (cell, place), padded to the cell that has the most.

    Attributes
    ----------
    token
        Which token is at each place, (cell, place); token 0 where there is none.
    filled
        Which places hold a token, (cell, place).
    graph
        The edges between active tokens of the same cell, over places numbered through all cells, with self-loops.
    """

    token: Tensor
    filled: Tensor
    graph: Graph

    @classmethod
    def of(cls, graph: Graph, active: Tensor) -> ActiveTokens:
        """Pack the active tokens, (cell, token) true or false, of a graph over the tokens of one cell."""
        n_active = active.sum(1)  # (cell,)
        n_places = int(n_active.max())
        place = active.cumsum(1) - 1  # (cell, token)
        cell, token = active.nonzero(as_tuple=True)
        packed = torch.zeros(len(active), n_places, dtype=torch.long, device=active.device)
        packed[cell, place[cell, token]] = token
        filled = torch.arange(n_places, device=active.device) < n_active[:, None]
        source, target = graph.edges
        cell, edge = (active[:, source] & active[:, target]).nonzero(as_tuple=True)
        ends = cell * n_places + place[cell, graph.edges[:, edge]]  # (2, edge)
        empty = (~filled).flatten().nonzero()[:, 0]
        ends = torch.cat([ends, empty.expand(2, -1)], dim=1)
        edge = torch.cat([edge, torch.full_like(empty, -1)])
        order = (ends[1] * filled.numel() + ends[0]).argsort()
        edge = edge[order]
        return cls(packed, filled, graph.part(ends[:, order], edge, filled.numel()))

    def take(self, x: Tensor) -> Tensor:
        """Pack x (cell, token, channel) to (cell, place, channel)."""
        rows = self.token + x.shape[1] * torch.arange(len(x), device=x.device)[:, None]
        return x.flatten(0, 1).index_select(0, rows.flatten()).unflatten(0, rows.shape)

    def put(self, x: Tensor, n_tokens: int) -> Tensor:
        """Unpack x (cell, place, channel) to (cell, token, channel), zero where a token is not active."""
        rows = (self.token + n_tokens * torch.arange(len(x), device=x.device)[:, None])[self.filled]
        out = x.new_zeros(len(x) * n_tokens, x.shape[2])
        return out.index_copy(0, rows, x[self.filled]).unflatten(0, (len(x), n_tokens))

    def weights(self, packed: Tensor, graph: Graph) -> Tensor:
        """Unpack attention weights (head, edge of the packed graph) to (cell, head, edge of ``graph``)."""
        n = graph.n_tokens
        kept = self.filled.flatten()[self.graph.edges[1]].nonzero()[:, 0]
        source, target = self.token.flatten()[self.graph.edges[:, kept]]
        edge = torch.searchsorted(graph.edges[1] * n + graph.edges[0], target * n + source)  # sorted by both
        cell = self.graph.edges[1, kept] // self.token.shape[1]
        out = packed.new_zeros(len(self.token), graph.n_edges, len(packed))
        out[cell, edge] = packed[:, kept].T
        return out.transpose(1, 2)


def packs(active: Tensor) -> Iterator[Tensor]:
    """Yield the cells of active (cell, token), (cell,), in groups of similar numbers of tokens."""
    n_active = active.sum(1)
    order = n_active.argsort()
    sizes = n_active[order].clamp(min=1).tolist()
    start = 0
    for stop in range(1, len(sizes) + 1):
        if (
            stop == len(sizes)
            or sizes[stop] > max(32, MOST_PADDED * sizes[start])
            or (stop + 1 - start) * sizes[stop] > MOST_PACKED
        ):
            yield order[start:stop]
            start = stop
