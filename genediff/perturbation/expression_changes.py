"""How far genes and gene sets move against control: differences of means with their intervals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp

if TYPE_CHECKING:
    from collections.abc import Sequence

    from genediff.knowledge import GeneSets

_Z = 1.96  # of a 95% interval


@dataclass(frozen=True, eq=False)
class Changes:
    """Changes against control with 95% intervals over cells, each (gene,) or (set,).

    The intervals (Welch) say how well the cells at hand pin the means down. Of a prediction they hold what its cells
    vary, not whether it is right: only held-out cells can tell that.
    """

    change: np.ndarray
    low: np.ndarray
    high: np.ndarray


def changes(
    cells: Any, control: Any, *, groups: np.ndarray | None = None, control_groups: np.ndarray | None = None
) -> Changes:
    """Return how the mean of each column differs from control, group by group.

    Each group (cell type) is held against its own controls and counts by its share of the controls; otherwise another
    mix of types would look like a change. Groups without cells on either side are passed over.

    Parameters
    ----------
    cells, control
        Log-normalised expression, sparse or dense (cell, gene).
    groups, control_groups
        Name of each cell's group, (cell,); None: all are one.
    """
    mine = np.zeros(cells.shape[0], dtype=int) if groups is None else np.asarray(groups)
    theirs = np.zeros(control.shape[0], dtype=int) if control_groups is None else np.asarray(control_groups)
    shared = [one for one in np.unique(theirs) if (mine == one).any()]
    total = sum(int((theirs == one).sum()) for one in shared)
    change, variance = np.zeros(cells.shape[1]), np.zeros(cells.shape[1])
    for one in shared:
        here, there = np.flatnonzero(mine == one), np.flatnonzero(theirs == one)
        weight = len(there) / total
        mean, spread = _moments(cells[here])
        start, noise = _moments(control[there])
        change += weight * (mean - start)
        variance += weight**2 * (spread / len(here) + noise / len(there))
    if not shared:
        change[:] = variance[:] = np.nan
    error = _Z * np.sqrt(variance)
    return Changes(change, change - error, change + error)


def over_sets(x: Any, gene_sets: GeneSets, genes: Sequence[str]) -> np.ndarray:
    """Return the mean of each cell over each set's genes, (cell, set); sets have one of the genes at least."""
    members = gene_sets.members(genes)
    rows = np.concatenate([np.full(len(one), number) for number, one in enumerate(members)]).astype(int)
    weight = np.concatenate([np.full(len(one), 1 / max(len(one), 1)) for one in members])
    average = sp.csr_matrix((weight, (np.concatenate(members).astype(int), rows)), shape=(len(genes), len(members)))
    found: Any = x @ average
    matrix: Any = found
    return matrix.toarray() if sp.issparse(found) else np.asarray(found)


def _moments(x: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and variance (with n - 1) of each column, float64."""
    n = x.shape[0]
    mean = np.asarray(x.mean(axis=0), dtype=np.float64).ravel()
    matrix: Any = x
    square = matrix.multiply(x) if sp.issparse(x) else np.square(x)
    mean_square = np.asarray(square.mean(axis=0), dtype=np.float64).ravel()
    return mean, np.maximum(mean_square - mean**2, 0) * n / max(n - 1, 1)
