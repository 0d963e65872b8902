"""Means of groups of cells, with rows and columns ordered by likeness."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse
from scipy.cluster.hierarchy import leaves_list, linkage, optimal_leaf_ordering
from scipy.spatial.distance import pdist

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST_ORDERED = 300  # optimal leaf ordering takes time with the cube of the number


@dataclass(frozen=True, eq=False)
class ByLabel:
    """Mean activations of labels.

    Attributes
    ----------
    tokens, labels
        In the order in which they are drawn.
    z
        Mean activation of each label less that of all cells, in standard deviations over cells, (token, label).
    n_cells
        Cells of each label, (label,).
    """

    tokens: tuple[str, ...]
    labels: tuple[str, ...]
    z: np.ndarray
    n_cells: np.ndarray


def by_label(
    values: np.ndarray,
    codes: np.ndarray,
    tokens: Sequence[str],
    labels: Sequence[str],
    *,
    most: int | None = None,
    clustered: bool = True,
) -> ByLabel:
    """Average activations over the cells of each label and put what is alike side by side.

    Parameters
    ----------
    values
        One number per token and cell, (token, cell).
    codes
        The label of each cell as a place in ``labels``, (cell,); -1 for none.
    most
        Keep the tokens that differ most between labels (largest range of z); None: all.
    clustered
        Order rows and columns by hierarchical clustering (average linkage of Euclidean distances, leaves so that
        neighbours are as alike as they can be; Bar-Joseph et al. 2001, doi:10.1093/bioinformatics/17.suppl_1.S22);
        else as given.
    """
    sizes = np.bincount(codes[codes >= 0], minlength=len(labels))
    known = np.flatnonzero(sizes)
    z = group_means(values, codes, len(labels))[:, known]  # (token, label)
    rows = np.arange(len(z))
    if most is not None and len(rows) > most:
        rows = np.sort(np.argsort(-np.ptp(z, axis=1), kind="stable")[:most])
    columns = np.arange(len(known))
    if clustered:
        rows, columns = rows[leaf_order(z[rows])], columns[leaf_order(z[rows].T)]
    return ByLabel(
        tuple(tokens[i] for i in rows.tolist()),
        tuple(labels[i] for i in known[columns].tolist()),
        z[np.ix_(rows, columns)],
        sizes[known[columns]],
    )


def group_means(values: np.ndarray, codes: np.ndarray, n_groups: int) -> np.ndarray:
    """Return the mean of each token in each group less that of all cells, in standard deviations over all cells.

    Parameters
    ----------
    values
        (token, cell)
    codes
        Group of each cell, -1 for none, (cell,).

    Returns
    -------
    np.ndarray
        float32 (token, group); a group without cells is NaN.
    """
    inside = np.flatnonzero(codes >= 0)
    one = sparse.csr_matrix(
        (np.ones(len(inside), dtype=np.float32), (codes[inside], inside)), shape=(n_groups, len(codes))
    )
    sizes = np.asarray(one.sum(1)).ravel()  # (group,)
    sums = np.asarray(one @ np.asarray(values).T).T  # (token, group)
    means = np.divide(sums, sizes, out=np.full(sums.shape, np.nan), where=sizes > 0)
    spread = np.maximum(values.std(1, dtype=np.float64), 1e-9)
    return ((means - values.mean(1, dtype=np.float64)[:, None]) / spread[:, None]).astype(np.float32)


def leaf_order(points: np.ndarray) -> np.ndarray:
    """Return the order (point,) in which hierarchical clustering lays out points (point, number)."""
    if len(points) < 3:
        return np.arange(len(points))
    distances = pdist(points)
    tree = linkage(distances, method="average")
    if len(points) <= MOST_ORDERED:
        tree = optimal_leaf_ordering(tree, distances)
    return np.asarray(leaves_list(tree))
