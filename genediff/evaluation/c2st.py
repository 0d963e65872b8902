"""Two-sample test by classifier: can a random forest tell generated cells from real ones?"""

from __future__ import annotations

import numpy as np
from sklearn import config_context
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold


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
    aucs = []
    with config_context(skip_parameter_validation=True, assume_finite=True):  # else a quarter of the time of small sets
        for train, held_out in folds.split(features, is_generated):
            # One thread: scikit-learn's threads reset the process's warning filters under each other's feet.
            forest = RandomForestClassifier(n_trees, random_state=seed, n_jobs=1)
            forest.fit(features[train], is_generated[train])
            chance = forest.predict_proba(features[held_out])[:, 1]
            aucs.append(roc_auc_score(is_generated[held_out], chance))
    return float(np.mean(aucs))
