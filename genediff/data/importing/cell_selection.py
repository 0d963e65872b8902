"""Which cells of a file are kept, and the sentences that say why others are not."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from genediff.core.errors import InputError
from genediff.data.importing.column_roles import as_levels
from genediff.data.importing.config import MISSING

if TYPE_CHECKING:
    import pandas as pd

    from genediff.data.importing.config import ImportConfig
    from genediff.data.importing.perturbation_columns import PerturbationReading
    from genediff.data.matrices.matrix_stats import MatrixStats


def resolve(config: ImportConfig, obs: pd.DataFrame) -> ImportConfig:
    """Return the config with obs columns called as they are called here (see ``clean_obs``)."""

    def here(name: str | None) -> str | None:
        if name is None or name in obs.columns:
            return name
        plain = name.replace("/", "_")
        return next((option for option in (plain, f"{plain}_in_file") if option in obs.columns), name)

    recipe = config.recipe
    return config.model_copy(
        update={
            "label": here(config.label),
            "conditions": tuple(str(here(column)) for column in config.conditions),
            "batch": here(config.batch),
            "perturbation": here(config.perturbation),
            "split_column": here(config.split_column),
            "recipe": recipe and replace(recipe, columns=tuple(str(here(column)) for column in recipe.columns)),
            "exclude_levels": {str(here(column)): levels for column, levels in config.exclude_levels.items()},
        }
    )


def prepare_columns(obs: pd.DataFrame, config: ImportConfig) -> pd.DataFrame:
    """Check the columns that the config names and bring those with a role into levels.

    Raises
    ------
    InputError
        When a column or a level is not in the file, or a column has nearly as many values as there are cells.
    """
    obs = obs.copy()
    roles = (*config.condition_columns, *config.exclude_levels, *filter(None, [config.split_column]))
    for column in dict.fromkeys(roles):
        if column not in obs.columns:
            known = ", ".join(map(str, obs.columns)) or "none at all"
            raise InputError(f"The file has no obs column {column!r}; it has {known}.")
        levels = as_levels(obs[column])
        if levels.nunique() > max(50, len(obs) // 2):
            raise InputError(
                f"The obs column {column!r} has {levels.nunique():,} different values for {len(obs):,} cells, "
                "so it names no groups of cells; choose another column."
            )
        if column in config.condition_columns and levels.nunique() == 0:
            raise InputError(f"The obs column {column!r} is empty for every cell; choose another column or none.")
        obs[column] = levels.array
    if config.control is not None:
        known_levels = list(obs[config.perturbation].cat.categories)
        if config.control not in known_levels:
            raise InputError(
                f"The control {config.control!r} is no level of {config.perturbation!r}; "
                f"it has {', '.join(known_levels[:12])}{' and more' if len(known_levels) > 12 else ''}."
            )
    return obs


def choose_cells(
    obs: pd.DataFrame, totals: MatrixStats, config: ImportConfig, reading: PerturbationReading | None
) -> tuple[np.ndarray, list[str]]:
    """Return a mask (cell,) of the cells that are kept, and a sentence for each reason to leave others out."""
    keep = np.ones(len(obs), dtype=bool)
    notes = []

    def leave_out(mask: np.ndarray, why: str) -> None:
        n = int((mask & keep).sum())
        if n:
            notes.append(f"{n:,} {'cell was' if n == 1 else 'cells were'} left out: {why}.")
        keep[mask] = False

    for column, levels in config.exclude_levels.items():
        values = obs[column]
        for level in levels:
            if level == MISSING:
                leave_out(values.isna().to_numpy(), f"no value in {column!r}")
                continue
            if level not in values.cat.categories:
                raise InputError(
                    f"Cells with {level!r} in {column!r} are to be left out, but there are none; "
                    f"it has {', '.join(list(values.cat.categories)[:12])}."
                )
            leave_out((values == level).to_numpy(), f"{column} is {level!r}")
    if reading is not None and (unread := reading.left_out):
        shown = ", ".join(unread[:8]) + (" and others" if len(unread) > 8 else "")
        leave_out(obs[config.perturbation].isin(unread).to_numpy(), f"{config.perturbation} is {shown}")
    leave_out(totals.n_genes == 0, "nothing was measured in them")
    if config.min_genes_per_cell:
        few = totals.n_genes < config.min_genes_per_cell
        leave_out(few, f"fewer than {config.min_genes_per_cell:,} genes were seen in them")
    return keep, notes
