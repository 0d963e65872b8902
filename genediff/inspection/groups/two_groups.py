"""Do the activations of two groups of cells differ? By token: the Mann-Whitney test, its AUC, and how sure that is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from genediff.core.errors import InputError
from genediff.core.stats import cohens_d, false_discovery_rates, mann_whitney
from genediff.inspection.groups.replicates import Replicates, between_replicates

if TYPE_CHECKING:
    from collections.abc import Sequence

LEAST_CELLS = 5
MOST_NUMBERS = 1_000_000  # tokens x cells that are ranked
LEAST_SAMPLE = 2_000


@dataclass(frozen=True, eq=False)
class Comparison:
    """The outcome of a test between two groups, token by token.

    Attributes
    ----------
    table
        The largest effect first: ``token``; ``auc``, the chance that a cell of the first group lies above one of the
        second (0.5: no difference), and its interval ``auc_low`` to ``auc_high``; ``difference`` of the means in pooled
        standard deviations, and ``difference_low`` to ``difference_high``; ``p_value`` of the Mann-Whitney test, its
        ``log10_p`` (which does not underflow), and ``fdr`` after Benjamini and Hochberg. With replicates also
        ``p_replicates`` and ``fdr_replicates``.
    n_first, n_second
        Cells in the groups.
    n_used
        Cells that were ranked: all, or of very many a fixed random sample, which p-values and intervals are of.
    replicates
        How replicates were compared; None where there are too few.
    """

    table: pd.DataFrame
    n_first: int
    n_second: int
    n_used: int
    replicates: Replicates | None

    @property
    def caution(self) -> str:
        """What the p-values do not say."""
        cells = (
            "Cells of one donor or dish are not independent of each other, so the p-values of thousands of cells say "
            "that a difference is there in these cells, not that another donor would show it: read the size of the "
            "effect first."
        )
        if self.replicates is None:
            return cells + " This data set names no column of replicates (batch) with three or more in the groups."
        return f"{cells} {self.replicates.design.sentence}"


def compare_groups(
    values: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
    names: Sequence[str],
    *,
    replicates: np.ndarray | None = None,
    seed: int = 0,
) -> Comparison:
    """Test every token between two groups of cells.

    Parameters
    ----------
    values
        One number per token and cell, (token, cell).
    first, second
        Which cells are in each group, bool (cell,).
    names
        Of the tokens.
    replicates
        The donor, dish or batch of each cell as a code, (cell,); -1 for none.
    seed
        Of the sample that is taken from very many cells.

    Raises
    ------
    InputError
        When a group has fewer than five cells, or a cell is in both.

    Notes
    -----
    The tests and intervals are those of `genediff.core.stats`. Of very many cells a sample is ranked, and all figures
    are of the sample: 95% intervals with the sizes of the whole groups held the true AUC in 35 to 67%.
    """
    _check(values, first, second, names)
    own, other = np.flatnonzero(first), np.flatnonzero(second)
    most = max(LEAST_SAMPLE, MOST_NUMBERS // max(1, len(values)))
    draw = np.random.default_rng(seed)
    a, b = (_sample(np.asarray(values), rows, most // 2, draw) for rows in (own, other))  # (token, cell)
    # Intervals and p-values are of the cells that were ranked, however many more there are.
    test, (difference, half) = mann_whitney(a, b), cohens_d(a, b)
    p_value = np.exp(test.log_p)
    table = pd.DataFrame(
        {
            "token": list(names),
            "auc": test.auc,
            "auc_low": test.low,
            "auc_high": test.high,
            "difference": difference,
            "difference_low": difference - half,
            "difference_high": difference + half,
            "p_value": p_value,
            "log10_p": test.log_p / np.log(10),
            "fdr": false_discovery_rates(p_value),
        }
    )
    found = None if replicates is None else between_replicates(values, first, second, replicates)
    if found is not None:
        table["p_replicates"] = found.p_values
        table["fdr_replicates"] = false_discovery_rates(found.p_values)
    order = np.argsort(-np.abs(test.auc - 0.5), kind="stable")
    n_used = a.shape[1] + b.shape[1]
    return Comparison(table.iloc[order].reset_index(drop=True), len(own), len(other), n_used, found)


def _check(values: np.ndarray, first: np.ndarray, second: np.ndarray, names: Sequence[str]) -> None:
    if values.ndim != 2 or len(values) != len(names) or not (len(first) == len(second) == values.shape[1]):
        raise ValueError(f"values {values.shape}, groups {first.shape}, {second.shape} and {len(names)} names differ")
    for group, word in ((first, "first"), (second, "second")):
        if group.sum() < LEAST_CELLS:
            raise InputError(
                f"The {word} group has {int(group.sum())} cells; choose a group of {LEAST_CELLS} or more to compare."
            )
    if both := int((first & second).sum()):
        raise InputError(f"{both:,} cells are in both groups; choose two groups that share no cell.")


def _sample(values: np.ndarray, rows: np.ndarray, most: int, draw: np.random.Generator) -> np.ndarray:
    if len(rows) > most:
        rows = np.sort(draw.permutation(rows)[:most])
    return values[:, rows].astype(np.float64)
