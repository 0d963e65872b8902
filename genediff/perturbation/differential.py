"""Which genes differ between two groups of cells: the rank test, fold changes, false discovery rates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SIGNIFICANT = 0.05


@dataclass(frozen=True, eq=False)
class Differential:
    """Genes of one group of cells against control, each array (gene,) float32.

    ``log2_fold`` is of expm1 of the mean x (0 where both are 0, infinite where one is); ``fdr`` is Benjamini and
    Hochberg's over all genes.
    """

    log2_fold: np.ndarray
    p: np.ndarray
    fdr: np.ndarray

    @property
    def significant(self) -> np.ndarray:
        """Mask of genes below the false discovery rate of 5%."""
        return self.fdr < np.float32(SIGNIFICANT)

    @property
    def ranked(self) -> np.ndarray:
        """Positions of the significant genes, those with the largest fold change first."""
        places = np.flatnonzero(self.significant)
        return places[np.argsort(-np.abs(self.log2_fold[places]), kind="stable")]


def differential(cells: np.ndarray, control: np.ndarray) -> Differential:
    """Compare x of two groups of cells, (cell, gene) each, by two-sided Mann-Whitney tests.

    The normal approximation with correction for ties and continuity, as cell-eval (pdex) and scanpy have it.
    """
    from scipy.stats import false_discovery_control

    p = rank_test(cells, control)
    above = np.expm1(cells.mean(axis=0, dtype=np.float64))
    below = np.expm1(control.mean(axis=0, dtype=np.float64))
    with np.errstate(divide="ignore", invalid="ignore"):
        fold = np.where((above == 0) & (below == 0), 0.0, np.log2(above / below))
    fdr = false_discovery_control(p)
    return Differential(fold.astype(np.float32), p.astype(np.float32), fdr.astype(np.float32))


def rank_test(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return p (gene,) of two-sided Mann-Whitney tests between (cell, gene) and (cell, gene); 1 where all is tied."""
    from scipy.stats import norm

    n_one, n_other = len(one), len(other)
    n = n_one + n_other
    values = np.ascontiguousarray(np.concatenate([one, other]).T)  # (gene, cell)
    order = np.argsort(values, axis=1, kind="stable")
    values = np.take_along_axis(values, order, axis=1)
    place = np.arange(n)
    starts = np.ones(values.shape, dtype=bool)
    starts[:, 1:] = values[:, 1:] != values[:, :-1]
    first = np.maximum.accumulate(np.where(starts, place, 0), axis=1)  # where each run of ties begins
    ends = np.ones(values.shape, dtype=bool)
    ends[:, :-1] = starts[:, 1:]
    last = np.minimum.accumulate(np.where(ends, place, n)[:, ::-1], axis=1)[:, ::-1]
    size = (last - first + 1).astype(np.float64)
    rank = (first + last) / 2 + 1.0
    total = np.where(order < n_one, rank, 0.0).sum(axis=1)  # sum of the ranks of ``one``, (gene,)
    u = total - n_one * (n_one + 1) / 2
    u = np.maximum(u, n_one * n_other - u)
    ties = (size**2 - 1).sum(axis=1)  # the sum of t³ - t over runs, since each of t members adds t² - 1
    spread = np.sqrt(n_one * n_other / 12 * ((n + 1) - ties / (n * (n - 1))))
    with np.errstate(divide="ignore", invalid="ignore"):
        z = (u - n_one * n_other / 2 - 0.5) / spread
    return np.where(spread > 0, np.clip(2 * norm.sf(z), 0.0, 1.0), 1.0)
