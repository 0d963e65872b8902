"""Conditions of an adapted model: the levels that its base knows, and then those that are new."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from genediff.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

    from genediff.data.cells.dataset import Dataset


@dataclass(frozen=True)
class GrownLevels:
    """Columns in order, those of the base first; a column that the new data continue takes their name for it.

    ``levels`` are all levels of each column, ``known`` how many of them (from the front) the base knows, and ``own``
    whether the new data have the column.
    """

    levels: dict[str, tuple[str, ...]]
    known: tuple[int, ...]
    own: tuple[bool, ...]

    @property
    def new(self) -> dict[str, tuple[str, ...]]:
        """The levels of each column that the base does not know."""
        return {column: names[n:] for (column, names), n in zip(self.levels.items(), self.known, strict=True)}

    def codes(self, dataset: Dataset, split: str) -> Tensor:
        """Return the level codes (cell, column) of a part of the new data; the number of levels means "no label"."""
        n = len(dataset.rows(split))
        codes = torch.empty(n, len(self.levels), dtype=torch.long)
        for i, (column, names) in enumerate(self.levels.items()):
            if not self.own[i]:
                codes[:, i] = len(names)
                continue
            place = {name: code for code, name in enumerate(names)}
            # One more at the end: code -1 of a cell without a label finds it.
            places = np.array([*(place[name] for name in dataset.vocabulary(column)), len(names)])
            codes[:, i] = torch.from_numpy(places[dataset.codes(column, split)])
        return codes


def grow_levels(base: Mapping[str, Sequence[str]], wanted: Mapping[str, str | None], dataset: Dataset) -> GrownLevels:
    """Return the conditions of the adapted model.

    Parameters
    ----------
    base
        The base's conditions with their levels.
    wanted
        Columns of the data, each with the base's column that it continues, or None.
    dataset
        The new data.

    Raises
    ------
    InputError
        For a column that the data or the base do not have, or two columns that continue the same one.
    """
    offered = set(dataset.info.conditions) | ({dataset.info.label} if dataset.info.label else set())
    if missing := [column for column in wanted if column not in offered]:
        known = ", ".join(sorted(offered)) or "none"
        raise InputError(f"{dataset.info.name!r} has no condition {missing[0]!r}; it was imported with: {known}")
    continued = {old: column for column, old in wanted.items() if old is not None}
    if unknown := [old for old in continued if old not in base]:
        raise InputError(f"the model has no condition {unknown[0]!r}; it knows: {', '.join(base) or 'none'}")
    if len(continued) < sum(old is not None for old in wanted.values()):
        raise InputError("two columns of the data continue the same condition of the model; choose one of them")
    levels: dict[str, tuple[str, ...]] = {}
    known_levels, own = [], []
    for old, names in base.items():
        column = continued.get(old)
        fresh = () if column is None else tuple(n for n in dataset.vocabulary(column) if n not in set(names))
        levels[column or old] = (*names, *fresh)
        known_levels.append(len(names))
        own.append(column is not None)
    for column, continues in wanted.items():
        if continues is None:
            if column in levels:
                raise InputError(f"the model already has a condition {column!r}; let the column continue it")
            levels[column] = dataset.vocabulary(column)
            known_levels.append(0)
            own.append(True)
    if len(levels) < len(known_levels):
        raise InputError("two conditions of the adapted model would have the same name; continue the one of that name")
    return GrownLevels(levels, tuple(known_levels), tuple(own))
