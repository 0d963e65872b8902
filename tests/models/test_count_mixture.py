from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats
from scipy.sparse import csr_matrix

from genediff.models.count_mixture import CountMixture, fit_count_mixture
from genediff.nn.dispersion import overdispersion_by_likelihood

N_GENES = 60


def _cells(profiles: np.ndarray, which: np.ndarray, *, theta: float = 3.0, seed: int = 0) -> np.ndarray:
    draw = np.random.default_rng(seed)
    library = draw.lognormal(6.5, 0.3, len(which))
    rate = profiles[which] * library[:, None] * draw.gamma(theta, 1 / theta, (len(which), profiles.shape[1]))
    return draw.poisson(rate).astype(np.float32)


@pytest.fixture(scope="module")
def profiles() -> np.ndarray:
    """Three kinds; the first two are alike but for ten genes."""
    draw = np.random.default_rng(5)
    base = draw.lognormal(0, 1, N_GENES)
    kinds = np.stack([base, base, base[::-1]])
    kinds[1, 5:15] *= 6
    return kinds / kinds.sum(1, keepdims=True)


@pytest.fixture(scope="module")
def mixture(profiles: np.ndarray) -> CountMixture:
    which = np.repeat([0, 1, 2], 400)
    return fit_count_mixture(csr_matrix(_cells(profiles, which)), which[:, None].clip(1) - 1, [2], cluster_sizes=(0,))


def test_unread_cells_have_the_closed_form_of_gamma_and_poisson(mixture: CountMixture) -> None:
    """Shares of one component after n molecules, k of a gene: m (θ + k) / (θ + n m), by a loop over genes."""
    read = torch.zeros(2, N_GENES)
    read[1, [0, 7, 7, 30]] = torch.tensor([4.0, 2, 2, 1])
    found = mixture.log_shares(read, torch.tensor([500.0, 500]), torch.tensor([[1], [1]])).exp()
    (of,) = mixture.components(torch.tensor([1])).tolist()
    mean, theta = mixture.log_mean[of].exp(), mixture.theta[of]
    for cell in range(2):
        n = float(read[cell].sum())
        rates = [float(m * (t + k) / (t + n * m)) for m, t, k in zip(mean, theta, read[cell], strict=True)]
        np.testing.assert_allclose(found[cell], np.array(rates) / sum(rates), rtol=1e-4)
    np.testing.assert_allclose(found[0], mean / mean.sum(), rtol=1e-4)  # t = 0: the profile


def test_posterior_of_several_components_is_bayes_rule(mixture: CountMixture) -> None:
    """With "no label" both conditions are possible: their weights come from the likelihood of what was read."""
    read = torch.from_numpy(_cells(np.exp(mixture.log_mean.double().numpy()), np.array([0, 1]), seed=3) // 8)
    null, library = torch.tensor([[2], [2]]), torch.tensor([600.0, 600])
    both = mixture.log_shares(read, library, null).exp()
    single = torch.stack([mixture.log_shares(read, library, torch.tensor([[c], [c]])).exp() for c in (0, 1)])
    theta, mean = mixture.theta.double(), mixture.log_mean.double().exp()
    for cell in range(2):
        m = read[cell].sum() * mean
        nb = torch.distributions.NegativeBinomial(theta, probs=m / (m + theta)).log_prob(read[cell].double()).sum(1)
        log_l = torch.log(mixture.library.std(1).clamp(min=0.05))
        z = (np.log(600) - mixture.library.mean(1)) / mixture.library.std(1).clamp(min=0.05)
        weight = torch.softmax(nb + mixture.weight.log() - log_l - 0.5 * z**2, 0)
        codes = mixture.codes[:, 0]
        expected = sum(weight[k] * single[codes[k], cell] for k in range(2))
        np.testing.assert_allclose(both[cell], expected, rtol=2e-3)


def test_marginals_are_those_of_independent_genes(mixture: CountMixture) -> None:
    """At a fixed library L totals are L, and genes below 1 % of it have the mean and variance of their NB."""
    library = torch.full((20_000,), 700.0)
    cells = mixture.generate(np.ones((20_000, 1), dtype=int), seed=2, library=library).toarray()
    assert (cells.sum(1) == 700).all()
    (of,) = mixture.components(torch.tensor([1])).tolist()
    mean = 700 * mixture.log_mean[of].exp().numpy()
    variance = mean + mean**2 / mixture.theta[of].numpy()
    small = mean < 7
    assert small.sum() > 15
    np.testing.assert_allclose(cells.mean(0)[small], mean[small], rtol=0.06)
    np.testing.assert_allclose(cells.var(0)[small], variance[small], rtol=0.1)


def test_permuting_genes_permutes_the_output(mixture: CountMixture) -> None:
    order = torch.randperm(N_GENES, generator=torch.Generator().manual_seed(1))
    permuted = CountMixture([2], N_GENES)
    permuted.load_state_dict(mixture.state_dict())
    permuted.log_mean, permuted.theta = mixture.log_mean[:, order], mixture.theta[:, order]
    read = torch.poisson(torch.full((4, N_GENES), 0.4), generator=torch.Generator().manual_seed(2))
    codes, library = torch.tensor([[0], [1], [2], [2]]), torch.full((4,), 400.0)
    found, expected = permuted.log_shares(read[:, order], library, codes), mixture.log_shares(read, library, codes)
    torch.testing.assert_close(found, expected[:, order], atol=1e-4, rtol=1e-4)  # sums in another order, in 32 bits


def test_an_empty_mixture_takes_the_weights_of_a_fitted_one(mixture: CountMixture) -> None:
    empty = CountMixture([2], N_GENES)
    empty.load_state_dict(mixture.state_dict())
    codes = np.array([[0], [1], [2], [2]])
    assert (empty.generate(codes, seed=1) != mixture.generate(codes, seed=1)).nnz == 0
    assert (empty.generate(codes, seed=2) != mixture.generate(codes, seed=1)).nnz > 0


def test_held_out_cells_decide_how_finely_a_condition_is_clustered(profiles: np.ndarray) -> None:
    """A condition of two sub-types is split, and held-out cells are likelier for it; the other loses nothing."""
    which = np.repeat([0, 1, 2], 300)
    codes = which[:, None].clip(1) - 1
    train, held = csr_matrix(_cells(profiles, which)), csr_matrix(_cells(profiles, which, seed=9))
    split = fit_count_mixture(train, codes, [2], held_out=held, held_out_codes=codes)
    single = fit_count_mixture(train, codes, [2], cluster_sizes=(0,))
    assert int((split.codes[:, 0] == 0).sum()) > 1
    counts, asked = torch.from_numpy(held.toarray()), torch.from_numpy(codes)
    gain = split.log_likelihood(counts, asked) - single.log_likelihood(counts, asked)
    assert gain[:600].mean() > 3 * gain[:600].std() / 600**0.5
    assert gain[600:].mean() > -0.5
    without = fit_count_mixture(train, codes, [2])  # holds out every fifth training cell
    assert int((without.codes[:, 0] == 0).sum()) > 1


def test_library_sizes_come_with_their_condition(profiles: np.ndarray) -> None:
    which = np.repeat([0, 2], 500)
    counts = _cells(profiles, which)
    counts[500:] = np.random.default_rng(0).binomial(counts[500:].astype(int), 0.2)
    codes = (which[:, None] > 0).astype(int)
    fitted = fit_count_mixture(csr_matrix(counts), codes, [2], cluster_sizes=(0,))
    drawn = np.asarray(fitted.generate(codes, seed=0).sum(1)).ravel()
    for rows in (slice(0, 500), slice(500, 1000)):
        np.testing.assert_allclose(
            np.quantile(drawn[rows], [0.1, 0.5, 0.9]), np.quantile(counts[rows].sum(1), [0.1, 0.5, 0.9]), rtol=0.1
        )


def test_a_combination_without_training_cells_takes_the_nearest(profiles: np.ndarray) -> None:
    which = np.repeat([0, 1, 2], 50)
    codes = np.array([[0, 0], [0, 1], [1, 0]])[which]
    fitted = fit_count_mixture(csr_matrix(_cells(profiles, which)), codes, [2, 2], cluster_sizes=(0,))
    of = fitted.components(torch.tensor([1, 1]))
    assert sorted(map(tuple, fitted.codes[of].tolist())) == [(0, 1), (1, 0)]
    assert fitted.generate(np.array([[1, 1]]), seed=0).sum() > 0


def test_dispersions_are_those_of_the_baseline_of_independent_genes(profiles: np.ndarray) -> None:
    counts = _cells(profiles, np.zeros(800, dtype=int), theta=2.0)
    fitted = fit_count_mixture(csr_matrix(counts), np.zeros((800, 0)), [], cluster_sizes=(0,))
    library = counts.sum(1)
    expected = overdispersion_by_likelihood(counts, library, fitted.log_mean[0].double().exp().numpy())
    np.testing.assert_allclose(fitted.theta[0].numpy(), 1 / expected, rtol=1e-5)


def test_likelihood_of_a_cell_is_that_of_scipy_also_without_conditions(profiles: np.ndarray) -> None:
    counts = _cells(profiles, np.zeros(200, dtype=int))
    fitted = fit_count_mixture(csr_matrix(counts), np.zeros((200, 0)), [], cluster_sizes=(0,))
    found = fitted.log_likelihood(torch.from_numpy(counts[:5]), torch.zeros(5, 0, dtype=torch.long))
    mean, theta = fitted.log_mean[0].double().exp().numpy(), fitted.theta[0].double().numpy()
    for cell, value in zip(counts[:5], found, strict=True):
        expected = stats.nbinom.logpmf(cell, theta, theta / (theta + cell.sum() * mean)).sum()
        np.testing.assert_allclose(float(value), expected, rtol=1e-4)
