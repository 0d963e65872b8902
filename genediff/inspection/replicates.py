"""A test whose sample size is the number of replicates (donors, dishes, batches), not of cells."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import ttest_1samp, ttest_ind

LEAST_CELLS = 5  # of a replicate in a group, for its mean to count
LEAST_REPLICATES = 3


@dataclass(frozen=True, eq=False)
class Replicates:
    """Two-sided p-values (token,) of a t-test between the means of replicates.

    ``paired``: the same replicates are in both groups and their differences were tested; else two sets of replicates
    were compared after Welch.
    """

    p_values: np.ndarray
    n_first: int
    n_second: int
    paired: bool

    @property
    def sentence(self) -> str:
        """What was compared with what."""
        if self.paired:
            return (
                f"So the means of the same {self.n_first} replicates in both groups are compared too (paired t-test)."
            )
        return f"So the means of {self.n_first} against {self.n_second} replicates are compared too (Welch's t-test)."


def between_replicates(
    values: np.ndarray, first: np.ndarray, second: np.ndarray, replicates: np.ndarray
) -> Replicates | None:
    """Test tokens between groups by the means of replicates; None where there are fewer than three.

    Parameters
    ----------
    values
        One number per token and cell, (token, cell).
    first, second
        Which cells are in each group, bool (cell,).
    replicates
        The replicate of each cell as a code, (cell,); -1 for none.
    """
    a, b = _means(values, first, replicates), _means(values, second, replicates)
    both = sorted(set(a) & set(b))
    if len(both) >= LEAST_REPLICATES:
        gaps = np.stack([a[code] - b[code] for code in both], axis=1)  # (token, replicate)
        return Replicates(_p(gaps), len(both), len(both), paired=True)
    if both or min(len(a), len(b)) < LEAST_REPLICATES:
        return None
    left, right = (np.stack(list(means.values()), axis=1) for means in (a, b))
    moves = (left.std(1) + right.std(1)) > 1e-12
    p = np.ones(len(left))
    p[moves] = np.asarray(ttest_ind(left[moves], right[moves], axis=1, equal_var=False).pvalue)
    return Replicates(p, left.shape[1], right.shape[1], paired=False)


def _means(values: np.ndarray, group: np.ndarray, replicates: np.ndarray) -> dict[int, np.ndarray]:
    """Return the mean (token,) of every replicate with enough cells in the group."""
    found = {}
    for code in np.unique(replicates[group & (replicates >= 0)]).tolist():
        rows = np.flatnonzero(group & (replicates == code))
        if len(rows) >= LEAST_CELLS:
            found[code] = np.asarray(values[:, rows], dtype=np.float64).mean(1)
    return found


def _p(gaps: np.ndarray) -> np.ndarray:
    moves = gaps.std(1) > 1e-12
    p = np.ones(len(gaps))
    p[moves] = np.asarray(ttest_1samp(gaps[moves], 0.0, axis=1).pvalue)
    return p
