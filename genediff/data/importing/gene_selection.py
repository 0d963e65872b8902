"""Which genes vary most: dispersion in bins of equal mean, on training cells only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Callable

    from genediff.data.matrices.matrix_stats import EachTile
    from genediff.data.matrices.sparse_matrix import Tile

PER_CELL = 10_000.0
"""Counts per cell that genes are compared at, the convention of scanpy's tutorials."""


@dataclass(frozen=True, eq=False)
class Moments:
    """Per gene over training cells: ``mean`` and ``variance`` (n - 1) of linear values, ``n_cells`` with any."""

    mean: np.ndarray
    variance: np.ndarray
    n_cells: np.ndarray


def training_moments(
    each: EachTile,
    n_genes: int,
    *,
    train: np.ndarray,
    total: np.ndarray,
    values: Literal["counts", "lognorm", "normalised", "scaled"],
    after_tile: Callable[[], None],
) -> Moments:
    """Sum up linear, depth-normalised values of the training cells, gene by gene.

    Parameters
    ----------
    each
        The matrix's tiles; they are looked at in threads and added up in order.
    n_genes
        Number of columns.
    train
        Mask (cell,) of training cells; others are not looked at.
    total
        Total counts of each cell (cell,); only used for counts.
    values
        What the matrix holds: counts are scaled to ``PER_CELL``, "lognorm" is brought back by expm1.
    after_tile
        Called after every tile; may raise to stop.
    """
    scale = np.where(train & (total > 0), PER_CELL / np.maximum(total, 1e-12), 0.0)
    n = int(train.sum())
    sums, squares, n_cells = np.zeros(n_genes), np.zeros(n_genes), np.zeros(n_genes, np.int64)

    def look(tile: Tile) -> tuple[slice, np.ndarray, np.ndarray, np.ndarray]:
        weight = scale[tile.rows] if values == "counts" else train[tile.rows].astype(np.float64)  # (cell,)
        linear: Any = tile.values.astype(np.float64)
        if values == "lognorm":
            linear.data = np.expm1(linear.data)
        first = linear.T @ weight
        linear.data **= 2
        second = linear.T @ weight**2
        linear.data[:] = 1
        return tile.cols, first, second, (linear.T @ train[tile.rows].astype(np.float64)).astype(np.int64)

    for cols, first, second, seen in each(look):
        sums[cols] += first
        squares[cols] += second
        n_cells[cols] += seen
        after_tile()
    mean = sums / max(1, n)
    variance = np.maximum(squares / max(1, n) - mean**2, 0) * n / max(1, n - 1)
    return Moments(mean, variance, n_cells)


def choose_genes(
    moments: Moments, n_genes: int, *, min_cells: int, keep: np.ndarray, values: str = "counts"
) -> np.ndarray:
    """Choose the genes whose dispersion stands out most among genes of like mean.

    This is the "seurat" rule (Satija et al. 2015, doi:10.1038/nbt.3192) as scanpy keeps it: log dispersion
    (variance / mean), as a z-score within 20 bins of log mean. It needs two numbers per gene, so memory does not
    grow with cells.

    Parameters
    ----------
    moments
        Of training cells.
    n_genes
        How many to choose.
    min_cells
        Genes seen in fewer training cells are never chosen.
    keep
        Mask (gene,) of genes that are chosen whatever their score.
    values
        "scaled" values have no meaningful mean: then the plain variance decides.

    Returns
    -------
    np.ndarray
        Sorted column numbers (chosen,); fewer than asked where there are not as many.
    """
    usable = (moments.n_cells >= min_cells) & (moments.variance > 0)
    score = np.full(len(moments.mean), -np.inf)
    if values == "scaled":
        score[usable] = moments.variance[usable]
    else:
        usable &= moments.mean > 0
        score[usable] = _binned_dispersion(moments.mean[usable], moments.variance[usable])
    score[keep & (moments.n_cells > 0)] = np.inf
    order = np.argsort(-score, kind="stable")[:n_genes]
    return np.sort(order[score[order] > -np.inf])


def _binned_dispersion(mean: np.ndarray, variance: np.ndarray, n_bins: int = 20) -> np.ndarray:
    if len(mean) == 0:
        return mean
    frame = pd.DataFrame({"mean": np.log1p(mean), "dispersion": np.log(variance / mean)})  # (gene,)
    frame["bin"] = pd.cut(frame["mean"], bins=n_bins)
    grouped = frame.groupby("bin", observed=True)["dispersion"]
    centre = grouped.transform("mean").to_numpy(copy=True)
    spread = grouped.transform("std").to_numpy(copy=True)
    # A bin with one gene has no spread; as in scanpy that gene scores 1.
    alone = np.isnan(spread)
    spread[alone], centre[alone] = centre[alone], 0.0
    dispersion = frame["dispersion"].to_numpy()
    safe = np.where(spread == 0, 1.0, spread)
    return np.where(spread == 0, 0.0, (dispersion - centre) / safe)
