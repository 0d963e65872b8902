"""Principal components of training cells; everything else is projected on them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.linalg import eigh
from scipy.sparse.linalg import LinearOperator, svds

if TYPE_CHECKING:
    from collections.abc import Callable

    import scipy.sparse as sp

_BLOCK = 4096
_WIDE = 5000
"""Above this many genes their covariance (genes x genes) is not formed."""
_FEW_ENTRIES = 5_000_000
"""Below this many stored values, products with the sparse matrix are cheaper than the covariance."""


@dataclass(frozen=True, eq=False)
class PCA:
    """``mean`` (gene,) of training cells, ``components`` (pc, gene) of unit length, ``explained`` share (pc,)."""

    mean: np.ndarray
    components: np.ndarray
    explained: np.ndarray

    def project(self, x: Any) -> np.ndarray:
        """Project log-normalised cells: ``(x - train mean) @ components.T``.

        Parameters
        ----------
        x
            Dense or sparse (cell, gene).

        Returns
        -------
        np.ndarray
            Scores (cell, pc), float32.
        """
        offset = self.components @ self.mean  # (pc,)
        return np.asarray(x @ self.components.T - offset, dtype=np.float32)


def fit_pca(x: sp.csr_matrix, n_components: int, *, seed: int, after_block: Callable[[], None]) -> PCA:
    """Fit principal components without a dense (cell, gene) matrix.

    Parameters
    ----------
    x
        Log-normalised training cells, CSR (cell, gene).
    n_components
        How many; fewer where cells or genes do not allow as many.
    seed
        Start vector of the iterative solver for small and for very wide data.
    after_block
        Called after every block of cells; may raise to stop.
    """
    n_cells, n_genes = x.shape
    n_components = max(1, min(n_components, n_cells - 1, n_genes - 1))
    mean = np.asarray(x.mean(axis=0), dtype=np.float64).ravel()  # (gene,)
    total = max(
        (float((x.data.astype(np.float64) ** 2).sum()) - n_cells * (mean**2).sum()) / max(1, n_cells - 1), 1e-12
    )
    if x.nnz > _FEW_ENTRIES and n_genes <= _WIDE:
        variances, components = _by_covariance(x, mean, n_components, after_block)
    else:
        variances, components = _by_iteration(x, mean, n_components, seed)
        after_block()
    # The sign of a component is arbitrary; its largest loading is made positive so that it is always the same.
    largest = np.abs(components).argmax(axis=1)
    components = components * np.sign(components[np.arange(len(components)), largest])[:, None]
    return PCA(
        mean.astype(np.float32),
        np.ascontiguousarray(components, dtype=np.float32),
        (variances / total).astype(np.float32),
    )


def _by_covariance(
    x: sp.csr_matrix, mean: np.ndarray, n: int, after_block: Callable[[], None]
) -> tuple[np.ndarray, np.ndarray]:
    n_cells, n_genes = x.shape
    covariance = np.zeros((n_genes, n_genes))  # (gene, gene)
    for start in range(0, n_cells, _BLOCK):
        block = x[start : start + _BLOCK].toarray() - mean.astype(np.float32)  # (cell, gene)
        covariance += block.T @ block
        after_block()
    values, vectors = eigh(covariance / max(1, n_cells - 1), subset_by_index=(n_genes - n, n_genes - 1))
    return np.maximum(values[::-1], 0), vectors.T[::-1]


def _by_iteration(x: sp.csr_matrix, mean: np.ndarray, n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    x = x.astype(np.float64)
    centred = LinearOperator(
        x.shape,
        matvec=lambda v: x @ v.ravel() - mean @ v.ravel(),
        rmatvec=lambda v: x.T @ v.ravel() - mean * v.sum(),
        dtype=np.float64,
    )
    start = np.random.default_rng(seed).standard_normal(min(x.shape))
    _, scale, vectors = svds(centred, k=n, v0=start)
    order = np.argsort(-scale)
    return scale[order] ** 2 / max(1, x.shape[0] - 1), vectors[order]
