"""Every strategy in count space, on simulated cells."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from genediff.core.errors import InputError
from genediff.models.count_denoiser import FEWEST_READ, CountDenoiser
from genediff.models.generative_model import GenerativeModel
from genediff.tokenizers import TOKENIZERS
from genediff.training.count_stage import CountStage
from tests.tokenizers.conftest import N_CELLS, N_GENES, stirred, tiny_model

STRATEGIES = [name for name, kind in TOKENIZERS.items() if "counts" in kind.spaces]


def _stage(model: GenerativeModel, world, fabric, **changes: object) -> CountStage:
    config = model.spec.run.train.model_copy(update={"warmup": 0, "learning_rate": 3e-3, "ema": 0.9, **changes})
    return CountStage(model, world.training, config, fabric=fabric, seed=0)


def test_every_strategy_can_work_in_count_space() -> None:
    assert set(STRATEGIES) == set(TOKENIZERS)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_untrained_it_is_its_start_and_trained_it_knows_more(strategy, world, fabric) -> None:
    """The gain over its start is what a tokenization has learned: zero before training, cells by heart after.

    The start is the closed form of the mixture but for the recalibration, which is zero before it is fitted. Linear
    edges are fitted before the network, too.
    """
    model = tiny_model(world, strategy, "counts")
    stage = _stage(model, world, fabric, steps=60)
    assert isinstance(model.denoiser, CountDenoiser)
    fitted = {name: value.clone() for name, value in model.denoiser.recalibration.state_dict().items()}
    model.eval()
    read = torch.from_numpy(world.training.train[:6].toarray() // 4)
    library, codes = torch.full((6,), 1500.0), world.training.train_codes[:6]
    with torch.no_grad():
        if model.denoiser.linear is not None:
            model.denoiser.linear.weight.zero_()
        torch.testing.assert_close(
            model.denoiser(read, library, codes), model.denoiser.start_log_shares(read, library, codes)
        )
        model.denoiser.recalibration.load_state_dict({})
        found = model.denoiser(read, library, codes)
        torch.testing.assert_close(found, model.denoiser.start.log_shares(read, library, codes), atol=1e-4, rtol=1e-4)
    model.denoiser.recalibration.load_state_dict(fitted)
    model.train()
    losses = [stage.train_step(0) for _ in range(40)]  # the same cells at the same depths, over and over
    assert min(losses[-5:]) < losses[0] - 1e-3
    model.eval()
    few = torch.zeros(2, N_GENES)
    few[:, 0] = FEWEST_READ - 1
    with torch.no_grad():
        torch.testing.assert_close(  # of so few molecules the mixture is asked alone
            model.denoiser(few, library[:2], codes[:2]), model.denoiser.start.log_shares(few, library[:2], codes[:2])
        )


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_cells_are_read_to_their_library_and_saved_models_read_the_same(strategy, world, fabric) -> None:
    model = tiny_model(world, strategy, "counts")
    stage = _stage(model, world, fabric, steps=1)
    stirred(model.denoiser)
    states: list[torch.Tensor] = []
    cells = model.generate(40, conditions={"cell_type": "type_2"}, n_steps=6, seed=3, watch=states.append)
    assert (cells.X.toarray() >= 0).all()
    np.testing.assert_array_equal(np.asarray(cells.X.sum(1)).ravel(), cells.obs["library"])
    trained = np.asarray(world.training.train.sum(1)).ravel()
    assert trained.min() * 0.7 < cells.obs["library"].median() < trained.max() * 1.3
    assert [s.shape for s in states] == [(40, N_GENES)] * 7
    assert not states[0].any()
    assert all((after >= before).all() for before, after in itertools.pairwise(states))
    again = GenerativeModel(model.spec, knowledge=world.knowledge)
    again.load_state_dict(model.state_dict())
    same = again.generate(40, conditions={"cell_type": "type_2"}, n_steps=6, seed=3)
    assert (same.X != cells.X).nnz == 0
    guided = again.generate(40, conditions={"cell_type": "type_2"}, n_steps=6, seed=3, guidance=2.0)
    assert (guided.X != cells.X).nnz > 0
    assert stage.total_steps == 1


def test_library_and_a_cell_to_go_on_from_may_be_given(world, fabric) -> None:
    model = tiny_model(world, "latent", "counts")
    _stage(model, world, fabric, steps=1)
    model.eval()
    start = torch.from_numpy(world.training.train[:5].toarray() // 10)
    deep = model.states(
        world.training.train_codes[:5],
        config=model.sample_config(n_steps=4),
        generator=torch.Generator().manual_seed(0),
        library=torch.full((5,), 3000.0),
        start=start,
    )
    assert deep.sum(1).eq(3000).all()
    assert (deep >= start).all()


def test_gene_tokens_work_where_something_was_read(world, fabric) -> None:
    """A gene that was not read, and whose regulators were not, leaves the answer to the mixture and says nothing."""
    model = tiny_model(world, "grn", "counts")
    _stage(model, world, fabric, steps=1)
    denoiser = stirred(model.denoiser).eval()
    source, target = world.knowledge.network.indices(world.genes)
    regulator = int(source[0])
    read = torch.zeros(1, N_GENES)
    read[0, regulator] = 20
    told = torch.zeros(N_GENES, dtype=torch.bool)
    told[regulator], told[torch.from_numpy(target[source == regulator])] = True, True
    assert torch.equal(denoiser.active(read)[0], told)
    tokens = torch.randn(1, N_GENES, denoiser.tokenizer.layout.n_channels)
    library, codes = torch.tensor([500.0]), torch.zeros(1, 1, dtype=torch.long)
    moved = torch.autograd.functional.jacobian(
        lambda given: denoiser.shares_of(given, read, library, codes)[0].log(), tokens
    )[:, 0]
    said = moved.abs().sum(2).amax(0) > 0  # by which tokens, (gene,)
    assert said[regulator]
    assert not said[~told].any()
    assert not told.all()


def test_data_without_counts_are_refused(world) -> None:
    spec = tiny_model(world, "latent", "counts").spec.model_copy(update={"has_counts": False})
    with pytest.raises(InputError, match="no counts"):
        GenerativeModel(spec)


def test_conditions_steer_what_is_read(world, fabric) -> None:
    """Two types with profiles of their own, generated without training: the mixture alone tells them apart."""
    model = tiny_model(world, "mlp", "counts")
    _stage(model, world, fabric, steps=1)
    counts = world.training.train.toarray()
    kind = world.training.train_codes[:, 0].numpy()
    real = np.stack([counts[kind == k].sum(0) / counts[kind == k].sum() for k in range(2)])
    for k in range(2):
        made = model.generate(300, conditions={"cell_type": f"type_{k + 1}"}, seed=k).X.toarray()
        share = made.sum(0) / made.sum()
        assert np.abs(share - real[k]).sum() < 0.3 * np.abs(share - real[1 - k]).sum()
    assert len(counts) == N_CELLS
