"""What every strategy promises, in every space that it serves. A strategy that is registered is tested here."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from genediff.core.checkpoint import write_folder
from genediff.core.errors import InputError
from genediff.models.load_model import load_model
from genediff.tokenizers import TOKENIZERS, Material, build_tokenizer
from genediff.training.autoencoder_stage import AutoencoderStage
from genediff.training.flow_stage import FlowStage, fit_token_scale

from .conftest import N_CELLS, N_GENES, World, stirred, tiny_model, tiny_options

if TYPE_CHECKING:
    from pathlib import Path

    from lightning_fabric import Fabric

    from genediff.models.generative_model import GenerativeModel

STRATEGIES = tuple(TOKENIZERS)
# Count space has no flow on a continuous state; what it promises of every strategy stands in test_count_space.py.
BOTH = [(name, space) for name, strategy in TOKENIZERS.items() for space in strategy.spaces if space != "counts"]
every = pytest.mark.parametrize("strategy", STRATEGIES)
everywhere = pytest.mark.parametrize(("strategy", "space"), BOTH, ids=["-".join(pair) for pair in BOTH])

STAGE_STEPS, FLOW_STEPS = 90, 90


def build(world: World, strategy: str, genes: tuple[str, ...] | None = None):
    torch.manual_seed(0)
    return build_tokenizer(strategy, world.material(genes), tiny_options(strategy), training=world.statistics(genes))


@every
def test_shapes_and_names(world: World, strategy: str) -> None:
    tokenizer = build(world, strategy)
    layout, x = tokenizer.layout, world.x[:5]
    posterior = tokenizer.posterior(x)
    shape = (5, layout.n_tokens, layout.n_channels)
    assert posterior.mean.shape == posterior.std.shape == tokenizer.encode(x).shape == shape
    assert (posterior.std > 0).all()
    assert torch.isfinite(posterior.mean).all()
    assert tokenizer.decode(posterior.mean).shape == (5, N_GENES)
    assert tokenizer.penalty(posterior).shape == (5,)
    assert len(set(layout.names)) == layout.n_tokens > 0
    assert layout.edges is None or (layout.edges.shape[0] == 2 and 0 <= layout.edges.min() <= layout.edges.max())
    assert layout.edges is None or layout.edges.max() < layout.n_tokens
    assert sum(n for _, n in layout.parts) in (0, layout.n_tokens)
    assert {"quick", "standard", "large"} >= set(tokenizer.presets)
    for preset in tokenizer.presets.values():
        TOKENIZERS[strategy].Config(**preset.get("options", {}))
    assert set(tokenizer.shrunk) <= {name for name, _ in tokenizer.named_parameters()}


@every
def test_genes_go_by_their_names(world: World, strategy: str) -> None:
    """Genes in another order are the same strategy: a token sees, and drives, the genes of the same names."""
    x, order = world.x[0], np.random.default_rng(1).permutation(N_GENES)
    moved = tuple(world.genes[i] for i in order)
    one, other = (stirred(build(world, strategy, genes)) for genes in (world.genes, moved))
    assert reach(one, x, world.genes) == reach(other, x[torch.from_numpy(order)], moved)
    assert links(one) == links(other)
    shuffled = stirred(build(world, strategy, moved))
    reads = reach(one, x, world.genes)[0]
    if TOKENIZERS[strategy].needs and any(len(seen) < N_GENES for seen in reads.values()):
        # The question can be answered with no: the same genes under wrong names.
        wrong = reach(shuffled, x[torch.from_numpy(order)], world.genes), links(shuffled, names=world.genes)
        assert wrong != (reach(one, x, world.genes), links(one))


def reach(tokenizer, x: torch.Tensor, genes: tuple[str, ...]) -> tuple[dict, dict]:
    """Return by name which genes each token reads, and which tokens each gene is written by."""
    names = tokenizer.layout.names
    read = torch.autograd.functional.jacobian(lambda v: tokenizer.encode(v[None])[0].sum(1), x)  # (token, gene)
    tokens = tokenizer.encode(x[None]).detach()
    written = torch.autograd.functional.jacobian(lambda v: tokenizer.decode(v)[0], tokens)[:, 0].abs().sum(2)
    reads = {name: named(genes, row != 0) for name, row in zip(names, read, strict=True)}
    return reads, {gene: named(names, row != 0) for gene, row in zip(genes, written, strict=True)}


def named(names: tuple[str, ...], used: torch.Tensor) -> set[str]:
    return {name for name, yes in zip(names, used.tolist(), strict=True) if yes}


def links(tokenizer, names: tuple[str, ...] | None = None) -> set[tuple[str, str]]:
    """Return the edges between tokens by name."""
    layout = tokenizer.layout
    if layout.edges is None:
        return set()
    named = names or layout.names
    return {(named[a], named[b]) for a, b in layout.edges.T.tolist()}


@everywhere
def test_a_saved_model_gives_the_same_cells(world: World, strategy: str, space: str, tmp_path: Path) -> None:
    made = stirred(tiny_model(world, strategy, space)).eval()
    texts = {"model.json": made.spec.model_dump_json(), "knowledge.json": world.knowledge.to_json()}
    write_folder(tmp_path / "model", dict(made.state_dict()), texts, name="model")
    read = load_model(tmp_path / "model", device="cpu")
    assert read.genes == world.genes
    for name, tensor in made.state_dict().items():
        assert torch.equal(tensor, read.state_dict()[name]), name
    torch.testing.assert_close(read.tokenizer.encode(world.x), made.tokenizer.encode(world.x), rtol=0, atol=0)
    one, again = (m.generate(12, seed=3, n_steps=2) for m in (made, read))
    assert abs(one.X - again.X).sum() == 0
    assert tuple(one.var_names) == world.genes


@everywhere
def test_a_seed_decides_weights_and_cells(world: World, strategy: str, space: str) -> None:
    one, same, other = (stirred(tiny_model(world, strategy, space, seed=seed)) for seed in (0, 0, 1))
    cells = [model.generate(30, seed=1, n_steps=2).X for model in (one, same, other)]
    assert abs(cells[0] - cells[1]).sum() == 0
    assert abs(cells[0] - cells[2]).sum() > 0
    assert abs(cells[0] - one.generate(30, seed=2, n_steps=2).X).sum() > 0


@everywhere
def test_gradients_reach_every_weight(world: World, strategy: str, space: str, fabric: Fabric) -> None:
    model = stirred(tiny_model(world, strategy, space))
    config = model.spec.run.train
    stages = [FlowStage(model, world.training, config, fabric=fabric, seed=0)]
    if space == "latent":
        stages.append(AutoencoderStage(model, world.training, config, fabric=fabric, seed=0))
    for stage in stages:
        stage.loss(KL_IS_ON, stage.parts[0]).backward()
    silent = {name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()}
    # A strategy that knows how sure it is of its tokens has no use for that in gene space, where tokens are no draws.
    assert not {name for name in silent if space == "latent" or "spread" not in name}
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)


KL_IS_ON = 400


@everywhere
def test_time_and_condition_matter_to_every_token(world: World, strategy: str, space: str) -> None:
    model = stirred(tiny_model(world, strategy, space)).eval()
    generator = torch.Generator().manual_seed(0)
    state = torch.randn(4, model.state_size, generator=generator)
    codes = torch.zeros(4, 1, dtype=torch.long)
    early, late = torch.full((4,), 0.2), torch.full((4,), 0.7)
    with torch.no_grad():
        plain = model.denoiser(state, early, codes)
        for t, given in ((late, codes), (early, codes + 1), (early, codes + 2)):  # the last is "no label"
            moved = (model.denoiser(state, t, given) - plain).abs()  # (cell, dim)
            assert (moved.amax(0) > 1e-5).all()


@pytest.mark.parametrize(
    ("strategy", "space"),
    [pair if pair[1] == "latent" else pytest.param(*pair, marks=pytest.mark.slow) for pair in BOTH],
    ids=["-".join(pair) for pair in BOTH],
)
def test_64_cells_are_memorised(world: World, strategy: str, space: str, fabric: Fabric) -> None:
    steps = {"tokenizer_steps": STAGE_STEPS, "steps": FLOW_STEPS, "warmup": 5, "shrinkage": 0.0, "ema": 0.5}
    rates = {"learning_rate": 4e-3, "tokenizer_learning_rate": 1e-2, "drop_condition": 0.0}
    model = tiny_model(world, strategy, space, **steps, **rates)
    config = model.spec.run.train
    if space == "latent":
        stage = AutoencoderStage(model, world.training, config, fabric=fabric, seed=0)
        before = bound(model, world)
        for step in range(STAGE_STEPS):
            stage.train_step(step)
        after, swapped = bound(model, world), bound(model, world, roll=1)
        assert after < before  # how far depends on where a strategy starts: one that was fitted starts low
        assert after < 0.7 * swapped  # it is the cell's own tokens that explain it, not a wider dispersion
        fit_token_scale(model, world.training, config, seed=0)
    flow = FlowStage(model, world.training, config, fabric=fabric, seed=0)
    ignorant = flow_losses(flow)  # it starts at the best guess that knows no cell
    for step in range(FLOW_STEPS):
        flow.train_step(step)
    assert (flow_losses(flow) < 0.97 * ignorant).all()
    cells = model.generate(N_CELLS, seed=0, n_steps=6)
    real, made = (np.log1p(np.asarray(c.X.todense()).mean(0)) for c in (world.cells, cells[:, list(world.genes)]))
    assert np.corrcoef(real, made)[0, 1] > 0.8  # each gene under its own name


@torch.no_grad()
def flow_losses(flow: FlowStage) -> np.ndarray:
    """Return losses on all cells for the same five draws of times and noise, so that two answers can be compared."""
    return np.array([float(flow.loss(draw, flow.parts[0])) for draw in range(5)])


@torch.no_grad()
def bound(model: GenerativeModel, world: World, *, roll: int = 0) -> float:
    """Return the mean negative log-likelihood of cells from their tokens (or those of the next cell)."""
    counts = torch.from_numpy(world.training.train.toarray())
    tokens = model.tokenizer.encode(world.x).roll(roll, 0)
    assert model.autoencoder is not None
    return -float(model.autoencoder.head.log_prob(model.tokenizer.decode(tokens), counts.sum(1), counts).sum(1).mean())


@every
def test_what_it_needs_is_asked_for(world: World, strategy: str) -> None:
    with pytest.raises(InputError, match="has no option 'colour'"):
        build_tokenizer(strategy, world.material(), {"colour": 1})
    if needs := TOKENIZERS[strategy].needs:
        known = world.material()
        bare = Material(known.genes, type(known.knowledge)())
        with pytest.raises(InputError, match=f"choose one .model.{needs[0]}"):
            build_tokenizer(strategy, bare, tiny_options(strategy))
