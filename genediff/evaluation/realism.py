"""Do generated cells look like counts from a sequencer: means, variances, zeros, library sizes, gene pairs."""

from __future__ import annotations

import numpy as np
from scipy.stats import ks_2samp

MIN_CELLS_EXPRESSING = 10


def mean_error(generated: np.ndarray, real: np.ndarray) -> float:
    """Mean over genes of the absolute difference between mean log-normalised expressions.

    Parameters
    ----------
    generated, real
        Log-normalised expression, `(cell, gene)`.
    """
    return float(np.abs(_mean(generated) - _mean(real)).mean())


def variance_error(generated: np.ndarray, real: np.ndarray) -> float:
    """Median over genes of the absolute log2 ratio of the variances of counts; 1 means wrong by a factor of two.

    Only genes that at least ten real cells express (or a tenth of them, where there are fewer than a hundred) are
    counted. One part in a hundred of the real variance is added to both so that a gene that is never generated
    counts as far too quiet, not as infinitely so.

    Parameters
    ----------
    generated, real
        Counts, `(cell, gene)`.

    Returns
    -------
    float
        0 or more; NaN when no gene is expressed enough.
    """
    expressed = (real > 0).sum(0) >= min(MIN_CELLS_EXPRESSING, max(2, len(real) // 10))  # (gene,)
    if not expressed.any():
        return float("nan")
    var_g = generated[:, expressed].astype(np.float64).var(0)  # (expressed gene,)
    var_r = real[:, expressed].astype(np.float64).var(0)
    small = var_r / 100
    return float(np.median(np.abs(np.log2((var_g + small) / (var_r + small)))))


def zero_error(generated: np.ndarray, real: np.ndarray) -> float:
    """Mean over genes of the absolute difference between the shares of cells with no count.

    Parameters
    ----------
    generated, real
        Counts, `(cell, gene)`.
    """
    return float(np.abs((generated == 0).mean(0) - (real == 0).mean(0)).mean())


def library_ks(generated: np.ndarray, real: np.ndarray) -> float:
    """Kolmogorov-Smirnov distance between library sizes (total counts per cell over the chosen genes), 0 to 1.

    Parameters
    ----------
    generated, real
        Counts, `(cell, gene)`.
    """
    return float(ks_2samp(generated.sum(1, dtype=np.float64), real.sum(1, dtype=np.float64)).statistic)


def detected_ks(generated: np.ndarray, real: np.ndarray) -> float:
    """Kolmogorov-Smirnov distance between the numbers of genes detected per cell, 0 to 1.

    Parameters
    ----------
    generated, real
        Counts, `(cell, gene)`.
    """
    return float(ks_2samp((generated > 0).sum(1), (real > 0).sum(1)).statistic)


def correlation_error(generated: np.ndarray, real: np.ndarray) -> float:
    """Mean absolute difference between gene-gene Pearson correlations, over all pairs of genes real cells vary in.

    A gene that is constant among the generated cells counts as uncorrelated. Two samples of n cells differ by about
    1.1 / √n from chance alone, so read it beside the floor.

    Parameters
    ----------
    generated, real
        Log-normalised expression, `(cell, gene)`.

    Returns
    -------
    float
        0 to 2; NaN when fewer than two genes vary.
    """
    varying = real.std(0) > 0  # (gene,)
    n_genes = int(varying.sum())
    if n_genes < 2:
        return float("nan")
    difference = np.abs(_correlation(generated[:, varying]) - _correlation(real[:, varying]))  # (gene, gene)
    np.fill_diagonal(difference, 0)
    return float(difference.sum(dtype=np.float64) / (n_genes * (n_genes - 1)))


def centred_by(x: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Return expression ``(cell, gene)`` less the mean of the cell's label; codes are ``(cell,)``."""
    centred = x.astype(np.float32, copy=True)
    for code in np.unique(codes):
        centred[codes == code] -= _mean(x[codes == code])
    return centred


def _mean(x: np.ndarray) -> np.ndarray:
    return x.mean(0, dtype=np.float64)


def _correlation(x: np.ndarray) -> np.ndarray:
    centred = x - _mean(x)
    norm = np.sqrt((centred**2).sum(0))  # (gene,)
    unit = np.divide(centred, norm, out=np.zeros_like(centred), where=norm > 1e-8).astype(np.float32)
    return unit.T @ unit  # (gene, gene)
