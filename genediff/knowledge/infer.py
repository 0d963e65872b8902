"""A network from the cells themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from genediff.core.errors import InputError
from genediff.knowledge.network import Network

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_RIDGE = 0.1
_BLOCK = 500
_MAX_CELLS = 50_000
_MAX_REGULATORS = 2000
_FEWEST_KNOWN = 3


def infer_network(
    x: Any,
    genes: Sequence[str],
    n_edges: int,
    *,
    regulators: Sequence[str],
    seed: int = 0,
    progress: Callable[[float, str], None] | None = None,
) -> Network:
    """Find the strongest edges from regulators to genes in cells.

    Every gene is regressed on all regulators together (ridge), so that a regulator which only goes along with another
    gets little. The size of each coefficient is compared with the others of its gene and of its regulator
    (``in_context``), so that neither busy genes nor busy regulators fill the list. On planted networks this finds more
    than trees (GENIE3) do, in a small part of their time; ``benchmarks/network_inference.md`` has the figures. Edges
    from expression alone are guesses about regulation: they say what goes along, not what acts.

    Parameters
    ----------
    x
        Log-normalised expression of training cells (cell, gene), sparse or dense; at most 50,000 cells are looked at.
    genes
        Names of its columns.
    n_edges
        How many edges, the strongest first.
    regulators
        Genes that may act on others, such as transcription factors; case is ignored where that finds more (mouse). If
        fewer than 3 are among the genes, every gene may (the 2,000 most variable).
    seed
        Decides which cells are looked at, where there are more.
    progress
        Told (share done, what is being done).

    Returns
    -------
    Network
        With ``weight`` from 0 to 1 and the sign of the coefficient.

    Raises
    ------
    InputError
        When there are fewer than 10 cells, or no two genes that vary.
    """
    if n_edges < 1:
        raise InputError(f"{n_edges} edges cannot be inferred; choose 1 or more.")
    if x.shape[0] < 10:
        raise InputError(f"A network cannot be inferred from {x.shape[0]} cells; at least 10 are needed.")
    matrix = _some_cells(sp.csr_matrix(x, dtype=np.float64), seed)
    mean, spread = _moments(matrix)
    acting, said = _acting(genes, regulators, spread)
    covariance = _covariance(matrix, acting, mean, progress)  # (regulator, gene)
    scale = np.where(spread > 0, spread, np.inf)
    weights = ridge_weights(covariance / scale[acting][:, None] / scale, acting)
    score = in_context(np.abs(weights), acting)
    return _network(score, weights, acting, genes, n_edges, said)


def ridge_weights(correlation: np.ndarray, acting: np.ndarray, *, ridge: float = _RIDGE) -> np.ndarray:
    """Return coefficients (regulator, gene) of standardised genes on all regulators: (C + ridge I)⁻¹ C_g.

    A gene that is itself a regulator is regressed on the others; that coefficient is -P_ij / P_jj with the same
    inverse P, and its own is 0.

    Parameters
    ----------
    correlation
        Of regulators with genes, (regulator, gene).
    acting
        Positions of the regulators among the genes, (regulator,).
    """
    precision = np.linalg.inv(correlation[:, acting] + ridge * np.eye(len(acting)))  # (regulator, regulator)
    weights = precision @ correlation  # (regulator, gene)
    weights[:, acting] = -precision / np.diag(precision)
    weights[np.arange(len(acting)), acting] = 0.0
    return weights


def in_context(score: np.ndarray, acting: np.ndarray) -> np.ndarray:
    """Return how far each score stands out among those of its gene and of its regulator: √(z_gene² + z_regulator²).

    z below 0 count as 0; a gene with itself is left out. Context likelihood of relatedness, Faith et al. 2007,
    doi:10.1371/journal.pbio.0050008, equation 1 of its methods.
    """
    masked = score.copy()
    masked[np.arange(len(acting)), acting] = np.nan
    total = np.zeros_like(score)
    for axis in (0, 1):
        count = np.maximum((~np.isnan(masked)).sum(axis=axis, keepdims=True), 1)
        mean = np.nansum(masked, axis=axis, keepdims=True) / count
        spread = np.sqrt(np.nansum((masked - mean) ** 2, axis=axis, keepdims=True) / count)
        z = (masked - mean) / np.where(spread > 1e-12, spread, np.inf)
        total += np.maximum(np.nan_to_num(z, nan=0.0), 0.0) ** 2
    return np.sqrt(total)


def _some_cells(matrix: sp.csr_matrix, seed: int) -> sp.csr_matrix:
    if matrix.shape[0] <= _MAX_CELLS:
        return matrix
    chosen = np.random.default_rng(seed).choice(matrix.shape[0], _MAX_CELLS, replace=False)
    return matrix[np.sort(chosen)]


def _moments(matrix: sp.csr_matrix) -> tuple[np.ndarray, np.ndarray]:
    mean = np.asarray(matrix.mean(axis=0)).ravel()
    square = np.asarray(matrix.multiply(matrix).mean(axis=0)).ravel()
    variance = square - mean**2
    # Below this, a constant gene is told from a varying one by rounding alone.
    return mean, np.sqrt(np.where(variance > 1e-10 * np.maximum(square, 1e-12), variance, 0.0))


def _acting(genes: Sequence[str], regulators: Sequence[str], spread: np.ndarray) -> tuple[np.ndarray, str]:
    """Return the positions of the genes that may act on others, and who they are in words."""
    varying = spread > 0
    if varying.sum() < 2:
        raise InputError("A network cannot be inferred: fewer than two genes vary between these cells.")
    exact, capitals = set(regulators), {name.upper() for name in regulators}
    as_written = np.array([gene in exact for gene in genes]) & varying
    any_case = np.array([gene.upper() in capitals for gene in genes]) & varying
    known = any_case if any_case.sum() > 2 * as_written.sum() else as_written
    if known.sum() >= _FEWEST_KNOWN:
        return np.flatnonzero(known), f"{known.sum():,} known regulators"
    strongest = np.argsort(-spread, kind="stable")[: min(_MAX_REGULATORS, int(varying.sum()))]
    return np.sort(strongest), f"any of {len(strongest):,} genes, as too few known regulators are among them"


def _covariance(
    matrix: sp.csr_matrix, acting: np.ndarray, mean: np.ndarray, progress: Callable[[float, str], None] | None
) -> np.ndarray:
    """Sum products of regulators and genes over blocks of cells: (regulator, gene)."""
    total = np.zeros((len(acting), matrix.shape[1]))
    for start in range(0, matrix.shape[0], _BLOCK):
        if progress is not None:
            progress(start / matrix.shape[0], "Inferring a network")
        block = matrix[start : start + _BLOCK]
        total += block[:, acting].T @ block.toarray()
    return total / matrix.shape[0] - np.outer(mean[acting], mean)


def _network(
    score: np.ndarray, weights: np.ndarray, acting: np.ndarray, genes: Sequence[str], n_edges: int, said: str
) -> Network:
    flat = score.ravel()
    best = np.argsort(-flat, kind="stable")[:n_edges]
    best = best[flat[best] > 0]
    if len(best) == 0:
        raise InputError("A network cannot be inferred: no gene goes along with a regulator in these cells.")
    rows, columns = np.unravel_index(best, score.shape)
    names = np.asarray(genes, dtype=object)
    edges = pd.DataFrame(
        {
            "source": names[acting[rows]],
            "target": names[columns],
            "weight": flat[best] / flat[best[0]],
            "sign": np.sign(weights[rows, columns]).astype(np.int8),
        }
    )
    return Network(f"{len(edges):,} edges from these cells", edges, f"ridge regression of the training cells on {said}")
