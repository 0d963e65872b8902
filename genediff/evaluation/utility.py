"""Are generated cells of use: train a cell-type classifier on them, test it on real cells."""

from __future__ import annotations

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

MIN_CELLS = 10


def synthetic_to_real_f1(
    generated: np.ndarray, generated_codes: np.ndarray, real: np.ndarray, real_codes: np.ndarray
) -> float:
    """Macro F1 on real cells of a logistic regression trained on generated cells (TSTR).

    The mean runs over the labels with at least ten real cells; a label that was never generated scores 0.

    Parameters
    ----------
    generated, real
        Features, `(cell, feature)`.
    generated_codes, real_codes
        Labels as numbers, `(cell,)`; -1 (no label) is left out.

    Returns
    -------
    float
        0 to 1; NaN when there are fewer than two labels to tell apart.

    References
    ----------
    Esteban et al., Real-valued (medical) time series generation with recurrent conditional GANs, 2017.
    """
    known, asked = generated_codes >= 0, real_codes >= 0
    names, sizes = np.unique(real_codes[asked], return_counts=True)
    names = names[sizes >= MIN_CELLS]
    if len(names) < 2 or len(np.unique(generated_codes[known])) < 2:
        return float("nan")
    classifier = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    classifier.fit(generated[known], generated_codes[known])
    predicted = classifier.predict(real[asked])
    return float(f1_score(real_codes[asked], predicted, labels=names, average="macro", zero_division=0))
