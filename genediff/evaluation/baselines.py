"""Simple generators that every model has to beat, and one that only copies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy import sparse

from genediff.core.errors import InputError
from genediff.evaluation.baseline import MOST_FITTED, Baseline
from genediff.nn.dispersion import OVERDISPERSIONS, overdispersion_by_likelihood

if TYPE_CHECKING:
    from collections.abc import Callable

    from genediff.data.cells.dataset import CellRows

CELLS_PER_CLUSTER = 40
GENES_AT_ONCE = 256


class IndependentGenes(Baseline):
    """Every gene drawn on its own, label by label: right means and variances, no gene knows of another.

    With counts: library size from a training cell of the label, then NB(mean = library * share of the gene), one
    overdispersion per gene and label. Without counts: zero or not by the share of zeros, and a Gaussian fitted to
    the values that are not zero.

    Parameters
    ----------
    overdispersion
        "likelihood" (the maximum), or "moments", which single odd cells rule and a classifier sees through far more
        easily.
    """

    title = "Independent genes"

    def __init__(self, overdispersion: Literal["likelihood", "moments"] = "likelihood") -> None:
        self.fit_overdispersion = _BY[overdispersion]

    def _fit(self, values: sparse.csr_matrix | CellRows, rows: dict[int, np.ndarray], seed: int) -> None:
        fit = self._fit_counts if self.dataset.info.has_counts else _fit_gaussian
        self.parameters = {code: fit(values[own].toarray()) for code, own in rows.items()}

    def _fit_counts(self, values: np.ndarray) -> tuple[np.ndarray, ...]:
        library = values.sum(1, dtype=np.float64)  # (cell,)
        share = values.sum(0, dtype=np.float64) / max(library.sum(), 1.0)  # (gene,)
        return library, share, self.fit_overdispersion(values, library, share)

    def _draw(self, code: int, n: int, rng: np.random.Generator) -> np.ndarray:
        return (_draw_nb if self.dataset.info.has_counts else _draw_gaussian)(self.parameters[code], n, rng)


class SubClusters(Baseline):
    """A negative binomial per gene and sub-cluster of each label: what k-means and three seconds are worth.

    Cells of a label are clustered by k-means on PCs, about 40 cells a cluster, and drawn from the cluster's profile.
    """

    title = "Sub-cluster baseline"

    def _fit(self, values: sparse.csr_matrix | CellRows, rows: dict[int, np.ndarray], seed: int) -> None:
        from genediff.models.count_mixture import fit_count_mixture  # brings torch

        kept = np.sort(np.concatenate(list(rows.values())))
        codes = np.concatenate([np.full(len(own), code) for code, own in rows.items()])
        codes = codes[np.argsort(np.concatenate(list(rows.values())))]
        labelled, levels = (codes[:, None], [len(self.names)]) if self.names else (codes[:, None][:, :0], [])
        counts = sparse.csr_matrix(values[kept])
        self.n_columns = len(levels)
        self.mixture = fit_count_mixture(counts, labelled, levels, cluster_sizes=(CELLS_PER_CLUSTER,), seed=seed)

    def _draw(self, code: int, n: int, rng: np.random.Generator) -> np.ndarray:
        codes = np.full((n, self.n_columns), code)
        return self.mixture.generate(codes, seed=int(rng.integers(2**31))).toarray()


class CopiedCells(Baseline):
    """Training cells handed out as generated ones, each once while there are enough: what memorisation looks like."""

    title = "Copied training cells"

    def _fit(self, values: sparse.csr_matrix | CellRows, rows: dict[int, np.ndarray], seed: int) -> None:
        self.values, self.rows = values, rows

    def _draw(self, code: int, n: int, rng: np.random.Generator) -> np.ndarray:
        there = self.rows[code]
        return self.values[rng.choice(there, n, replace=n > len(there))].toarray()


class PermutedGenes(Baseline):
    """Every gene taken from another training cell of any type: right genes, no cells. The negative control."""

    title = "Permuted genes"

    def _fit(self, values: sparse.csr_matrix | CellRows, rows: dict[int, np.ndarray], seed: int) -> None:
        kept = np.random.default_rng(seed).permutation(np.concatenate(list(rows.values())))[:MOST_FITTED]
        self.values = sparse.csr_matrix(values[np.sort(kept)]).tocsc()

    def _draw(self, code: int, n: int, rng: np.random.Generator) -> np.ndarray:
        n_cells, n_genes = self.values.shape
        drawn = np.empty((n, n_genes), self.values.dtype)
        for first in range(0, n_genes, GENES_AT_ONCE):
            part = self.values[:, first : first + GENES_AT_ONCE].toarray()  # (training cell, gene)
            cells = rng.integers(n_cells, size=(n, part.shape[1]))  # (cell, gene)
            drawn[:, first : first + part.shape[1]] = np.take_along_axis(part, cells, axis=0)
        return drawn


def overdispersion_by_moments(counts: np.ndarray, library: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Overdispersion φ of each gene by moments: Σ((count - mean)² - mean) / Σ mean², at least 0.001.

    Parameters
    ----------
    counts
        `(cell, gene)`.
    library
        Total of each cell, `(cell,)`.
    share
        Of each gene in all counts, `(gene,)`.
    """
    mean = library[:, None] * share  # (cell, gene)
    excess = ((counts - mean) ** 2 - mean).sum(0)
    return np.clip(excess / np.maximum((mean**2).sum(0), 1e-12), OVERDISPERSIONS[0], 1e3)


_BY = {"likelihood": overdispersion_by_likelihood, "moments": overdispersion_by_moments}


def _draw_nb(parameters: tuple[np.ndarray, ...], n: int, rng: np.random.Generator) -> np.ndarray:
    library, share, overdispersion = parameters
    mean = rng.choice(library, n)[:, None] * share  # (cell, gene)
    rate = mean * rng.gamma(1 / overdispersion, overdispersion, size=mean.shape)
    return rng.poisson(rate).astype(np.float32)


def _fit_gaussian(x: np.ndarray) -> tuple[np.ndarray, ...]:
    there = x != 0
    n = np.maximum(there.sum(0), 1)  # (gene,)
    mean = x.sum(0, dtype=np.float64) / n
    variance = (np.where(there, x - mean, 0) ** 2).sum(0) / n
    # Where no value is negative none is generated; scaled data may go anywhere.
    lowest = np.full(x.shape[1], -np.inf if (x < 0).any() else 0.0)
    return there.mean(0), mean, np.sqrt(variance), lowest


def _draw_gaussian(parameters: tuple[np.ndarray, ...], n: int, rng: np.random.Generator) -> np.ndarray:
    share, mean, sd, lowest = parameters
    there = rng.random((n, len(share))) < share  # (cell, gene)
    values = np.maximum(rng.normal(mean, sd, size=there.shape), lowest)
    return np.where(there, values, 0).astype(np.float32)


BASELINES: dict[str, Callable[[], Baseline]] = {
    "subclusters": SubClusters,
    "independent_nb": IndependentGenes,
    "copied": CopiedCells,
    "permuted": PermutedGenes,
}


def make_baseline(name: str) -> Baseline:
    """Return an unfitted baseline, a name in `BASELINES`; InputError when there is no such one."""
    if name not in BASELINES:
        raise InputError(f"There is no baseline {name!r}; known: {', '.join(BASELINES)}.")
    return BASELINES[name]()
