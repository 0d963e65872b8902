"""Activities of tokens by groups of cells, and what sets some cells apart from all others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import sparse
from scipy.stats import rankdata

from genediff.inspection.probe import some_rows

if TYPE_CHECKING:
    from genediff.inspection.stored import Activations

MOST_RANKED = 10_000  # cells on which overlaps of distributions are measured
MOST_SORTED = 2**21  # tokens x cells that are sorted for it


def group_means(found: Activations, codes: np.ndarray, n_groups: int) -> np.ndarray:
    """Return the mean activity of each token in each group, in standard deviations over all cells, (token, group).

    Parameters
    ----------
    codes
        Group of each cell of the data set, -1 for none, (cell,). A group without cells is NaN.
    """
    own = codes[found.rows]
    inside = own >= 0
    one = sparse.csr_matrix(
        (np.ones(int(inside.sum()), dtype=np.float32), (np.flatnonzero(inside), own[inside])),
        shape=(len(own), n_groups),
    )
    counts = np.asarray(one.sum(0)).ravel()
    sums = np.asarray(one.T @ np.asarray(found.values).T).T  # (token, group)
    means = np.divide(sums, counts, out=np.full(sums.shape, np.nan), where=counts > 0)
    centre, spread = centre_and_spread(found)
    return ((means - centre[:, None]) / spread[:, None]).astype(np.float32)


def centre_and_spread(found: Activations) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and standard deviation of each token's activity over cells, (token,) each; a deviation is never 0."""
    values = np.asarray(found.values)
    return values.mean(1, dtype=np.float64), np.maximum(values.std(1, dtype=np.float64), 1e-9)


def sets_apart(found: Activations, chosen: np.ndarray) -> pd.DataFrame:
    """Compare some cells with all others, token by token.

    Parameters
    ----------
    chosen
        Bool over the cells of the data set, (cell,).

    Returns
    -------
    pandas.DataFrame
        Indexed by token, strongest first: ``difference`` of means in standard deviations over all cells, and ``auc``,
        the chance that a chosen cell is more active than another one (0.5: no difference), on up to 10,000 cells. Empty
        where one side has no cell.
    """
    inside = chosen[found.rows]
    if not inside.any() or inside.all():
        return pd.DataFrame({"difference": [], "auc": []})
    values = np.asarray(found.values)
    _, spread = centre_and_spread(found)
    difference = (values[:, inside].mean(1) - values[:, ~inside].mean(1)) / spread
    ones, others = np.flatnonzero(inside), np.flatnonzero(~inside)
    most = min(MOST_RANKED, max(200, MOST_SORTED // len(values))) // 2
    ones, others = ones[some_rows(len(ones), most)], others[some_rows(len(others), most)]
    ranks = rankdata(values[:, np.concatenate([ones, others])], axis=1)
    n, m = len(ones), len(others)
    auc = (ranks[:, :n].sum(1) - n * (n + 1) / 2) / (n * m)
    table = pd.DataFrame({"difference": difference, "auc": auc}, index=pd.Index(found.names, name="token"))
    return table.loc[table["difference"].abs().sort_values(ascending=False, kind="stable").index]
