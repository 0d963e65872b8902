from __future__ import annotations

import math

import pytest
import torch

from genediff.nn import edge_compiled
from genediff.nn.edge_choice import kernels_for
from genediff.nn.edge_compiled import CompiledKernels
from genediff.nn.edge_kernels import BagKernels, ScatterKernels, SparseKernels, candidates
from genediff.nn.edge_lists import ACTIVATION, REPRESSION, SELF, UNKNOWN, Graph
from genediff.nn.sparse_attention import EdgeSelfAttention, edge_attention, edge_weights

KERNELS = [CompiledKernels(), BagKernels(), ScatterKernels(), SparseKernels()]


def edges(n_tokens: int, n_edges: int, *, seed: int = 0) -> torch.Tensor:
    """Draw distinct edges without self-loops, (2, edge), in no order; the last tenth of the tokens has no source."""
    generator = torch.Generator().manual_seed(seed)
    pairs = torch.cartesian_prod(torch.arange(n_tokens), torch.arange(max(1, n_tokens * 9 // 10)))
    pairs = pairs[pairs[:, 0] != pairs[:, 1]]
    return pairs[torch.randperm(len(pairs), generator=generator)[:n_edges]].T


def inputs(*shape: int, dtype: torch.dtype = torch.float32, seed: int = 0) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(*shape, generator=generator, dtype=dtype).requires_grad_() for _ in range(4)]


def dense(q, k, v, graph, bias=None):
    """The oracle: all pairs, those without an edge masked."""
    n, heads = q.shape[1], q.shape[2]
    mask = torch.full((heads, n, n), -math.inf, dtype=q.dtype)  # (head, target, source)
    source, target = graph.edges
    mask[:, target, source] = 0.0 if bias is None else bias.T
    scores = torch.einsum("cihd,cjhd->chij", q, k) / math.sqrt(q.shape[3]) + mask
    return torch.einsum("chij,cjhd->cihd", scores.softmax(3), v)


@pytest.mark.parametrize("kernels", KERNELS, ids=lambda k: type(k).__name__)
@pytest.mark.parametrize(("cells", "entries"), [(3, 2**21), (5, 900)], ids=["whole", "in groups"])
def test_values_and_gradients_are_those_of_dense_masked_attention(kernels, cells, entries, monkeypatch) -> None:
    monkeypatch.setattr("genediff.nn.edge_lists.MOST_ENTRIES", entries)
    graph = Graph(edges(30, 120), 30)
    q, k, v, g = inputs(cells, 30, 3, 8)
    bias = torch.randn(graph.n_edges, 3).requires_grad_()
    results = []
    for out in (edge_attention(q, k, v, graph, bias, kernels=kernels), dense(q, k, v, graph, bias)):
        results.append((out, *torch.autograd.grad((out * g.detach()).sum(), (q, k, v, bias))))
    for ours, oracle in zip(*results, strict=True):
        torch.testing.assert_close(ours, oracle, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("kernels", KERNELS, ids=lambda k: type(k).__name__)
def test_gradients_are_those_of_finite_differences(kernels) -> None:
    graph = Graph(edges(6, 9), 6)
    q, k, v, _ = inputs(2, 6, 2, 3, dtype=torch.double)
    bias = torch.randn(graph.n_edges, 2, dtype=torch.double).requires_grad_()
    assert torch.autograd.gradcheck(lambda *a: edge_attention(*a[:3], graph, a[3], kernels=kernels), (q, k, v, bias))


@pytest.mark.parametrize("threads", [1, 3])
def test_compiled_kernels_say_the_same_in_any_number_of_threads(threads, monkeypatch) -> None:
    """Rows of very uneven length are cut by entries, so a stretch may be empty and a row is never cut."""
    monkeypatch.setattr(edge_compiled, "WORTH_A_THREAD", 1)
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    sources = torch.arange(1, 40)
    graph = Graph(torch.stack([sources, torch.zeros_like(sources)]), 40)  # one token hears all others
    q, k, v, _ = inputs(2, 40, 2, 8)
    for kernels in (CompiledKernels(), BagKernels()):
        rows = graph.lists(2, 2).rows
        weights = kernels.softmax(kernels.dots(q.flatten(0, 2), k.flatten(0, 2), rows), rows)
        total = torch.zeros(160).index_add(0, rows.row.long(), weights)
        torch.testing.assert_close(total, torch.ones(160))
        torch.testing.assert_close(weights, ScatterKernels().softmax(
            ScatterKernels().dots(q.flatten(0, 2), k.flatten(0, 2), rows), rows))  # fmt: skip


def test_every_device_has_kernels(monkeypatch) -> None:
    assert isinstance(kernels_for(torch.device("cpu")), CompiledKernels)
    assert isinstance(kernels_for(torch.device("mps")), ScatterKernels)
    assert isinstance(kernels_for(torch.device("cuda")), BagKernels)
    assert any(isinstance(kernels, BagKernels) for kernels in candidates())
    monkeypatch.setattr("genediff.nn.edge_kernels.DOTS", "_an_operator_that_torch_has_not")
    assert not any(isinstance(kernels, BagKernels) for kernels in candidates())
    assert isinstance(kernels_for(torch.device("cuda")), SparseKernels)


def test_scores_of_any_size_stay_finite() -> None:
    graph = Graph(edges(20, 60), 20)
    q, k, v, _ = inputs(1, 20, 1, 4)
    out = edge_attention(q * 1e4, k * 1e4, v, graph)
    assert out.isfinite().all()
    assert all(d.isfinite().all() for d in torch.autograd.grad(out.sum(), (q, k, v)))


def test_a_token_without_sources_keeps_its_own_value_and_learns() -> None:
    graph = Graph(torch.tensor([[0, 1], [1, 0]]), 3)
    q, k, v, _ = inputs(2, 3, 2, 4)
    out = edge_attention(q, k, v, graph)
    torch.testing.assert_close(out[:, 2], v[:, 2])
    (d,) = torch.autograd.grad(out[:, 2].sum(), v)
    assert (d[:, 2] == 1).all()


def test_no_edges_at_all_leaves_values_as_they_are() -> None:
    q, k, v, _ = inputs(2, 5, 1, 4)
    torch.testing.assert_close(edge_attention(q, k, v, Graph(torch.zeros(2, 0, dtype=torch.long), 5)), v)


def test_k_layers_reach_k_hops_and_not_one_more() -> None:
    """On a chain 0 -> 1 -> 2 -> …, token 9 hears of token 9 - k after k layers, and nothing of what lies beyond."""
    n = 10
    graph = Graph(torch.stack([torch.arange(n - 1), torch.arange(1, n)]), n)
    torch.manual_seed(0)
    for layers in (1, 2, 3):
        x = torch.randn(1, n, 8, requires_grad=True)
        hidden = x
        for layer in [EdgeSelfAttention(8, 2, graph) for _ in range(layers)]:
            hidden = hidden + layer(hidden)
        (d,) = torch.autograd.grad(hidden[0, 9].sum(), x)
        reached = d[0].abs().sum(1) > 0
        assert reached.tolist() == [9 - i <= layers for i in range(n)]


def test_messages_run_from_source_to_target_only() -> None:
    graph = Graph(torch.tensor([[0], [1]]), 2)
    q, k, v, _ = inputs(1, 2, 1, 4)
    out = edge_attention(q, k, v, graph)
    assert torch.autograd.grad(out[0, 1].sum(), v, retain_graph=True)[0][0, 0].abs().sum() > 0
    assert torch.autograd.grad(out[0, 0].sum(), v)[0][0, 1].abs().sum() == 0


def test_permuting_the_tokens_permutes_the_output() -> None:
    given, n = edges(25, 80), 25
    q, k, v, _ = inputs(2, n, 2, 4, dtype=torch.double)
    order = torch.randperm(n)
    place = order.argsort()  # where each token goes
    ours = edge_attention(q, k, v, Graph(given, n))[:, order]
    theirs = edge_attention(q[:, order], k[:, order], v[:, order], Graph(place[given], n))
    torch.testing.assert_close(ours, theirs)


def test_the_order_of_the_edges_does_not_matter() -> None:
    given = edges(25, 80)
    q, k, v, _ = inputs(2, 25, 2, 4)
    shuffled = given[:, torch.randperm(given.shape[1])]
    torch.testing.assert_close(edge_attention(q, k, v, Graph(given, 25)), edge_attention(q, k, v, Graph(shuffled, 25)))


def test_weights_are_those_of_the_mixing() -> None:
    graph = Graph(edges(12, 40), 12)
    q, k, v, _ = inputs(2, 12, 2, 4)
    bias = torch.randn(graph.n_edges, 2)
    w = edge_weights(q, k, graph, bias)  # (cell, edge, head)
    source, target = graph.edges
    total = torch.zeros(2, 12, 2).index_add(1, target, w)
    torch.testing.assert_close(total, torch.ones_like(total))
    mixed = torch.zeros_like(v).index_add(1, target, w[..., None] * v[:, source])
    torch.testing.assert_close(mixed, edge_attention(q, k, v, graph, bias), atol=1e-5, rtol=1e-5)


def test_signs_become_kinds_that_a_head_can_tell_apart() -> None:
    graph = Graph(torch.tensor([[0, 1, 2], [3, 3, 3]]), 4, signs=torch.tensor([1, -1, 0]))
    kinds = {(s, t): kind for s, t, kind in zip(*graph.edges.tolist(), graph.kind.tolist(), strict=True)}
    assert kinds[0, 3] == ACTIVATION and kinds[1, 3] == REPRESSION and kinds[2, 3] == UNKNOWN and kinds[3, 3] == SELF
    torch.manual_seed(0)
    layer = EdgeSelfAttention(8, 2, graph)
    with torch.no_grad():
        layer.kind[ACTIVATION, 0] = 50.0  # the first head listens to activators alone
    w = layer.weights(torch.randn(3, 4, 8))
    place = graph.edges.T.tolist().index([0, 3])
    assert (w[:, 0, place] > 0.999).all() and (w[:, 1, place] < 0.999).all()


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ([[0, 1, 0], [1, 2, 1]], "edge 0 -> 1 is listed twice"),
        ([[0, 2], [1, 2]], "token 2 has an edge to itself"),
        ([[0, 3], [1, 0]], "names token 3, and there are 3 tokens"),
    ],
)
def test_edges_that_cannot_be_are_refused(given, sentence) -> None:
    with pytest.raises(ValueError, match=sentence):
        Graph(torch.tensor(given), 3)


def test_what_is_kept_for_the_backward_grows_with_edges_and_not_with_pairs() -> None:
    """Sums the tensors that autograd keeps for one call: q, k, v, the output, and one weight per edge and head."""
    kept = []
    for n in (500, 2000):
        graph = Graph(edges(n, 1500), n)
        q, k, v, _ = inputs(2, n, 2, 8)
        sizes: list[int] = []
        with torch.autograd.graph.saved_tensors_hooks(lambda t, s=sizes: s.append(t.numel()) or t, lambda t: t):
            edge_attention(q, k, v, graph)
        kept.append(sum(sizes) - 2 * 2 * graph.n_edges - 4 * q.numel())
    assert kept == [0, 0]
