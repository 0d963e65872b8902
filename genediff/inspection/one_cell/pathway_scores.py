"""How active gene sets are in a cell, without any model: the mean standardised expression of their genes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Sequence

    from genediff.knowledge import GeneSets


def set_scores(x: np.ndarray, gene_sets: GeneSets, genes: Sequence[str]) -> np.ndarray:
    """Return the mean of standardised x (cell, gene) over the genes of each set, (cell, set)."""
    return np.stack([x[:, members].mean(1) for members in gene_sets.members(genes)], axis=1)


def score_table(x: np.ndarray, compared: np.ndarray, gene_sets: GeneSets, genes: Sequence[str]) -> pd.DataFrame:
    """Score the sets of one cell and say how unusual that is.

    Parameters
    ----------
    x
        Standardised expression of the cell, (gene,).
    compared
        Of other cells, (cell, gene).

    Returns
    -------
    pandas.DataFrame
        By set: genes, score, share of the other cells below it (0 to 1), and how many standard deviations of the other
        cells it is away from their mean; the highest of these first.
    """
    own, others = set_scores(x[None], gene_sets, genes)[0], set_scores(compared, gene_sets, genes)
    spread = np.maximum(others.std(0), 1e-6)
    table = pd.DataFrame(
        {
            "set": list(gene_sets.sets),
            "genes": [len(members) for members in gene_sets.sets.values()],
            "score": own,
            "below": (others < own).mean(0),
            "deviation": (own - others.mean(0)) / spread,
        }
    )
    return table.sort_values("deviation", ascending=False, kind="stable", ignore_index=True)
