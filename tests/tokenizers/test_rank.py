"""The order of genes against a plain sort of the counts, and what becomes of genes beyond the last rank."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from genediff.tokenizers.rank import Rank, RankConfig
from genediff.training.autoencoder_stage import AutoencoderStage

from .conftest import N_GENES, tiny_model

if TYPE_CHECKING:
    from lightning_fabric import Fabric

    from .conftest import World


def rank(world: World, **options: object) -> Rank:
    torch.manual_seed(0)
    made = Rank(world.material(), RankConfig(hidden=16, **options))  # type: ignore[arg-type]
    made.fit(world.statistics())
    return made


@pytest.mark.parametrize("by_median", [False, True], ids=["plain", "median"])
def test_the_order_is_that_of_a_plain_sort_of_counts(world: World, by_median: bool) -> None:
    """Sorted by normalised counts, over the non-zero median of each gene; ties by gene order; zeros never."""
    tokenizer = rank(world, n_tokens=N_GENES, by_median=by_median)
    found = tokenizer.order(tokenizer.measured(world.x)).numpy()
    counts = world.training.train.toarray().astype(np.float64)
    shares = counts / counts.sum(1, keepdims=True)
    usual = np.array([np.median(column[column > 0]) if column.any() else 1.0 for column in shares.T])
    n_ties = 0
    for row in range(len(counts)):
        level = shares[row] / usual if by_median else counts[row]
        order = sorted(np.flatnonzero(counts[row]), key=lambda gene, level=level: (-round(level[gene], 9), gene))
        n_ties += len(order) - len(set(level[order]))
        expected = order + [N_GENES] * (N_GENES - len(order))
        if by_median:  # a median of an even number of cells is a mean, of logarithms there and of counts here
            moved = np.flatnonzero(found[row] != expected)
            assert np.abs(np.log(level[found[row][moved]] / level[np.array(expected)[moved]])).max(initial=0) < 0.02
        else:
            assert found[row].tolist() == expected
    assert by_median or n_ties > 50


def test_fewer_genes_than_ranks_end_in_nothing(world: World) -> None:
    tokenizer = rank(world, n_tokens=8)
    known = world.training.statistics()
    x = torch.zeros(2, N_GENES)
    x[1, [7, 3, 20]] = torch.tensor([1.0, 1.0, 3.0])
    ranked = tokenizer.order(tokenizer.measured((x - known.mean) / known.std))
    assert (ranked[0] == N_GENES).all()
    assert set(ranked[1, :3].tolist()) == {3, 7, 20}
    assert (ranked[1, 3:] == N_GENES).all()


def test_genes_hidden_in_training_do_not_enter(world: World) -> None:
    tokenizer, x = rank(world, n_tokens=N_GENES), world.x.clone()
    first = tokenizer.order(tokenizer.measured(x))[:, 0]
    x[torch.arange(len(x)), first] = 0.0
    assert not (tokenizer.order(tokenizer.measured(x)) == first[:, None]).any()


def test_depth_alone_does_not_change_the_order(world: World) -> None:
    """Twice the counts of every gene is the same sentence: the robustness that the strategy claims."""
    tokenizer = rank(world, n_tokens=10)
    known = world.training.statistics()
    counts = torch.from_numpy(world.training.train.toarray())
    x, _ = world.training.normalise(2 * counts)
    one, two = (tokenizer.order(tokenizer.measured(cells)) for cells in (world.x, (x - known.mean) / known.std))
    assert torch.equal(one, two)


def test_order_alone_is_read_where_it_is_asked_for(world: World) -> None:
    """Values that leave the order as it is change nothing; two genes that change places do. The control reads both."""
    known = world.training.statistics()
    counts = torch.from_numpy(world.training.train.toarray())
    measured = torch.log1p(counts[:6])
    moved = measured * 1.5  # all higher, in the same order
    x, other = ((values - known.mean) / known.std for values in (measured, moved))
    swapped = x.clone()
    for row in range(6):
        first, second = rank(world, n_tokens=8, by_median=False).order(measured[[row]])[0, :2].tolist()
        a, b = measured[row, [first, second]].tolist()
        values = measured[row].clone()
        values[first], values[second] = min(a, b) * 0.9, a
        swapped[row] = (values - known.mean) / known.std
    with torch.no_grad():
        alone, valued = (rank(world, n_tokens=8, by_median=False, by_order=own) for own in (True, False))
        assert torch.equal(alone.encode(x), alone.encode(other))
        assert not torch.allclose(alone.encode(x), alone.encode(swapped))
        assert not torch.allclose(valued.encode(x), valued.encode(other))
    assert (alone.usual.diff() <= 1e-6).all()  # from the highest rank down


def test_a_sequence_says_what_it_leaves_out(world: World) -> None:
    tokenizer = rank(world, n_tokens=5, by_median=False)
    counts = world.training.train.toarray()[3]
    told = tokenizer.sequence(world.x[3])
    best = sorted(range(N_GENES), key=lambda gene: (-counts[gene], gene))[:5]
    assert told.genes == tuple(world.genes[gene] for gene in best)
    assert told.n_seen == (counts > 0).sum()
    assert told.genes_lost == pytest.approx(1 - 5 / told.n_seen)
    assert told.counts_lost == pytest.approx(1 - counts[best].sum() / counts.sum(), abs=1e-5)
    whole = rank(world, n_tokens=N_GENES).sequence(world.x[3])
    assert (whole.genes_lost, whole.counts_lost) == (0, pytest.approx(0, abs=1e-9))


def test_order_and_genes_beyond_the_last_rank_come_back(world: World, fabric: Fabric) -> None:
    """From 8 of 40 genes: the order of a cell is found again, and so is how the other genes differ between cells.

    The controls are the mean profile, and the tokens of another cell.
    """
    steps = {"tokenizer_steps": 250, "warmup": 5, "shrinkage": 0.0, "ema": 0.5, "tokenizer_learning_rate": 1e-2}
    model = tiny_model(world, "rank", "latent", **steps)
    stage = AutoencoderStage(model, world.training, model.spec.run.train, fabric=fabric, seed=0)
    for step in range(250):
        stage.train_step(step)
    tokenizer, head = model.tokenizer, model.autoencoder.head  # type: ignore[union-attr]
    assert isinstance(tokenizer, Rank)
    counts = torch.from_numpy(world.training.train.toarray())
    real = world.training.normalise(counts)[0].numpy()  # (cell, gene)
    with torch.no_grad():
        tokens = tokenizer.encode(world.x)
        own, other = (
            np.log1p(head.mean(tokenizer.decode(t), torch.full((64,), world.training.target_sum)).numpy())
            for t in (tokens, tokens.roll(1, 0))
        )
        ranked = tokenizer.order(tokenizer.measured(world.x)).numpy()
    usual = real.mean(0)

    def agreement(made: np.ndarray) -> tuple[float, float]:
        """Return the Spearman correlation over ranked genes, and the correlation of deviations of the others."""
        orders, apart, far = [], [], []
        for row, genes in enumerate(ranked):
            kept = genes[genes < N_GENES]
            orders.append(spearmanr(made[row, kept] - usual[kept], real[row, kept] - usual[kept]).statistic)
            beyond = np.setdiff1d(np.arange(N_GENES), kept)
            apart.append((made[row] - usual)[beyond])
            far.append((real[row] - usual)[beyond])
        return float(np.mean(orders)), float(np.corrcoef(np.concatenate(apart), np.concatenate(far))[0, 1])

    (order, beyond), (wrong_order, wrong_beyond) = agreement(own), agreement(other)
    assert order > 0.5 > wrong_order + 0.2
    assert beyond > 0.5 > wrong_beyond + 0.2


def test_noise_alone_decodes_to_cells(world: World) -> None:
    """In latent space tokens come from noise and carry no order of genes: decoding asks for none."""
    tokenizer = rank(world, n_tokens=6)
    tokens = torch.randn(50, 6, 4, generator=torch.Generator().manual_seed(0))
    logits = tokenizer.decode(tokens)
    assert torch.isfinite(logits).all()
    assert logits.std(0).min() > 0  # every gene, whatever was among the first of any cell
