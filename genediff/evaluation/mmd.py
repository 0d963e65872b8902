"""Maximum mean discrepancy with Gaussian kernels."""

from __future__ import annotations

import numpy as np
from scipy.spatial.distance import cdist, pdist

FACTORS = (0.5, 1.0, 2.0, 4.0)


def median_distance(cells: np.ndarray, *, max_cells: int = 1000, seed: int = 0) -> float:
    """Median distance between two cells, the usual kernel width; call it on training cells.

    Parameters
    ----------
    cells
        `(cell, feature)`.
    max_cells
        A random sample of so many is enough.
    seed
        Of that sample.
    """
    if len(cells) > max_cells:
        cells = cells[np.random.default_rng(seed).choice(len(cells), max_cells, replace=False)]
    return float(np.median(pdist(cells)))


def unbiased_mmd2(generated: np.ndarray, real: np.ndarray, *, bandwidth: float) -> float:
    """Unbiased squared MMD, the mean over Gaussian kernels of width `bandwidth` times 0.5, 1, 2 and 4.

    With k(a, b) = exp(-‖a - b‖² / 2σ²): mean of k over pairs of different generated cells, plus the same for real
    cells, minus twice the mean over generated-real pairs. Its expectation is 0 for one and the same distribution,
    so it may be slightly negative.

    Parameters
    ----------
    generated, real
        `(cell, feature)`.
    bandwidth
        Median distance of training cells.

    Raises
    ------
    ValueError
        When a side has fewer than two cells, or the bandwidth is not positive.

    References
    ----------
    Gretton et al., A kernel two-sample test, JMLR 2012, equation 3.
    """
    if min(len(generated), len(real)) < 2:
        raise ValueError(f"each side needs at least 2 cells, got {len(generated)} and {len(real)}")
    if not bandwidth > 0:
        raise ValueError(f"bandwidth must be positive, got {bandwidth}")
    gg = cdist(generated, generated, "sqeuclidean")  # (generated, generated)
    rr = cdist(real, real, "sqeuclidean")  # (real, real)
    gr = cdist(generated, real, "sqeuclidean")  # (generated, real)
    values = []
    for factor in FACTORS:
        scale = -1 / (2 * (bandwidth * factor) ** 2)
        values.append(_off_diagonal(gg, scale) + _off_diagonal(rr, scale) - 2 * np.exp(gr * scale).mean())
    return float(np.mean(values))


def _off_diagonal(squared: np.ndarray, scale: float) -> float:
    n = len(squared)
    return float((np.exp(squared * scale).sum() - n) / (n * (n - 1)))
