"""Metrics from nearest neighbours: 1-NN test, precision, recall, density, coverage, distance to training cells."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.neighbors import NearestNeighbors

K = 5


@dataclass(frozen=True)
class Manifold:
    """Precision, recall, density and coverage; all near 1 when the two sets lie over each other."""

    precision: float
    recall: float
    density: float
    coverage: float


def one_nn_accuracy(within_generated: np.ndarray, within_real: np.ndarray, between: np.ndarray) -> float:
    """Leave-one-out accuracy of the 1-nearest-neighbour rule that tells generated cells from real ones.

    0.5 when the two sets are mixed, 1 when they lie apart, and below 0.5 when generated cells sit on top of real
    ones (copies).

    Parameters
    ----------
    within_generated, within_real, between
        Distances, `(generated, generated)`, `(real, real)` and `(generated, real)`.

    References
    ----------
    Lopez-Paz & Oquab, Revisiting classifier two-sample tests, ICLR 2017.
    """
    generated_right = _others(within_generated).min(1) < between.min(1)  # (generated,)
    real_right = _others(within_real).min(1) < between.min(0)  # (real,)
    return float(np.concatenate([generated_right, real_right]).mean())


def manifold(within_generated: np.ndarray, within_real: np.ndarray, between: np.ndarray, *, k: int = K) -> Manifold:
    """Precision, recall, density and coverage from balls around cells.

    The ball of a cell reaches to its k-th nearest neighbour in its own set. Precision: share of generated cells in
    the ball of some real cell. Recall: share of real cells in the ball of some generated cell. Density: number of
    real balls that hold a generated cell, over k. Coverage: share of real balls that hold a generated cell.

    Parameters
    ----------
    within_generated, within_real, between
        Distances, `(generated, generated)`, `(real, real)` and `(generated, real)`.
    k
        Neighbour that sets the radius.

    Raises
    ------
    ValueError
        When a side has k cells or fewer.

    References
    ----------
    Kynkäänniemi et al., NeurIPS 2019; Naeem et al., ICML 2020.
    """
    if min(between.shape) <= k:
        raise ValueError(f"each side needs more than k = {k} cells, got {between.shape[0]} and {between.shape[1]}")
    real_radius = np.partition(_others(within_real), k - 1, axis=1)[:, k - 1]  # (real,)
    generated_radius = np.partition(_others(within_generated), k - 1, axis=1)[:, k - 1]  # (generated,)
    in_real_ball = between <= real_radius[None, :]  # (generated, real)
    in_generated_ball = between <= generated_radius[:, None]  # (generated, real)
    return Manifold(
        precision=float(in_real_ball.any(1).mean()),
        recall=float(in_generated_ball.any(0).mean()),
        density=float(in_real_ball.sum(1).mean() / k),
        coverage=float(in_real_ball.any(0).mean()),
    )


def nearest_distance(cells: np.ndarray, training: np.ndarray) -> np.ndarray:
    """Distance of each cell to the nearest training cell, `(cell,)`.

    Parameters
    ----------
    cells, training
        `(cell, feature)`.
    """
    cells, training = np.asarray(cells, dtype=np.float64), np.asarray(training, dtype=np.float64)
    # Brute force: trees are slow in 50 dimensions. From the difference itself: copies then have distance zero.
    search = NearestNeighbors(n_neighbors=1, algorithm="brute").fit(training)
    return np.linalg.norm(cells - training[search.kneighbors(cells, return_distance=False)[:, 0]], axis=1)


def train_ratio(generated: np.ndarray, real: np.ndarray) -> float:
    """Median distance of generated cells to their nearest training cell, over that of held-out real cells.

    1: as far from the training cells as new real cells are. Near 0: copies. Well above 1: off the data.

    Parameters
    ----------
    generated, real
        Distances to the nearest training cell, `(cell,)`.
    """
    return float(np.median(generated)) / max(float(np.median(real)), np.finfo(float).tiny)


def too_near_share(generated: np.ndarray, real: np.ndarray, *, quantile: float = 0.01) -> float:
    """Share of generated cells nearer to a training cell than all but 1% of held-out real cells are.

    0.01 is expected of cells that are new; a model that copies one cell in ten shows at least 0.1, which the median
    ratio does not.

    Parameters
    ----------
    generated, real
        Distances to the nearest training cell, `(cell,)`.
    quantile
        Share of held-out cells taken as "too near".
    """
    return float((generated < np.quantile(real, quantile)).mean())


def _others(distances: np.ndarray) -> np.ndarray:
    """Return the distances with a cell's distance to itself made infinite."""
    others = distances.copy()
    np.fill_diagonal(others, np.inf)
    return others
