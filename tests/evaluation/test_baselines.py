from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from scipy import optimize, stats

from genediff.errors import InputError
from genediff.evaluation import CopiedCells, IndependentGenes, make_baseline
from genediff.evaluation.baselines import overdispersion_by_likelihood, overdispersion_by_moments
from genediff.evaluation.vae import VAEBaseline, VAEConfig, _log_nb

if TYPE_CHECKING:
    from genediff.data import Dataset


def _asked(n: int) -> pd.DataFrame:
    return pd.DataFrame({"type": np.repeat(["alpha", "gamma"], n)})


def test_overdispersion_is_that_of_a_general_optimiser() -> None:
    rng = np.random.default_rng(0)
    library = rng.lognormal(6, 0.3, 400)
    share = np.array([0.002, 0.01, 0.05])
    true = np.array([1.0, 0.5, 2.0])
    mean = library[:, None] * share
    counts = rng.poisson(mean * rng.gamma(1 / true, true, mean.shape)).astype(np.float32)
    found = overdispersion_by_likelihood(counts, library, share)
    for gene in range(3):

        def loss(log_phi: float, gene: int = gene) -> float:
            r = np.exp(-log_phi)
            return -stats.nbinom.logpmf(counts[:, gene], r, r / (r + mean[:, gene])).sum()

        best = np.exp(optimize.minimize_scalar(loss, bounds=(-6, 4), method="bounded").x)
        assert found[gene] == pytest.approx(best, rel=0.15)  # half a step of the grid
    np.testing.assert_allclose(overdispersion_by_moments(counts, library, share), true, rtol=0.5)


def test_genes_drawn_one_by_one_keep_means_and_lose_correlations(simulated: Dataset) -> None:
    cells = IndependentGenes().fit(simulated, label="type").generate(_asked(1500), seed=0)
    codes = simulated.codes("type", "train")
    for name, code in (("alpha", 0), ("gamma", 2)):
        made = cells.X[(cells.obs["type"] == name).to_numpy()].toarray()
        real = simulated.counts("train")[codes == code].toarray()
        np.testing.assert_allclose(made.mean(0), real.mean(0), rtol=0.5, atol=0.15)
        links = np.abs(np.corrcoef(np.log1p(real.T)))[np.triu_indices(real.shape[1], 1)]
        strong = np.argsort(-links)[:50]
        made_links = np.abs(np.corrcoef(np.log1p(made.T)))[np.triu_indices(real.shape[1], 1)]
        assert made_links[strong].mean() < 0.4 * links[strong].mean()


def test_without_counts_values_are_gaussian_with_zeros(without_counts: Dataset) -> None:
    cells = IndependentGenes().fit(without_counts, label="type").generate(_asked(1500), seed=0)
    made = cells.X[:1500].toarray()
    real = without_counts.x("train")[without_counts.codes("type", "train") == 0].toarray()
    np.testing.assert_allclose((made == 0).mean(0), (real == 0).mean(0), atol=0.05)
    np.testing.assert_allclose(made.mean(0), real.mean(0), atol=0.1)
    assert made.min() >= 0


def test_copies_are_training_cells_of_the_label_each_once(simulated: Dataset) -> None:
    cells = CopiedCells().fit(simulated, label="type").generate(_asked(20), seed=0)
    training = {tuple(row) for row in simulated.counts("train")[simulated.codes("type", "train") == 2].toarray()}
    copies = [tuple(row) for row in cells.X[20:].toarray()]
    assert set(copies) <= training
    assert len(set(copies)) == 20


def test_unknown_names_say_what_is_known(simulated: Dataset) -> None:
    with pytest.raises(InputError, match="independent_nb"):
        make_baseline("gan")
    with pytest.raises(InputError, match="alpha, beta, gamma"):
        CopiedCells().fit(simulated, label="type").generate(pd.DataFrame({"type": ["delta"]}))


def test_the_vae_learns_types_and_draws_whole_counts(simulated: Dataset) -> None:
    vae = VAEBaseline(VAEConfig(n_steps=300)).fit(simulated, label="type", seed=0)
    cells = vae.generate(_asked(300), seed=0)
    made = cells.X.toarray()
    assert (made == np.rint(made)).all() and made.min() >= 0
    again = VAEBaseline(VAEConfig(n_steps=300)).fit(simulated, label="type", seed=0).generate(_asked(300), seed=0)
    np.testing.assert_array_equal(again.X.toarray(), made)
    codes = simulated.codes("type", "train")
    real = [np.log1p(simulated.counts("train")[codes == code].toarray()).mean(0) for code in (0, 2)]
    for i in range(2):
        mine = np.log1p(made[300 * i : 300 * (i + 1)]).mean(0)
        assert np.corrcoef(mine, real[i])[0, 1] > np.corrcoef(mine, real[1 - i])[0, 1] + 0.1


def test_the_vae_likelihood_is_scipys_negative_binomial() -> None:
    import torch

    counts, mean, theta = torch.tensor([0.0, 1, 7, 30]), torch.tensor([0.2, 3, 5, 20]), torch.tensor([0.5, 2, 9, 1])
    expected = stats.nbinom.logpmf(counts.numpy(), theta.numpy(), (theta / (theta + mean)).numpy())
    np.testing.assert_allclose(_log_nb(counts, mean, theta).numpy(), expected, rtol=1e-4)
