"""What our layers are timed against does the same as they do, so that a ratio of times compares like with like."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from benchmarks.naive import plain
from genediff.nn.dit import SelfAttention
from genediff.nn.edge_linear import EdgeLinear
from genediff.nn.edge_lists import Graph
from genediff.nn.set_linear import Members, SetDecoder, SetEncoder
from genediff.nn.sparse_attention import EdgeSelfAttention


def _graph() -> Graph:
    pairs = torch.cartesian_prod(torch.arange(12), torch.arange(12))
    pairs = pairs[pairs[:, 0] != pairs[:, 1]]
    return Graph(pairs[torch.randperm(len(pairs), generator=torch.Generator().manual_seed(0))[:40]].T, 12)


def _members() -> Members:
    return Members([np.array([0, 3]), np.array([1, 2, 5]), np.array([0, 5, 7])], 12)


CASES = {
    "attention": (lambda: SelfAttention(8, 2), (3, 12, 8)),
    "along edges": (lambda: EdgeSelfAttention(8, 2, _graph()), (3, 12, 8)),
    "map along edges": (lambda: EdgeLinear(_graph()), (3, 12)),
    "to sets": (lambda: SetEncoder(_members(), 4), (3, 12)),
    "to genes": (lambda: SetDecoder(_members(), 4), (3, 3, 4)),
}


@pytest.mark.parametrize("case", CASES)
def test_the_plain_way_gives_the_same_values_and_gradients(case: str) -> None:
    make, shape = CASES[case]
    torch.manual_seed(0)
    layer = make()
    for p in layer.parameters():
        torch.nn.init.normal_(p, std=0.3)
    x = torch.randn(shape, requires_grad=True)

    def run() -> list[torch.Tensor]:
        out = layer(x)
        return [out, *torch.autograd.grad(out.tanh().sum(), [x, *layer.parameters()])]

    ours = run()
    with plain():
        theirs = run()
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)
