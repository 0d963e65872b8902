"""Edges between tokens, sorted so that kernels can walk them: by target, and by source for the way back."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from collections.abc import Sequence

SELF, UNKNOWN, ACTIVATION, REPRESSION = range(N_KINDS := 4)

# Cells go through a kernel in groups of about this many (edge, head) entries, so that index lists stay small.
MOST_ENTRIES = 2**21


@dataclass(frozen=True, eq=False)
class Rows:
    """A sparse matrix without its values, row by row.

    ``column`` (entry,) is the column of each entry, and the entries of row r are ``start[r]`` to ``start[r + 1]``.
    """

    column: Tensor
    start: Tensor

    @cached_property
    def row(self) -> Tensor:
        """The row of each entry, (entry,)."""
        places = torch.arange(len(self.start) - 1, device=self.start.device, dtype=self.start.dtype)
        return places.repeat_interleave(self.start.diff(), output_size=len(self.column))


@dataclass(frozen=True, eq=False)
class EdgeLists:
    """The edges of some cells and heads as one sparse matrix over (cell, token, head), and its transpose.

    ``permutation`` takes entries to the order of ``transposed``; ``slot`` (entry of one cell,) is edge x heads + head.
    """

    rows: Rows
    transposed: Rows
    permutation: Tensor
    slot: Tensor


class Graph(nn.Module):
    """Edges source -> target between tokens, and a self-loop on every token, sorted by target, then by source.

    Parameters
    ----------
    edges
        Token numbers, (2, edge); each pair once and no self-loops.
    n_tokens
        How many tokens there are.
    signs
        1 for activation, -1 for repression, 0 for unknown, (edge,); None: all unknown.
    loops
        Whether every token gets its self-loop.

    Raises
    ------
    ValueError
        When an edge is listed twice, joins a token to itself, or names a token that is not there.
    """

    edges: Tensor
    kind: Tensor
    start: Tensor

    def __init__(self, edges: Tensor, n_tokens: int, *, signs: Tensor | None = None, loops: bool = True) -> None:
        super().__init__()
        self.n_tokens = n_tokens
        edges = edges.detach().cpu().long()
        _check(edges, n_tokens)
        kind = torch.full((edges.shape[1],), UNKNOWN)
        if signs is not None:
            kind = torch.tensor([REPRESSION, UNKNOWN, ACTIVATION])[signs.detach().cpu().sign().long() + 1]
        if loops:
            own = torch.arange(n_tokens)
            edges = torch.cat([edges, own.expand(2, -1)], dim=1)
            kind = torch.cat([kind, torch.full_like(own, SELF)])
        order = (edges[1] * n_tokens + edges[0]).argsort()
        self._set(edges[:, order], kind[order])

    def _set(self, edges: Tensor, kind: Tensor) -> None:
        """Keep edges (2, edge) that are sorted by target, then by source, and their kinds (edge,)."""
        start = torch.cat([edges.new_zeros(1), edges[1].bincount(minlength=self.n_tokens).cumsum(0)])
        # They follow from the knowledge that a model is built from, so they are not saved with its weights.
        self.register_buffer("edges", edges, persistent=False)  # (2, edge), self-loops among them
        self.register_buffer("kind", kind, persistent=False)  # (edge,)
        self.register_buffer("start", start, persistent=False)  # (token + 1,)
        self._lists: dict[tuple[int, int, torch.device], EdgeLists] = {}

    @property
    def n_edges(self) -> int:
        """The number of edges, self-loops among them."""
        return self.edges.shape[1]

    def kept_without(self, sources: Sequence[int]) -> Tensor:
        """Say which edges stay when those that leave some tokens are cut, (edge,); self-loops stay."""
        cut = torch.isin(self.edges[0], torch.as_tensor(list(sources), device=self.edges.device))
        return ~cut | (self.kind == SELF)

    def without(self, sources: Sequence[int]) -> Graph:
        """Return the graph without the edges that leave some tokens, as if it had been built without them."""
        loops = self.kind == SELF
        keep = self.kept_without(sources) & ~loops
        signs = (self.kind == ACTIVATION).long() - (self.kind == REPRESSION).long()
        graph = Graph(self.edges[:, keep], self.n_tokens, signs=signs[keep], loops=bool(loops.any()))
        return graph.to(self.edges.device)

    def part(self, edges: Tensor, edge: Tensor, n_tokens: int) -> Graph:
        """Return a graph over other tokens, whose edges (2, edge) are sorted and as such known to be sound.

        Each has the kind of an edge of this graph, ``edge`` (edge,); it is a self-loop where that is -1.
        """
        graph = Graph.__new__(Graph)
        nn.Module.__init__(graph)
        graph.n_tokens, graph._lists = n_tokens, {}
        graph._set(edges, torch.where(edge < 0, SELF, self.kind[edge]))
        return graph

    def group(self, heads: int) -> int:
        """Return how many cells a kernel takes at once."""
        return max(1, MOST_ENTRIES // (self.n_edges * heads))

    def lists(self, cells: int, heads: int) -> EdgeLists:
        """Return the edges of this many cells and heads, made once and kept."""
        key = (cells, heads, self.edges.device)
        if key not in self._lists:
            if len(self._lists) > 4:  # batches come in few sizes; a stream of odd ones must not fill the memory
                self._lists.clear()
            self._lists[key] = self._make(cells, heads)
        return self._lists[key]

    def _make(self, cells: int, heads: int) -> EdgeLists:
        device, n_rows = self.edges.device, self.n_tokens * heads
        # Rows are (token, head), so that queries need no copy and the heads of a token lie side by side.
        degree = self.start.diff().repeat_interleave(heads)  # (row,)
        start = torch.cat([degree.new_zeros(1), degree.cumsum(0)])  # (row + 1,)
        row = torch.arange(n_rows, device=device).repeat_interleave(degree)  # (entry,)
        token, head = row // heads, row % heads
        edge = self.start[token] + torch.arange(len(row), device=device) - start[row]  # (entry,)
        column = self.edges[0, edge] * heads + head  # (entry,)
        permutation = column.argsort(stable=True)
        back = torch.cat([start.new_zeros(1), column.bincount(minlength=n_rows).cumsum(0)])
        return EdgeLists(
            rows=Rows(_repeat(column, cells, n_rows), _repeat_starts(start, cells)),
            transposed=Rows(_repeat(row[permutation], cells, n_rows), _repeat_starts(back, cells)),
            permutation=_repeat(permutation, cells, len(row)),
            slot=edge * heads + head,
        )


def _repeat(numbers: Tensor, cells: int, step: int) -> Tensor:
    shifts = step * torch.arange(cells, device=numbers.device)[:, None]
    return (numbers + shifts).flatten().int()


def _repeat_starts(start: Tensor, cells: int) -> Tensor:
    total = start[-1:] * cells
    return torch.cat([_repeat(start[:-1], cells, int(start[-1])), total.int()])


def _check(edges: Tensor, n_tokens: int) -> None:
    if bool((wrong := (edges < 0) | (edges >= n_tokens)).any()):
        raise ValueError(f"an edge names token {int(edges[wrong][0])}, and there are {n_tokens} tokens from 0")
    if bool((loops := edges[0] == edges[1]).any()):
        raise ValueError(f"token {int(edges[0, loops][0])} has an edge to itself; leave it out, one is added here")
    codes, counts = torch.unique(edges[1] * n_tokens + edges[0], return_counts=True)
    if bool((counts > 1).any()):
        twice = int(codes[counts > 1][0])
        raise ValueError(f"the edge {twice % n_tokens} -> {twice // n_tokens} is listed twice; give each pair once")
