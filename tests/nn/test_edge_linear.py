from __future__ import annotations

import pytest
import torch

from genediff.nn import edge_linear
from genediff.nn.edge_compiled import CompiledKernels
from genediff.nn.edge_kernels import BagKernels, ScatterKernels, SparseKernels
from genediff.nn.edge_linear import EdgeLinear
from genediff.nn.edge_lists import Graph

EDGES = torch.tensor([[0, 0, 3, 4], [1, 2, 2, 0]])  # token 3 has no source, token 2 has two
KERNELS = [CompiledKernels(), BagKernels(), ScatterKernels(), SparseKernels()]


@pytest.mark.parametrize("kernels", KERNELS, ids=lambda k: type(k).__name__)
def test_it_is_a_sparse_matrix(kernels, monkeypatch) -> None:
    monkeypatch.setattr(edge_linear, "kernels_for", lambda device: kernels)
    layer = EdgeLinear(Graph(EDGES, 5, loops=False)).double()
    torch.nn.init.normal_(layer.weight)
    x = torch.randn(6, 5, dtype=torch.double, requires_grad=True)
    matrix = torch.zeros(5, 5, dtype=torch.double)
    matrix[layer.graph.edges[1], layer.graph.edges[0]] = layer.weight.detach()
    torch.testing.assert_close(layer(x), x @ matrix.T)
    forward = torch.func.functional_call
    assert torch.autograd.gradcheck(lambda w, v: forward(layer, {"weight": w}, (v,)), (layer.weight, x))


def test_weights_start_with_the_sign_of_their_edge() -> None:
    layer = EdgeLinear(Graph(EDGES, 5, signs=torch.tensor([1, -1, 0, 1]), loops=False))
    found = dict(zip(map(tuple, layer.graph.edges.T.tolist()), layer.weight.sign().tolist(), strict=True))
    assert found == {(0, 1): 1, (0, 2): -1, (3, 2): 0, (4, 0): 1}
