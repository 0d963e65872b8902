from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from genediff.nn.counts import Gaussian, NegativeBinomial, ZeroInflatedNegativeBinomial, log_negative_binomial

LOG_PROFILE = torch.log(torch.tensor([0.5, 0.3, 0.15, 0.05], dtype=torch.double))


def test_the_likelihood_is_scipys() -> None:
    rng = np.random.default_rng(0)
    mean, theta = rng.uniform(0.01, 30, 200), rng.uniform(0.1, 50, 200)
    counts = rng.negative_binomial(theta, theta / (theta + mean))
    counts[:100] = 0  # zeros take a path of their own
    ours = log_negative_binomial(*(torch.tensor(v, dtype=torch.double) for v in (counts, mean, theta)))
    np.testing.assert_allclose(ours.numpy(), stats.nbinom.logpmf(counts, theta, theta / (theta + mean)), rtol=1e-5)


def test_gradients_of_zeros_and_counts_are_those_of_the_plain_formula() -> None:
    counts = torch.tensor([[0.0, 3.0, 0.0, 1.0]], dtype=torch.double)
    mean = torch.tensor([[0.5, 2.0, 4.0, 0.1]], dtype=torch.double, requires_grad=True)
    theta = torch.tensor([0.5, 2.0, 8.0, 1.0], dtype=torch.double, requires_grad=True)
    assert torch.autograd.gradcheck(lambda m, th: log_negative_binomial(counts, m, th), (mean, theta))


@pytest.mark.parametrize("kind", [NegativeBinomial, ZeroInflatedNegativeBinomial])
def test_samples_have_the_moments_of_the_likelihood(kind) -> None:
    head = kind(LOG_PROFILE.clone(), ambient=False)
    with torch.no_grad():
        head.log_theta.fill_(np.log(4.0))
        if isinstance(head, ZeroInflatedNegativeBinomial):
            head.dropout.fill_(np.log(0.25 / 0.75))
    n = 40_000
    logits, library = torch.zeros(n, 4, dtype=torch.double), torch.full((n,), 40.0, dtype=torch.double)
    drawn = head.sample(logits, library, generator=torch.Generator().manual_seed(0)).double()
    kept = 0.75 if isinstance(head, ZeroInflatedNegativeBinomial) else 1.0
    mean = 40 * LOG_PROFILE.exp()
    second = kept * (mean + mean**2 / 4 + mean**2)
    torch.testing.assert_close(drawn.mean(0), kept * mean, rtol=0.03, atol=0)
    # The mean of a ZINB lacked its (1 - π): expectations and sensitivities of such models were up to 88 % too large.
    expected = head.mean(logits[:1], library[:1])[0].detach()
    torch.testing.assert_close(expected, kept * mean, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(drawn.var(0), second - (kept * mean) ** 2, rtol=0.06, atol=0)
    # …and the likelihood of what was drawn, summed over all counts, is one.
    grid = torch.arange(400, dtype=torch.double)[:, None].expand(-1, 4)
    total = head.log_prob(torch.zeros(400, 4, dtype=torch.double), torch.full((400,), 40.0), grid).exp().sum(0)
    torch.testing.assert_close(total, torch.ones(4, dtype=torch.double), rtol=1e-4, atol=0)


def test_ambient_rna_puts_a_floor_under_every_gene() -> None:
    head = NegativeBinomial(LOG_PROFILE.float())
    logits = torch.tensor([[-50.0, 0.0, 0.0, 0.0]])
    share = torch.sigmoid(head.ambient).item()
    assert head.mean(logits, torch.tensor([100.0]))[0, 0].item() == pytest.approx(100 * share * 0.5, rel=1e-4)
    assert head.mean(logits, torch.tensor([100.0])).sum().item() == pytest.approx(100, rel=1e-5)


def test_the_gaussian_head_is_scipys_with_and_without_a_limit() -> None:
    """The second gene is zero below 0.9, so its zero has the probability of all that lies there."""
    head = Gaussian(torch.tensor([1.0, 0.2]), torch.tensor([0.5, 2.0]), torch.tensor([-torch.inf, 0.9]))
    logits = torch.tensor([[0.1, -0.1], [0.1, -0.1]], requires_grad=True)
    x = torch.tensor([[1.3, 0.0], [0.0, 1.4]])
    ours = head.log_prob(logits, torch.ones(2), x)
    density = stats.norm.logpdf(x.numpy(), [[1.1, 0.1]], [[0.5, 2.0]])
    density[0, 1] = stats.norm.logcdf(0.9, 0.1, 2.0)
    np.testing.assert_allclose(ours.detach().numpy(), density, rtol=1e-5)
    ours.sum().backward()
    assert logits.grad is not None and torch.isfinite(logits.grad).all()


def test_the_gaussian_head_draws_nothing_between_zero_and_the_limit() -> None:
    """Such values told generated cells without counts from real ones with certainty (C2ST on genes 1.00)."""
    head = Gaussian(torch.tensor([1.0, 0.2]), torch.tensor([0.5, 2.0]), torch.tensor([-torch.inf, 0.9]))
    drawn = head.sample(torch.zeros(2000, 2), torch.ones(2000), generator=torch.Generator().manual_seed(0)).detach()
    assert drawn.min() == 0
    assert ((drawn[:, 1] == 0) | (drawn[:, 1] >= 0.9)).all()
    share = float((drawn[:, 1] == 0).float().mean())
    assert share == pytest.approx(stats.norm.cdf(0.9, 0.2, 2.0), abs=4 * (0.25 / 2000) ** 0.5)
