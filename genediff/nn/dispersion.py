"""Overdispersion of counts, one number per gene, by maximum likelihood."""

from __future__ import annotations

import numpy as np
from scipy.special import gammaln

OVERDISPERSIONS = np.geomspace(1e-3, 1e2, 48)
"""The values that are tried: 0.001 is as good as Poisson; neighbours are a factor of 1.28 apart."""


def overdispersion_likelihood(counts: np.ndarray, library: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Return log L(φ) of counts with variance mean + φ mean², up to terms without φ, (value, gene).

    log L(φ) = Σ log Γ(k + 1/φ) - log Γ(1/φ) + k log(mean φ / (1 + mean φ)) - log(1 + mean φ) / φ. Cells without a
    count have the last term only, so the others are summed over counts above zero, and the last over cells grouped by
    library size.

    Parameters
    ----------
    counts
        `(cell, gene)`.
    library
        Total of each cell, `(cell,)`.
    share
        Expected share of each gene in a cell's counts, `(gene,)`.
    """
    cell, gene = np.nonzero(counts)
    k, mean = counts[cell, gene].astype(np.float64), library[cell] * share[gene]  # (count above zero,)
    levels, level = np.unique(k, return_inverse=True)  # a gamma function for each number there is, not for each count
    groups = np.array_split(np.sort(library), min(len(library), 32))
    middle, size = np.array([g.mean() for g in groups]), np.array([len(g) for g in groups])
    group_mean = middle[:, None] * share  # (library group, gene)
    likelihood = np.empty((len(OVERDISPERSIONS), len(share)))  # (value, gene)
    for i, phi in enumerate(OVERDISPERSIONS):
        there = (gammaln(levels + 1 / phi) - gammaln(1 / phi))[level] - k * np.log1p(1 / (mean * phi))
        everywhere = size @ np.log1p(group_mean * phi) / phi
        likelihood[i] = np.bincount(gene, there, minlength=len(share)) - everywhere
    return likelihood


def overdispersion_by_likelihood(counts: np.ndarray, library: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Return the overdispersion φ of each gene that makes its counts most likely, one of `OVERDISPERSIONS`, (gene,).

    Parameters are those of `overdispersion_likelihood`.
    """
    return OVERDISPERSIONS[overdispersion_likelihood(counts, library, share).argmax(0)]
