"""Marker genes of cell types, chosen on training cells, and how generated cells express them beside real ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

if TYPE_CHECKING:
    from collections.abc import Sequence

    from genediff.data.cells.dataset import Dataset

LEAST_SHARE = 0.25  # of a type's cells that show a marker: below, a single dot says little


@dataclass(frozen=True, eq=False)
class Dots:
    """Expression of some genes by type: share of cells with any, (type, gene), and mean over all cells, (type, gene).

    ``n`` are cells of each type, (type,); rows of types without cells are NaN.
    """

    share: np.ndarray
    mean: np.ndarray
    n: np.ndarray


def choose_markers(dataset: Dataset, label: str, *, n_each: int = 3) -> tuple[str, ...]:
    """Return for each type the genes that set it apart most among training cells, type by type, each gene once.

    A gene's score is its mean log-normalised expression in the type, less the highest mean in any other type: so a
    marker is the type's own, and not that of a whole lineage.
    """
    levels = dataset.vocabulary(label)
    dots = dots_in(dataset, "train", label)
    chosen: list[str] = []
    for code in range(len(levels)):
        if not dots.n[code]:
            continue
        others = [other for other in range(len(levels)) if other != code and dots.n[other]]
        rest = dots.mean[others].max(0) if others else np.zeros(dots.mean.shape[1])
        score = np.where(dots.share[code] >= LEAST_SHARE, dots.mean[code] - rest, -np.inf)
        best = [dataset.genes[i] for i in np.argsort(-score, kind="stable") if score[i] > 0]
        chosen += [gene for gene in best if gene not in chosen][:n_each]
    return tuple(chosen)


def dots_of(x: Any, codes: np.ndarray, n_levels: int, genes: Sequence[int] | None = None) -> Dots:
    """Return shares and means of log-normalised x (cell, gene), sparse or dense, by type code (cell,), -1: none."""
    matrix = sp.csr_matrix(x)
    if genes is not None:
        matrix = sp.csr_matrix(matrix[:, list(genes)])
    known = np.flatnonzero(codes >= 0)
    groups = sp.csr_matrix((np.ones(len(known)), (codes[known], known)), shape=(n_levels, matrix.shape[0]))
    n = np.asarray(groups.sum(1)).ravel()
    seen = sp.csr_matrix((np.ones_like(matrix.data, dtype=np.float64), matrix.indices, matrix.indptr), matrix.shape)
    seen.data[matrix.data <= 0] = 0.0
    sizes = np.where(n > 0, n, np.nan)[:, None]
    return Dots((groups @ seen).toarray() / sizes, (groups @ matrix).toarray() / sizes, n.astype(int))


def dots_in(
    dataset: Dataset, part: str, label: str, genes: Sequence[int] | None = None, *, among: np.ndarray | None = None
) -> Dots:
    """Return shares and means of x in a part of a data set by type; of large data sets block by block.

    ``among`` says which cells of the data set count, bool (cell,); all unless given.
    """
    codes, n_levels = dataset.codes(label), len(dataset.vocabulary(label))
    if among is not None:
        codes = np.where(among, codes, -1)
    blocks = list(dataset.map_x(lambda rows, x: dots_of(x, codes[rows], n_levels, genes), part))
    if len(blocks) == 1:
        return blocks[0]
    n = np.sum([block.n for block in blocks], axis=0)
    weights = [block.n[:, None] / np.where(n > 0, n, np.nan)[:, None] for block in blocks]  # (type, 1) each

    def mean(of_blocks: list[np.ndarray]) -> np.ndarray:  # a block without a type says nothing of it
        parts = [weight * np.where(weight == 0, 0, one) for weight, one in zip(weights, of_blocks, strict=True)]
        return np.sum(parts, axis=0)

    return Dots(mean([block.share for block in blocks]), mean([block.mean for block in blocks]), n)


def gap(first: Dots, second: Dots, *, least: int = 10) -> tuple[float, float]:
    """Return the mean difference in share and in mean over types with enough cells on both sides; NaN without any."""
    both = (first.n >= least) & (second.n >= least)
    if not both.any():
        return float("nan"), float("nan")
    share = np.abs(first.share[both] - second.share[both]).mean()
    return float(share), float(np.abs(first.mean[both] - second.mean[both]).mean())


def table(sources: dict[str, Dots], levels: Sequence[str], genes: Sequence[str]) -> pd.DataFrame:
    """Return one row per source, type and gene."""
    rows = [
        {"source": source, "type": level, "gene": gene, "share": dots.share[i, j], "mean": dots.mean[i, j],
         "cells": dots.n[i]}
        for source, dots in sources.items()
        for i, level in enumerate(levels)
        for j, gene in enumerate(genes)
    ]  # fmt: skip
    return pd.DataFrame(rows)
