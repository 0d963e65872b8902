"""Attention among the active tokens of each cell: the same as on a graph that has these tokens and edges alone."""

from __future__ import annotations

import torch

from genediff.nn.active_tokens import ActiveTokens, packs
from genediff.nn.dit import Stack
from genediff.nn.edge_lists import Graph
from tests.nn.test_sparse_attention import edges

N_TOKENS, WIDTH = 30, 8


def _stack(graph: Graph) -> Stack:
    torch.manual_seed(0)
    stack = Stack(WIDTH, 2, 2, graph=graph).double()
    for p in stack.parameters():
        torch.nn.init.normal_(p, std=0.3)
    return stack


def _among(stack: Stack, graph: Graph, x: torch.Tensor, c: torch.Tensor, active: torch.Tensor) -> torch.Tensor:
    own = ActiveTokens.of(graph, active)
    return own.put(stack(own.take(x), c, own.graph), N_TOKENS)


def test_active_tokens_see_one_another_and_nothing_else() -> None:
    """Cell by cell as on the graph without the others; cells with no, one and all tokens among them."""
    signs = torch.randint(-1, 2, (120,), generator=torch.Generator().manual_seed(1))
    graph = Graph(edges(N_TOKENS, 120), N_TOKENS, signs=signs)
    stack = _stack(graph)
    x, c = torch.randn(5, N_TOKENS, WIDTH).double().requires_grad_(), torch.randn(5, WIDTH).double()
    active = torch.rand(5, N_TOKENS, generator=torch.Generator().manual_seed(2)) < 0.5
    active[2], active[3], active[4] = False, True, False
    active[4, 7] = True
    found = _among(stack, graph, x, c, active)
    (gradient,) = torch.autograd.grad(found.square().sum(), x)
    for cell in range(5):
        inside = active[cell][graph.edges].all(0) & (graph.edges[0] != graph.edges[1])
        kept = (graph.kind == 2).long() - (graph.kind == 3).long()
        alone = Graph(graph.edges[:, inside], N_TOKENS, signs=kept[inside])
        for block in stack.blocks:
            block.attention.graph = alone
        one = x[cell : cell + 1].detach().requires_grad_()
        wanted = stack(one, c[cell : cell + 1]) * active[cell][:, None]
        torch.testing.assert_close(found[cell : cell + 1], wanted)
        torch.testing.assert_close(gradient[cell], torch.autograd.grad(wanted.square().sum(), one)[0][0])


def test_cells_are_packed_with_their_like_and_each_once() -> None:
    sizes = torch.tensor([3, 400, 2, 390, 41, 0, 40])
    active = torch.arange(500) < sizes[:, None]
    groups = [sorted(rows.tolist()) for rows in packs(active)]
    assert groups == [[0, 2, 5], [4, 6], [1, 3]]
