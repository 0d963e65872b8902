from __future__ import annotations

import pytest
import torch

from genediff.core.errors import InputError
from genediff.tokenizers import build_tokenizer

from .conftest import World, stirred, tiny_model, tiny_options


def upstream(world: World, hops: int) -> torch.Tensor:
    """Return which genes lie at most so many edges upstream of each gene, (target, source); itself among them."""
    n = len(world.genes)
    source, target = world.knowledge.network.indices(world.genes)
    step = torch.eye(n)
    step[target, source] = 1
    return torch.linalg.matrix_power(step, hops) > 0


def influence(model) -> torch.Tensor:
    """Return how the prediction of each gene moves with each gene of one cell, (target, source)."""
    x = torch.randn(1, model.state_size, generator=torch.Generator().manual_seed(0)).to(model.mean)
    t, codes = torch.tensor([0.5]).to(model.mean), torch.zeros(1, 1, dtype=torch.long)
    moved = torch.autograd.functional.jacobian(lambda s: model.denoiser(s, t, codes)[0], x)[:, 0]
    return moved[: len(model.genes), : len(model.genes)]


def test_one_pass_carries_expression_along_the_network_only(world: World) -> None:
    """One edge in the encoder, one per layer, one in the decoder; library and condition are no bridge."""
    model = stirred(tiny_model(world, "grn", "gene").double())
    moved = influence(model) != 0
    reach = upstream(world, 2 + model.spec.run.model.depth)
    assert not moved[~reach].any()
    assert moved[upstream(world, 1)].all()
    assert not reach.all()  # the question can be answered with no


def test_a_gene_without_regulators_is_alive(world: World) -> None:
    model = stirred(tiny_model(world, "grn", "gene"))
    alone = ~torch.isin(torch.arange(len(world.genes)), model.tokenizer.edges[1])
    moved = influence(model)
    assert alone.any()
    assert torch.isfinite(moved).all()
    assert (moved.diagonal()[alone] != 0).all()
    assert ((moved[alone] != 0).sum(1) == 1).all()


def test_the_library_size_is_told_to_all_and_asked_of_all(world: World) -> None:
    model = stirred(tiny_model(world, "grn", "gene"))
    x = torch.randn(1, model.state_size, generator=torch.Generator().manual_seed(0))
    t, codes = torch.tensor([0.5]), torch.zeros(1, 1, dtype=torch.long)
    moved = torch.autograd.functional.jacobian(lambda s: model.denoiser(s, t, codes)[0], x)[:, 0]
    assert (moved[:, -1] != 0).all()
    assert (moved[-1] != 0).all()


def test_attention_weights_are_shown_per_layer_head_and_edge(world: World) -> None:
    model = stirred(tiny_model(world, "grn", "gene"))
    state, t = torch.randn(3, model.state_size), torch.full((3,), 0.9)
    layers = model.denoiser.attention_weights(state, t, torch.zeros(3, 1, dtype=torch.long))
    graph = model.denoiser.backbone.graph
    assert len(layers) == model.spec.run.model.depth
    for weights in layers:
        assert weights.shape == (3, 2, graph.n_edges)
        total = torch.zeros(3, 2, len(world.genes)).index_add(2, graph.edges[1], weights)
        torch.testing.assert_close(total, torch.ones_like(total))
    assert not torch.allclose(*layers)


def test_generation_in_groups_is_generation(world: World, monkeypatch) -> None:
    model = stirred(tiny_model(world, "grn", "gene"))
    whole = model.generate(20, seed=1, n_steps=2).X
    monkeypatch.setattr("genediff.models.denoiser.MOST_TOKENS", 7 * len(world.genes))
    assert abs(whole - model.generate(20, seed=1, n_steps=2).X).max() <= 1  # rounding to counts may tip


def test_a_flat_backbone_is_refused(world: World) -> None:
    from genediff.models.denoiser import TokenBackbone

    tokenizer = build_tokenizer("grn", world.material(), tiny_options("grn"))
    config = tiny_model(world, "grn", "gene").spec.run.model.model_copy(update={"backbone": "mlp"})
    with pytest.raises(InputError, match="set the backbone to 'dit'"):
        TokenBackbone(tokenizer.layout, config, [2], library=True)


def test_the_learned_adjacency_gates_attention(world: World) -> None:
    model = stirred(tiny_model(world, "grn_latent", "latent"))
    backbone = model.denoiser.backbone
    n = model.tokenizer.layout.n_tokens
    with torch.no_grad():
        backbone.adjacency.logits[0, 1] = -40.0
    gates = backbone.adjacency.gates()
    assert gates.shape == (n, n)
    assert ((gates >= 0) & (gates <= 1)).all()
    assert (gates.diagonal() == 1).all()
    state, t = torch.randn(3, model.state_size), torch.full((3,), 0.9)
    for weights in model.denoiser.attention_weights(state, t, torch.zeros(3, 1, dtype=torch.long)):
        assert weights.shape == (3, 2, n + 1, n + 1)  # the library size is the last token
        assert (weights[:, :, 0, 1] < 1e-9).all()
        assert (weights[:, :, 1, 0] > 1e-4).all()


def test_messages_of_the_hybrid_travel_as_many_edges_as_it_says(world: World) -> None:
    for hops in (1, 2):
        tokenizer = build_tokenizer("grn_latent", world.material(), {**tiny_options("grn_latent"), "hops": hops})
        stirred(tokenizer).double()
        x = world.x[0].double()
        moved = torch.autograd.functional.jacobian(lambda v, k=tokenizer: k._pass(v[None], k.heard)[0], x) != 0
        assert torch.equal(moved, upstream(world, hops))


def test_gene_tokens_start_from_the_company_they_keep(world) -> None:
    """Without it, 500 steps on pbmc3k told no cell type from another: generated types had the same mean (r = .02)."""
    model = tiny_model(world, "grn", "gene")
    backbone = model.denoiser.backbone
    axes = world.training.statistics().axes[:, : backbone.place.shape[1] // 2]
    torch.testing.assert_close(backbone.place[:, : axes.shape[1]].detach(), 0.5 * axes)
