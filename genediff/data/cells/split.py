"""Who is trained on, who decides when to stop, who judges: seeded splits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from genediff.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable

SPLITS = ("train", "validation", "test")
_WORDS = {
    "train": {"train", "training", "tr", "fit"},
    "validation": {"validation", "valid", "val", "dev"},
    "test": {"test", "testing", "holdout", "hold-out", "held-out", "heldout"},
}
_MEANING = {word: split for split, words in _WORDS.items() for word in words}


@dataclass(frozen=True, eq=False)
class Split:
    """``values`` (cell,) are "train", "validation" or "test"; ``notes`` say what was decided on the way."""

    values: np.ndarray
    notes: tuple[str, ...]


def stratified_split(
    labels: pd.Series | None, n_cells: int, *, fractions: tuple[float, float, float], seed: int
) -> Split:
    """Split cells so that every label has the same shares in each part.

    Parameters
    ----------
    labels
        Label of each cell (cell,); missing ones form a group of their own. None: one group.
    n_cells
        Number of cells.
    fractions
        Shares of training, validation and test cells; they add up to 1.
    seed
        The same seed gives the same split.

    Returns
    -------
    Split
        A label with fewer than three cells goes to the training part whole.
    """
    rng = np.random.default_rng(seed)
    groups = np.zeros(n_cells, dtype=np.int64) if labels is None else pd.Categorical(labels).codes
    values = np.full(n_cells, "train", dtype=object)
    small = []
    for group in np.unique(groups):
        members = rng.permutation(np.flatnonzero(groups == group))
        if len(members) < 3:
            unlabelled = labels is None or group < 0
            small.append("cells without a label" if unlabelled else str(pd.Categorical(labels).categories[group]))
            continue
        n_validation, n_test = (max(1, round(len(members) * fraction)) for fraction in fractions[1:])
        while n_validation + n_test >= len(members):
            n_validation, n_test = (n_validation - 1, n_test) if n_validation > n_test else (n_validation, n_test - 1)
        values[members[:n_test]] = "test"
        values[members[n_test : n_test + n_validation]] = "validation"
    notes: tuple[str, ...] = ()
    if small:
        notes = (f"Too few cells to be split (fewer than 3), so all of them are training cells: {', '.join(small)}.",)
    return Split(values, notes)


def reads_as_split(levels: Iterable[str]) -> bool:
    """Say whether levels mean parts of a split, training and test among them, and nothing else."""
    parts = {_MEANING.get(level.strip().lower()) for level in levels}
    return None not in parts and {"train", "test"} <= parts


def split_from_column(column: pd.Series, *, labels: pd.Series | None, seed: int) -> Split:
    """Read the split from an obs column whose levels say train, validation and test.

    A column without validation cells has a quarter of its training cells set aside for that (seeded, by label).

    Raises
    ------
    InputError
        When a level means none of the three, a cell has none, or a part lacks cells.
    """
    text = column.astype("string").str.strip().str.lower()
    if text.isna().any():
        raise InputError(f"The split column {column.name!r} is empty for {int(text.isna().sum()):,} cells; fill it in.")
    unclear = sorted(set(text) - set(_MEANING))
    if unclear:
        raise InputError(
            f"The split column {column.name!r} has levels that are not clear ({', '.join(map(repr, unclear[:5]))}); "
            "rename them to train, validation and test, or let GeneDiff make the split."
        )
    values = text.map(_MEANING).to_numpy(dtype=object)
    for needed in ("train", "test"):
        if not (values == needed).any():
            raise InputError(f"The split column {column.name!r} has no {needed} cells; let GeneDiff make the split.")
    if (values == "validation").any():
        return Split(values, ())
    train = np.flatnonzero(values == "train")
    inner = stratified_split(
        None if labels is None else labels.iloc[train], len(train), fractions=(0.5, 0.25, 0.25), seed=seed
    )
    aside = train[inner.values == "validation"]
    if len(aside) == 0:
        raise InputError(
            f"The split column {column.name!r} has {len(train):,} training cells and no validation cells, too few to "
            "set some aside; let GeneDiff make the split."
        )
    values[aside] = "validation"
    return Split(
        values,
        (
            f"The split column {column.name!r} has no validation cells, so {len(aside):,} of its training cells "
            "were set aside for that.",
        ),
    )
