"""Two-sample test by classifier: can a random forest tell generated cells from real ones?"""

from __future__ import annotations

import numpy as np
from sklearn import config_context
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold
from sklearn.tree import DecisionTreeRegressor


def forest_auc(
    generated: np.ndarray, real: np.ndarray, *, seed: int = 0, n_trees: int = 100, n_folds: int = 5
) -> float:
    """Cross-validated AUC of a random forest that tells generated cells from real ones.

    Every cell is judged by a forest that has not seen it; 0.5 means that the two are indistinguishable.

    Parameters
    ----------
    generated, real
        Features, `(cell, feature)`; equal numbers of cells, or the AUC is that of unequal classes.
    seed
        Of the folds and the forests.
    n_trees
        Trees in each forest.
    n_folds
        Parts of the cross-validation; fewer when a side has fewer cells.

    Returns
    -------
    float
        Mean over folds, 0 to 1.

    Raises
    ------
    ValueError
        When a side has fewer than two cells.

    References
    ----------
    Lopez-Paz & Oquab, Revisiting classifier two-sample tests, ICLR 2017.
    """
    smaller = min(len(generated), len(real))
    if smaller < 2:
        raise ValueError(f"each side needs at least 2 cells, got {len(generated)} and {len(real)}")
    features = np.concatenate([generated, real]).astype(np.float32)  # (cell of both, feature)
    is_generated = np.repeat([1, 0], [len(generated), len(real)])
    folds = StratifiedKFold(min(n_folds, smaller), shuffle=True, random_state=seed)
    rng, aucs = np.random.default_rng(seed), []
    with config_context(skip_parameter_validation=True, assume_finite=True):  # else a quarter of the time of small sets
        for train, held_out in folds.split(features, is_generated):
            chance = _forest_votes(features[train], is_generated[train], features[held_out], n_trees, rng)
            aucs.append(roc_auc_score(is_generated[held_out], chance))
    return float(np.mean(aucs))


def _forest_votes(
    features: np.ndarray, classes: np.ndarray, asked: np.ndarray, n_trees: int, rng: np.random.Generator
) -> np.ndarray:
    """Return the share of class 1 in a random forest's leaves, averaged over its trees, of each asked row.

    scikit-learn's own forest clones and checks every tree anew, and its classification trees look through the classes
    each time, which is most of the time for some hundred cells. Of classes 0 and 1 the variance is half of Gini's
    impurity, so trees of regression split at the same places.
    """
    n, votes, targets = len(features), np.zeros(len(asked)), classes.astype(np.float64)
    for _ in range(n_trees):
        drawn = np.bincount(rng.integers(n, size=n), minlength=n).astype(np.float64)  # a bootstrap sample
        tree = DecisionTreeRegressor(max_features="sqrt", random_state=int(rng.integers(2**31)))
        tree.fit(features, targets, sample_weight=drawn, check_input=False)
        votes += tree.predict(asked, check_input=False)
    return votes / n_trees
