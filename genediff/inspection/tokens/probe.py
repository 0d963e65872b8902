"""Some cells on which a trained model is asked what it would say if a token were another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from genediff.models.count_denoiser import CountDenoiser
from genediff.models.denoiser import GeneDenoiser

if TYPE_CHECKING:
    from torch import Tensor

    from genediff.inspection.tokens.inspected_cells import ReadCells
    from genediff.models.generative_model import GenerativeModel

MIDDLE = 0.5


@dataclass(frozen=True, eq=False)
class Probe:
    """Tokens of some cells (cell, token, channel), as they stand before what turns them into genes.

    In latent space these are a cell's tokens, and the decoder turns them into genes. In gene space tokens never stand
    for a clean cell: they are taken in the middle of denoising (t = 0.5, noise of a fixed seed, without label), and
    backbone and decoder turn them into genes, as in every step of generation.
    """

    model: GenerativeModel
    tokens: Tensor
    library: Tensor
    counts: Tensor | None = None

    @classmethod
    @torch.no_grad()
    def of(cls, cells: ReadCells, rows: np.ndarray, *, seed: int = 0) -> Probe:
        """Take these cells."""
        model = cells.model
        x, library = cells.block(rows)
        if model.in_latent_space:
            return cls(model, model.tokenizer.encode(x), library)
        if model.in_count_space:  # whole cells, as they were read to their end
            level = torch.expm1((x * model.std + model.mean).clamp(min=0)) / model.spec.target_sum
            counts = torch.round(level * library[:, None])  # (cell, gene)
            return cls(model, model.tokens_of(counts), library, counts)
        noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(seed)).to(x.device)
        c = model.objective.path(torch.full((len(x), 1), MIDDLE, device=x.device))
        return cls(model, model.tokenizer.encode(c.alpha * x + c.sigma * noise), library)

    @torch.no_grad()
    def expected(self, tokens: Tensor) -> Tensor:
        """Return the log-normalised expression (cell, gene) that is expected for other tokens of these cells."""
        model = self.model
        if model.autoencoder is not None:
            mean = model.autoencoder.head.mean(model.tokenizer.decode(tokens), self.library)  # (cell, gene)
            return model.log_normalise(mean, self.library)
        if isinstance(model.denoiser, CountDenoiser):
            assert self.counts is not None
            shares = model.denoiser.shares_of(tokens, self.counts, self.library, model.null.expand(len(tokens), -1))
            return torch.log1p(model.spec.target_sum * shares)
        assert isinstance(model.denoiser, GeneDenoiser)
        t = tokens.new_full((len(tokens),), MIDDLE)
        library = MIDDLE * model.standardise_library(self.library)
        moved, _ = model.denoiser.backbone(tokens, library, t, model.null.expand(len(tokens), -1))
        return model.tokenizer.decode(moved) * model.std + model.mean


def some_rows(n_cells: int, most: int, *, seed: int = 0) -> np.ndarray:
    """Return up to ``most`` of the numbers below ``n_cells``, sorted, the same for the same seed."""
    if n_cells <= most:
        return np.arange(n_cells)
    return np.sort(np.random.default_rng(seed).choice(n_cells, size=most, replace=False))
