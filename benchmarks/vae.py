"""A class-conditional variational autoencoder after scVI, sampled from its prior: the usual deep baseline."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from genediff.core.errors import InputError
from genediff.evaluation.baseline import Baseline

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

    from genediff.data.cells.dataset import CellRows


@dataclass(frozen=True)
class VAEConfig:
    """scVI's defaults, but for `kl_warm_up` and `n_steps`, which fit a minute.

    Parameters
    ----------
    n_hidden, n_latent
        Width of the one hidden layer of encoder and decoder, and of the latent vector.
    n_steps, batch_size, learning_rate
        Of Adam.
    kl_warm_up
        Share of the steps over which the weight of the KL term rises from 0 to 1. scVI's rises over 400 epochs, so
        that short runs never learn the prior they are sampled from.
    """

    n_hidden: int = 128
    n_latent: int = 10
    n_steps: int = 1500
    batch_size: int = 128
    learning_rate: float = 1e-3
    kl_warm_up: float = 0.5


class _VAE(nn.Module):
    def __init__(self, n_genes: int, n_classes: int, config: VAEConfig) -> None:
        super().__init__()
        self.n_classes = n_classes
        self.encoder = _layer(n_genes, config.n_hidden, dropout=0.1)
        self.mean = nn.Linear(config.n_hidden, config.n_latent)
        self.log_variance = nn.Linear(config.n_hidden, config.n_latent)
        self.decoder = _layer(config.n_latent + n_classes, config.n_hidden, dropout=0.0)
        self.share = nn.Linear(config.n_hidden, n_genes)
        self.log_inverse_dispersion = nn.Parameter(torch.randn(n_genes))  # (gene,), log θ

    def shares(self, z: Tensor, codes: Tensor) -> Tensor:
        classes = functional.one_hot(codes, self.n_classes).float()  # (cell, class)
        hidden = self.decoder(torch.cat([z, classes], dim=1))  # (cell, hidden)
        return functional.softmax(self.share(hidden), dim=1)  # (cell, gene)

    def loss(self, counts: Tensor, codes: Tensor, kl_weight: float, generator: torch.Generator) -> Tensor:
        hidden = self.encoder(torch.log1p(counts))
        mean, log_variance = self.mean(hidden), self.log_variance(hidden).clamp(-10, 10)  # (cell, latent)
        noise = torch.randn(mean.shape, generator=generator)
        z = mean + noise * torch.exp(log_variance / 2)
        expected = counts.sum(1, keepdim=True) * self.shares(z, codes)  # (cell, gene)
        kl = (mean**2 + log_variance.exp() - 1 - log_variance).sum(1) / 2  # (cell,)
        return (kl_weight * kl - _log_nb(counts, expected, self.log_inverse_dispersion.exp()).sum(1)).mean()


class VAEBaseline(Baseline):
    """scVI's architecture of our own, given the label, sampled from N(0, I) with library sizes of training cells.

    References
    ----------
    Lopez et al., Deep generative modeling for single-cell transcriptomics, Nature Methods 2018.
    """

    title = "VAE (scVI-like)"

    def __init__(self, config: VAEConfig | None = None) -> None:
        self.config = config or VAEConfig()

    def _fit(self, counts: csr_matrix | CellRows, rows: dict[int, np.ndarray], seed: int) -> None:
        if not self.dataset.info.has_counts:
            raise InputError("The VAE baseline needs counts, and this data set has none.")
        codes = torch.zeros(counts.shape[0], dtype=torch.int64)
        for code, of_class in rows.items():
            codes[torch.from_numpy(of_class)] = max(code, 0)
        labelled = torch.from_numpy(np.sort(np.concatenate(list(rows.values()))))
        starts = range(0, counts.shape[0], 4096)
        library = np.concatenate([np.ravel(counts[start : start + 4096].sum(1)) for start in starts])  # (cell,)
        self.libraries = {code: library[r] for code, r in rows.items()}
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)  # initial weights and dropout draw from the global generator; forked, so no trace
            self.model = _VAE(counts.shape[1], max(len(self.names), 1), self.config)
            self._train(counts, labelled, codes[labelled], torch.Generator().manual_seed(seed))

    def _draw(self, code: int, n: int, rng: np.random.Generator) -> np.ndarray:
        theta = self.model.log_inverse_dispersion.exp().detach().numpy().astype(np.float64)  # (gene,)
        z = torch.from_numpy(rng.standard_normal((n, self.config.n_latent)).astype(np.float32))
        with torch.no_grad():
            share = self.model.shares(z, torch.full((n,), max(code, 0))).numpy()  # (cell, gene)
        mean = rng.choice(self.libraries[code], n)[:, None] * share
        return rng.poisson(rng.gamma(theta, 1 / theta, size=mean.shape) * mean)

    def _train(self, counts: csr_matrix | CellRows, rows: Tensor, codes: Tensor, generator: torch.Generator) -> None:
        config = self.config
        optimiser = torch.optim.Adam(self.model.parameters(), lr=config.learning_rate, eps=0.01, weight_decay=1e-6)
        self.model.train()
        for step in range(config.n_steps):
            # Sampled with replacement: batches stay full, which batch normalisation needs.
            batch = torch.randint(len(rows), (config.batch_size,), generator=generator)
            own = torch.from_numpy(counts[rows[batch].numpy()].toarray().astype(np.float32))  # (cell, gene)
            weight = min(1.0, step / max(1.0, config.kl_warm_up * config.n_steps))
            loss = self.model.loss(own, codes[batch], weight, generator)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        self.model.eval()


def _layer(n_in: int, n_out: int, *, dropout: float) -> nn.Sequential:
    norm = nn.BatchNorm1d(n_out, momentum=0.01, eps=1e-3)
    return nn.Sequential(nn.Linear(n_in, n_out), norm, nn.ReLU(), nn.Dropout(dropout))


def _log_nb(counts: Tensor, mean: Tensor, theta: Tensor) -> Tensor:
    """Log-likelihood of NB with mean and inverse dispersion θ: variance = mean + mean² / θ; `(cell, gene)`."""
    eps = 1e-8
    log_sum = torch.log(theta + mean + eps)
    return (
        theta * (torch.log(theta + eps) - log_sum)
        + counts * (torch.log(mean + eps) - log_sum)
        + torch.lgamma(counts + theta)
        - torch.lgamma(theta)
        - torch.lgamma(counts + 1)
    )
