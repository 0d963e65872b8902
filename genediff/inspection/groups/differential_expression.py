"""Differential expression of real cells between two groups, over all genes of the file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import scipy.sparse as sp

from genediff.core.errors import InputError
from genediff.core.stats import false_discovery_rates, log_p_of_u, mann_whitney
from genediff.inspection.groups.replicates import design, moderated_t

if TYPE_CHECKING:
    from collections.abc import Callable

    from genediff.data.cells.dataset import Dataset
    from genediff.inspection.groups.replicates import Design

LEAST_CELLS = 5
MOST_CELLS = 5_000  # of each group whose genes are ranked; of more a random sample
LEAST_DETECTED = 0.01  # of either group's cells: genes that fewer show are not tested
_BLOCK = 500  # genes


@dataclass(frozen=True, eq=False)
class DifferentialExpression:
    """Genes compared between two groups of cells.

    Attributes
    ----------
    table
        One row per tested gene, the smallest p-value first: ``gene``; ``log2_fold``, log2 of the ratio of mean counts
        per 10,000 (1 added to both; without counts the difference of means, in log2 units); ``mean_first`` and
        ``mean_second`` of log-normalised expression (total over all genes); ``detected_first`` and
        ``detected_second``, shares of cells with a count, 0 to 1; ``auc``, the chance that a cell of the first group
        expresses more than one of the second; ``p_value`` of the two-sided Mann-Whitney test over cells, its
        ``log10_p`` (which does not underflow) and ``fdr`` (Benjamini and Hochberg over the tested genes). With
        replicates also ``p_replicates`` and ``fdr_replicates``: moderated t-tests of the pseudobulk of each replicate.
    n_genes
        Genes of the file; those that hardly any cell shows are not tested.
    n_first, n_second
        Cells in the groups.
    n_used
        Cells that were compared: all, or a random sample of each group.
    replicates
        Which replicates were compared; None where there are fewer than three.
    """

    table: pd.DataFrame
    n_genes: int
    n_first: int
    n_second: int
    n_used: int
    replicates: Design | None

    @property
    def methods(self) -> str:
        """How it was done, as a methods section says it."""
        said = (
            "Differential expression was tested gene by gene with the two-sided Mann-Whitney test on expression "
            f"normalised by each cell's total over all genes ({self.n_used:,} cells; genes detected in at least "
            f"{LEAST_DETECTED:.0%} of either group), with Benjamini-Hochberg false discovery rates over "
            f"{len(self.table):,} genes."
        )
        if self.replicates is None:
            return said
        return (
            f"{said} Replicates were compared on pseudobulk counts by moderated t-tests (Smyth 2004). "
            f"{self.replicates.sentence}"
        )


def differential_expression(
    dataset: Dataset,
    first: np.ndarray,
    second: np.ndarray,
    *,
    replicates: np.ndarray | None = None,
    most_cells: int = MOST_CELLS,
    seed: int = 0,
    progress: Callable[[float], None] = lambda share: None,
) -> DifferentialExpression:
    """Compare every gene of the file between two groups of real cells.

    Parameters
    ----------
    dataset
        Real cells.
    first, second
        Which cells are in each group, bool (cell,).
    replicates
        The donor, dish or batch of each cell as a code, (cell,); -1 for none.
    most_cells
        Of each group; of more a sample is drawn with ``seed``.
    progress
        Told the share that is done; may raise to stop.

    Raises
    ------
    InputError
        When a group has fewer than five cells, a cell is in both, or no gene is detected.
    """
    for group, word in ((first, "first"), (second, "second")):
        if group.sum() < LEAST_CELLS:
            raise InputError(
                f"The {word} group has {int(group.sum())} cells; choose a group of {LEAST_CELLS} or more to compare."
            )
    if both := int((first & second).sum()):
        raise InputError(f"{both:,} cells are in both groups; choose two groups that share no cell.")
    draw = np.random.default_rng(seed)
    own, other = (draw.permutation(np.flatnonzero(group))[:most_cells] for group in (first, second))
    rows = np.sort(np.concatenate([own, other]))
    inside = first[rows]
    values = dataset.every_gene_at(rows, progress=lambda share: progress(0.7 * share))  # (cell, gene)
    detected = np.stack([np.ravel((values[mask] > 0).mean(0)) for mask in (inside, ~inside)])  # (group, gene)
    kept = np.flatnonzero(detected.max(0) >= LEAST_DETECTED)
    if not len(kept):
        raise InputError("No gene is detected in 1% of either group; choose larger groups.")
    values, detected = values[:, kept], detected[:, kept]
    x = sp.csc_matrix(dataset.for_display(values, rows))
    auc, log_p = _rank_tests(x, inside)
    progress(0.9)
    mean = [np.ravel(x[mask].mean(0)) for mask in (inside, ~inside)]
    p = np.exp(log_p)
    table = pd.DataFrame(
        {
            "gene": np.array(dataset.all_genes, dtype=object)[kept],
            "log2_fold": _log2_fold(x, inside) if dataset.info.has_counts else (mean[0] - mean[1]) / np.log(2),
            "mean_first": mean[0],
            "mean_second": mean[1],
            "detected_first": detected[0],
            "detected_second": detected[1],
            "auc": auc,
            "p_value": p,
            "log10_p": log_p / np.log(10),
            "fdr": false_discovery_rates(p),
        }
    )
    found = None if replicates is None else design(inside, ~inside, replicates[rows])
    if found is not None:
        total = dataset.obs["qc_total"].to_numpy(dtype=np.float64)[rows] if dataset.info.has_counts else None
        bulk = [_pseudobulk(x if total is None else values, group, total) for group in (found.first, found.second)]
        table["p_replicates"] = moderated_t(*bulk, paired=found.paired)
        table["fdr_replicates"] = false_discovery_rates(table["p_replicates"].to_numpy())
    progress(1.0)
    order = np.lexsort((-np.abs(auc - 0.5), log_p))
    return DifferentialExpression(
        table.iloc[order].reset_index(drop=True), len(dataset.all_genes), int(first.sum()), int(second.sum()),
        len(rows), found,
    )  # fmt: skip


def _log2_fold(x: sp.csc_matrix, inside: np.ndarray) -> np.ndarray:
    """Return log2 ratios of mean counts per 10,000, 1 added to both, (gene,), of log-normalised x (cell, gene)."""
    level = x.copy()
    level.data = np.expm1(level.data.astype(np.float64))
    above, below = (np.ravel(level[mask].mean(0)) for mask in (inside, ~inside))
    return np.log2((above + 1) / (below + 1))


def _pseudobulk(values: sp.csc_matrix, group: tuple[np.ndarray, ...], total: np.ndarray | None) -> np.ndarray:
    """Return one profile per replicate, (gene, replicate): log2 counts per million of its cells' sum.

    Without the cells' totals over all genes (cell,) the values are no counts, and the profile is their mean.
    """
    if total is None:
        return np.stack([np.ravel(values[cells].mean(0)) for cells in group], axis=1)
    return np.stack(
        [np.log2((np.ravel(values[cells].sum(0)) + 0.5) / (total[cells].sum() + 1) * 1e6) for cells in group], axis=1
    )


def _rank_tests(x: sp.csc_matrix, inside: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return AUC and log p-value of the Mann-Whitney test of each gene, (gene,) each, for x (cell, gene)."""
    if len(x.data) and x.data.min() < 0:  # zero is then not the lowest value
        parts = []
        for start in range(0, x.shape[1], _BLOCK):
            dense = x[:, start : start + _BLOCK].toarray().T
            found = mann_whitney(dense[:, inside], dense[:, ~inside])
            parts.append((found.auc, found.log_p))
        auc, log_p = zip(*parts, strict=True)
        return np.concatenate(auc), np.concatenate(log_p)
    x.eliminate_zeros()
    n, n_genes = x.shape
    m = int(inside.sum())
    seen = np.diff(x.indptr)  # (gene,)
    gene = np.repeat(np.arange(n_genes), seen)
    order = np.lexsort((x.data, gene))
    values, rows = x.data[order], x.indices[order]
    # Runs of ties share their mean rank; cells without a count tie below all others.
    starts = np.flatnonzero(np.r_[True, (values[1:] != values[:-1]) | (gene[1:] != gene[:-1])])
    lengths = np.diff(np.r_[starts, len(values)])
    zeros = n - seen
    offset = (zeros - x.indptr[:-1])[gene[starts]] if len(starts) else np.zeros(0)
    ranks = np.repeat(offset + starts + (lengths + 1) / 2, lengths)  # (entry,)
    low = (zeros + 1) / 2  # rank of a cell without a count, (gene,)
    counted = np.bincount(gene, inside[rows], minlength=n_genes)
    total = np.bincount(gene, ranks * inside[rows], minlength=n_genes) + (m - counted) * low
    squares = np.bincount(gene, ranks**2, minlength=n_genes) + zeros * low**2
    u = total - m * (m + 1) / 2
    variance = np.maximum((squares - n * ((n + 1) / 2) ** 2) / (n - 1), 0.0)
    return u / (m * (n - m)), log_p_of_u(u, m, n - m, variance)
