"""Fréchet distance between the Gaussians fitted to two sets of cells."""

from __future__ import annotations

import numpy as np
from scipy import linalg


def frechet_distance(generated: np.ndarray, real: np.ndarray) -> float:
    """Squared 2-Wasserstein distance between the Gaussians fitted to the two sets, as in FID.

    ‖μ_g - μ_r‖² + tr(Σ_g + Σ_r - 2 (Σ_g Σ_r)^½): sees means and covariances, nothing finer. Biased upwards for few
    cells, so read it beside the floor.

    Parameters
    ----------
    generated, real
        `(cell, feature)`.

    Returns
    -------
    float
        0 or more, in squared units of the features.

    Raises
    ------
    ValueError
        When a side has fewer than two cells.

    References
    ----------
    Heusel et al., GANs trained by a two time-scale update rule, NeurIPS 2017, equation 6.
    """
    if min(len(generated), len(real)) < 2:
        raise ValueError(f"each side needs at least 2 cells, got {len(generated)} and {len(real)}")
    generated, real = generated.astype(np.float64), real.astype(np.float64)
    shift = generated.mean(0) - real.mean(0)  # (feature,)
    cov_g = np.atleast_2d(np.cov(generated, rowvar=False))  # (feature, feature)
    cov_r = np.atleast_2d(np.cov(real, rowvar=False))
    # tr (Σ_g Σ_r)^½ is the sum of the singular values of Σ_g^½ Σ_r^½, which stays real for singular covariances.
    overlap = linalg.svdvals(_root(cov_g) @ _root(cov_r)).sum()
    return float(max(shift @ shift + np.trace(cov_g) + np.trace(cov_r) - 2 * overlap, 0.0))


def _root(covariance: np.ndarray) -> np.ndarray:
    values, vectors = np.linalg.eigh(covariance)
    return (vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.T
