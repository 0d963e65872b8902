"""Scores of gene sets that are computed from expression alone, so that what a model says can be held against them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp
from scipy.stats import rankdata

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from genediff.knowledge import GeneSets

ALPHA = 0.25  # the weight of ranks in ssGSEA (Barbie et al. 2009)
BLOCK = 4096


@dataclass(frozen=True)
class Score:
    """A way of scoring sets: its name for people, one sentence, and its source."""

    title: str
    sentence: str
    reference: str


SCORES = {
    "ulm": Score(
        "Mean difference (ULM)",
        "How far the set's genes lie above all other genes of the cell, each in its own standard deviations: the t "
        "value of a linear model of expression on membership.",
        "doi:10.1093/bioadv/vbac016",  # Badia-i-Mompel et al. 2022, decoupleR
    ),
    "ssgsea": Score(
        "ssGSEA",
        "Where the set's genes stand when the genes of the cell are ranked by expression: the enrichment score of "
        "single-sample GSEA, not normalised. Genes that tie, such as those not seen, share their places.",
        "doi:10.1038/nature08460",  # Barbie et al. 2009
    ),
}


def score_sets(
    kind: str,
    x: Any,
    gene_sets: GeneSets,
    genes: Sequence[str],
    *,
    progress: Callable[[float], None] = lambda share: None,
) -> np.ndarray:
    """Score sets in cells.

    Parameters
    ----------
    kind
        "ulm" or "ssgsea".
    x
        Log-normalised expression, sparse or dense (cell, gene).
    gene_sets
        Sets; members that are not among the genes are passed over.
    genes
        Names of the columns of x.
    progress
        Told the share that is done; may raise to stop.

    Returns
    -------
    np.ndarray
        One score per set and cell, float32 (set, cell).
    """
    if kind not in SCORES:
        raise ValueError(f"unknown score {kind!r}; known: {', '.join(SCORES)}")
    member = membership(gene_sets, genes)  # (set, gene)
    if kind == "ulm":
        return ulm(x, member)
    out = np.empty((member.shape[0], x.shape[0]), dtype=np.float32)  # (set, cell)
    for start in range(0, x.shape[0], BLOCK):
        block = x[start : start + BLOCK]
        ranks = Ranks.of(dense(block))
        out[:, start : start + BLOCK] = ranks.ssgsea(member)
        progress(min(1.0, (start + BLOCK) / x.shape[0]))
    return out


def membership(gene_sets: GeneSets, genes: Sequence[str]) -> sp.csr_matrix:
    """Return which gene is in which set as 0 and 1, CSR float32 (set, gene)."""
    members = gene_sets.members(genes)
    columns = np.concatenate([np.sort(rows) for rows in members])
    starts = np.concatenate([[0], np.cumsum([len(rows) for rows in members])])
    ones = np.ones(len(columns), dtype=np.float32)
    return sp.csr_matrix((ones, columns, starts), shape=(len(members), len(genes)))


def ulm(x: Any, member: sp.csr_matrix) -> np.ndarray:
    """Return t values of expression, each gene standardised over the cells given, on membership, (set, cell).

    Parameters
    ----------
    x
        Log-normalised expression, sparse or dense (cell, gene).
    member
        0 and 1, (set, gene).
    """
    n = x.shape[1]
    mean, std = _moments(x)
    # z = (x - mean) / std stays sparse: its sums are those of x / std, less those of mean / std.
    total = np.asarray(x @ (1 / std)).ravel() - float((mean / std).sum())  # (cell,)
    square = np.asarray(_squared(x) @ std**-2).ravel() - 2 * np.asarray(x @ (mean / std**2)).ravel()
    square = square + float((mean**2 / std**2).sum())  # Σ z², (cell,)
    weight = (member @ sp.diags_array(1 / std)).tocsr().astype(np.float32)  # (set, gene)
    inside = dense(weight @ x.T) - np.asarray(weight @ mean)[:, None]  # Σ z over members, (set, cell)
    size = np.asarray(member.sum(1)).ravel()  # (set,)
    # Pearson's r between z and membership over genes, then its t value with n - 2 degrees of freedom.
    covariance = inside / n - np.outer(size, total) / n**2
    variance = np.maximum(size / n - (size / n) ** 2, 1e-12)[:, None] * np.maximum(square / n - (total / n) ** 2, 1e-12)
    r = np.clip(covariance / np.sqrt(variance), -0.999999, 0.999999)
    return (r * np.sqrt((n - 2) / (1 - r**2))).astype(np.float32)


@dataclass(frozen=True, eq=False)
class Ranks:
    """Genes of some cells ranked upwards from 1, what ssGSEA weighs them by, and both multiplied, (gene, cell) each."""

    ranks: np.ndarray
    weights: np.ndarray
    weighted: np.ndarray

    @classmethod
    def of(cls, x: np.ndarray) -> Ranks:
        """Rank the genes of each cell by expression (cell, gene)."""
        ranks = np.ascontiguousarray(np.asarray(rankdata(x, axis=1)).T, dtype=np.float32)
        weights = ranks**ALPHA
        return cls(ranks, weights, weights * ranks)

    def ssgsea(self, member: sp.csr_matrix) -> np.ndarray:
        """Return enrichment scores, (set, cell): see `ssgsea`."""
        n = len(self.ranks)
        size = np.asarray(member.sum(1))  # (set, 1)
        weighted = (member @ self.weighted) / np.maximum(member @ self.weights, 1e-12)  # (set, cell)
        others = (n * (n + 1) / 2 - member @ self.ranks) / np.maximum(n - size, 1)
        return np.asarray((weighted - others) / n, dtype=np.float32)


def ssgsea(x: np.ndarray, member: sp.csr_matrix) -> np.ndarray:
    """Return enrichment scores of single-sample GSEA, (set, cell).

    With genes ranked upwards from 1 to N, the running sum that GSEA adds up over all places has a closed form: the
    mean rank of the members, weighted by rank to the power of 0.25, less the mean rank of all other genes. Genes that
    tie have their mean rank, which is what all orders of them give on average (but for the weights). Divided by N, so
    that scores lie between -1 and 1 whatever the number of genes.

    Parameters
    ----------
    x
        Expression, (cell, gene).
    member
        0 and 1, (set, gene).
    """
    return Ranks.of(x).ssgsea(member)


def _moments(x: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and standard deviation of each gene, float64 (gene,); 1 for genes that never vary."""
    mean = np.asarray(x.mean(0), dtype=np.float64).ravel()
    square = np.asarray(_squared(x).mean(0), dtype=np.float64).ravel()
    std = np.sqrt(np.maximum(square - mean**2, 0))
    return mean, np.where(std > 1e-6, std, 1.0)


def _squared(x: Any) -> Any:
    matrix: Any = x
    return matrix.power(2) if sp.issparse(x) else np.square(x)


def dense(x: Any) -> np.ndarray:
    """Return a matrix as an array, sparse or not."""
    matrix: Any = x
    return matrix.toarray() if sp.issparse(x) else np.asarray(matrix)
