from __future__ import annotations

import os

import numpy as np
import pytest
import torch

from genediff.core.errors import InputError
from genediff.distributed.device import choose_device
from genediff.models.generative_model import GenerativeModel
from genediff.tokenizers.statistics import Statistics
from genediff.training.batches import Shuffle, stream
from genediff.training.corruption import Corruption
from genediff.training.ema import EMA
from genediff.training.estimate import estimate
from genediff.training.fabric import make_fabric
from genediff.training.rng_shards import Draws
from genediff.training.train import make_spec
from genediff.training.training_cells import TrainingCells


def test_every_epoch_shows_every_cell_once_in_a_new_order() -> None:
    shuffle = Shuffle(12, 4, seed=0)
    epochs = [torch.cat([shuffle.rows(3 * epoch + k) for k in range(3)]) for epoch in range(3)]
    assert all(sorted(epoch.tolist()) == list(range(12)) for epoch in epochs)
    assert not torch.equal(epochs[0], epochs[1])


def test_the_rows_of_a_step_do_not_depend_on_the_steps_before() -> None:
    one, other = Shuffle(50, 8, seed=3), Shuffle(50, 8, seed=3)
    wanted = [one.rows(k) for k in range(20)][17]
    assert torch.equal(other.rows(17), wanted)


def test_streams_with_different_numbers_differ() -> None:
    draws = {float(torch.rand((), generator=stream(0, a, b))) for a in range(5) for b in range(50)}
    assert len(draws) == 250


def test_the_average_follows_the_weights_and_gives_them_back() -> None:
    layer = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.zeros_(layer.weight)
    ema = EMA(layer, 0.9)
    torch.nn.init.ones_(layer.weight)
    expected = 0.0
    for step in range(1, 200):
        ema.update(step)
        expected += (1 - min(0.9, (1 + step) / (10 + step))) * (1 - expected)
    with ema.applied():
        assert layer.weight.item() == pytest.approx(expected, rel=1e-5)
    assert layer.weight.item() == 1.0


@pytest.fixture
def parts(small, planted):
    config = small()
    cells = TrainingCells.of(planted, config.model.conditions)
    model = GenerativeModel(make_spec(config, planted, cells, model_id="m"), cells.statistics())
    return cells, model


def test_statistics_are_those_of_training_cells_alone(parts, planted) -> None:
    cells, model = parts
    counts = np.asarray(planted.counts("train").todense())
    library = counts.sum(1, keepdims=True)
    x = np.log1p(counts / library * np.median(library))
    np.testing.assert_allclose(model.mean.numpy(), x.mean(0), rtol=1e-4)
    np.testing.assert_allclose(model.std.numpy(), x.std(0), rtol=1e-3)
    assert isinstance(cells.statistics(), Statistics)


def test_axes_are_the_principal_axes_of_standardised_training_cells(parts, planted) -> None:
    cells, model = parts
    x, _ = cells.normalise(torch.from_numpy(cells.train.toarray()))
    x = ((x - model.mean) / model.std).numpy()
    axes = cells.statistics().axes.numpy()  # (gene, axis)
    _, _, wanted = np.linalg.svd(x - 0.0, full_matrices=False)
    for place in range(3):
        own = axes[:, place] / np.linalg.norm(axes[:, place])
        assert abs(own @ wanted[place]) == pytest.approx(1, abs=1e-3)
    np.testing.assert_allclose((axes**2).mean(0), 1, rtol=1e-4)
    np.testing.assert_allclose(axes.T @ axes / len(axes), np.eye(axes.shape[1]), atol=1e-3)


def test_axes_cost_cells_and_not_genes() -> None:
    """As many axes as there are cells at most, also where there are thousands of genes."""
    from scipy import sparse

    few = sparse.csr_matrix(np.random.default_rng(0).poisson(1.0, (9, 3000)).astype(np.float32))
    codes = torch.zeros(9, 0, dtype=torch.long)
    cells = TrainingCells(few, few[:2], codes, codes[:2], True, 3000.0)
    assert cells.statistics().axes.shape == (3000, 8)  # their mean is taken away


def test_corruption_hides_and_thins_at_the_stated_rates(parts) -> None:
    cells, model = parts
    counts = torch.full((400, 40), 50.0)
    clean = Corruption(0, 0).apply(cells, model, counts, Draws.of(stream(0, 0), 400))
    hidden = Corruption(0.5, 0).apply(cells, model, counts, Draws.of(stream(0, 0), 400))
    assert (hidden == 0).float().mean().item() == pytest.approx(0.5, abs=0.02)
    torch.testing.assert_close(hidden[hidden != 0], (2 * clean)[hidden != 0])
    thinned = Corruption(0, 0.6).apply(cells, model, counts, Draws.of(stream(0, 0), 400))
    spread = (thinned * model.std + model.mean).expm1().std(1)
    assert spread.mean() > 0.5  # what was constant now varies as counts do
    assert not torch.equal(thinned, clean)


def test_a_device_that_is_not_there_is_said() -> None:
    with pytest.raises(ValueError, match="unknown device 'gpu'"):
        choose_device("gpu")
    if not torch.cuda.is_available():
        with pytest.raises(ValueError, match="no cuda device"):
            choose_device("cuda:0")
    assert choose_device("cpu").type == "cpu"


def test_the_estimate_counts_the_parameters_of_the_run(small, planted, parts) -> None:
    _, model = parts
    guess = estimate(small(), planted.info, levels={"kind": 3, "day": 2})
    assert guess.n_parameters == model.n_parameters
    assert guess.seconds > 0
    longer = estimate(small(steps=3000), planted.info, levels={"kind": 3, "day": 2})
    assert longer.seconds > 3 * guess.seconds


def test_the_estimate_knows_of_processes_and_parts(small, planted) -> None:
    """Activations are those of the part of a batch that a process holds at once; too small a batch is told."""
    config = small()
    large = config.train.model_copy(update={"batch_size": 4096, "tokenizer_batch_size": 4096})
    config = config.model_copy(update={"train": large, "model": config.model.model_copy(update={"depth": 4})})

    def memory(accumulate: int, processes: int) -> int:
        changed = config.model_copy(update={"accumulate": accumulate})
        return estimate(changed, planted.info, levels={"kind": 3, "day": 2}, processes=processes).memory_bytes

    whole, shared, both = memory(1, 1), memory(1, 4), memory(2, 2)
    assert whole > 1.05 * shared and shared == both
    with pytest.raises(InputError, match="2 processes with 64 parts each are more"):
        estimate(small().model_copy(update={"accumulate": 64}), planted.info, processes=2)


def test_a_machine_with_srun_trains_without_a_warning(tmp_path, monkeypatch):
    """Fabric looked for a cluster, found `srun` on a login node, advised to prepend it, and warned (an error here)."""
    srun = tmp_path / "srun"
    srun.write_text("#!/bin/sh\n")
    srun.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert make_fabric("cpu").world_size == 1
