"""Principal components of training cells; everything else is projected on them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.linalg import eigh
from scipy.sparse.linalg import LinearOperator, svds
from threadpoolctl import threadpool_limits

from genediff.data.matrices.prefetch import in_order

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import scipy.sparse as sp

BLOCK = 4096
"""Cells that are made dense at a time."""
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
    if by_covariance(x.nnz, x.shape[1]):
        blocks = (x[start : start + BLOCK] for start in range(0, x.shape[0], BLOCK))
        return fit_pca_in_blocks(blocks, x.shape[1], n_components, after_block=after_block)
    n = _possible(n_components, *x.shape)
    mean = np.asarray(x.mean(axis=0), dtype=np.float64).ravel()  # (gene,)
    squares = float((x.data.astype(np.float64) ** 2).sum())
    variances, components = _by_iteration(x, mean, n, seed)
    after_block()
    total = (squares - x.shape[0] * (mean**2).sum()) / max(1, x.shape[0] - 1)
    return _finished(mean, components, variances, total)


def by_covariance(n_entries: int, n_genes: int) -> bool:
    """Whether components come from the genes' covariance, which takes cells one block at a time."""
    return n_entries > _FEW_ENTRIES and n_genes <= _WIDE


def fit_pca_in_blocks(
    blocks: Iterable[sp.csr_matrix], n_genes: int, n_components: int, *, after_block: Callable[[], None]
) -> PCA:
    """Fit principal components on cells that come in blocks, CSR (cell, gene): one pass, and no more memory for more.

    Values are taken from the mean of the first block, so that little is lost when the true mean is subtracted. Blocks
    are multiplied in threads and added up in order, each product by one thread: cores that are busy with other things
    make a product that is shared among them wait for the slowest.
    """
    n_cells, sums, products = 0, np.zeros(n_genes), np.zeros((n_genes, n_genes))
    blocks = iter(blocks)
    first = next(blocks)
    shift = np.asarray(first.mean(axis=0), dtype=np.float32).ravel()  # (gene,)

    def product(block: sp.csr_matrix) -> tuple[int, np.ndarray, np.ndarray]:
        away = block.toarray() - shift  # (cell, gene)
        return len(away), away.sum(axis=0, dtype=np.float64), away.T @ away

    with threadpool_limits(1, user_api="blas"):
        for n_more, total, squares in in_order(product, chain([first], blocks)):
            n_cells, sums, products = n_cells + n_more, sums + total, np.add(products, squares, out=products)
            after_block()
        n = _possible(n_components, n_cells, n_genes)
        mean = sums / max(1, n_cells)  # from the shift
        covariance = (products - n_cells * np.outer(mean, mean)) / max(1, n_cells - 1)  # (gene, gene)
        values, vectors = eigh(covariance, subset_by_index=(n_genes - n, n_genes - 1))
    return _finished(shift + mean, vectors.T[::-1], np.maximum(values[::-1], 0), float(np.trace(covariance)))


def _possible(n_components: int, n_cells: int, n_genes: int) -> int:
    return max(1, min(n_components, n_cells - 1, n_genes - 1))


def _finished(mean: np.ndarray, components: np.ndarray, variances: np.ndarray, total: float) -> PCA:
    # The sign of a component is arbitrary; its largest loading is made positive so that it is always the same.
    largest = np.abs(components).argmax(axis=1)
    components = components * np.sign(components[np.arange(len(components)), largest])[:, None]
    return PCA(
        mean.astype(np.float32),
        np.ascontiguousarray(components, dtype=np.float32),
        (variances / max(total, 1e-12)).astype(np.float32),
    )


def _by_iteration(x: sp.csr_matrix, mean: np.ndarray, n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    x = x.astype(np.float64)
    centred: LinearOperator = LinearOperator(
        x.shape,
        matvec=lambda v: x @ v.ravel() - mean @ v.ravel(),
        rmatvec=lambda v: x.T @ v.ravel() - mean * v.sum(),
        dtype=np.float64,
    )
    start = np.random.default_rng(seed).standard_normal(min(x.shape))
    _, scale, vectors = svds(centred, k=n, v0=start)
    order = np.argsort(-scale)
    return scale[order] ** 2 / max(1, x.shape[0] - 1), vectors[order]
