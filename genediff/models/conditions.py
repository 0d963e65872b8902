"""Which conditions to generate for, when some are asked for and the rest is left open."""

from __future__ import annotations

from typing import TYPE_CHECKING

from genediff.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    import pandas as pd
    from torch import Tensor

    from genediff.data.cells.dataset import Dataset
    from genediff.models.generative_model import GenerativeModel
    from genediff.models.model_info import ModelSpec


LARGE = 20_000
"""Above so many cells a generation is a run of its own, whose memory does not grow with them."""


def cells_at_once(n: int) -> int:
    """Return how many of n cells are drawn together, the same in the app and on the command line.

    Noise is drawn by batch, so this decides which cells a seed gives; small batches let progress be seen.
    """
    return min(1024, max(250, n // 8))


def check_conditions(spec: ModelSpec, fixed: dict[str, str]) -> None:
    """Raise an InputError for a column or level that the model does not know."""
    for column, level in fixed.items():
        if level not in spec.levels.get(column, ()):
            raise InputError(f"This model knows no “{level}” in “{column}”; choose one of its own.")


def column_of(level: str, levels: Mapping[str, Sequence[str]]) -> str:
    """Return the one condition that has this level; InputError where none has it, or several have."""
    columns = [column for column, known in levels.items() if level in known]
    if len(columns) == 1:
        return columns[0]
    if columns:
        raise InputError(f"'{level}' is a level of {' and of '.join(columns)}; name the column as a condition.")
    known = "; ".join(f"{column}: {', '.join(names)}" for column, names in levels.items())
    raise InputError(f"This model knows no label '{level}'; it knows {known or 'none at all'}.")


def judged_by(fixed: dict[str, str], label: str | None) -> tuple[str | None, list[str] | None]:
    """Return the column and the levels of the real cells that generated ones are judged by.

    Cells of one kind are judged by real cells of that kind: all others were not asked for.
    """
    if not fixed:
        return label, None
    column = label if label in fixed else next(iter(fixed))
    return column, [fixed[column]]


def draw_conditions(spec: ModelSpec, fixed: dict[str, str], *, n: int, seed: int) -> pd.DataFrame | None:
    """Return one row of conditions per cell: fixed columns as asked, the others as they occur with them in the data.

    Parameters
    ----------
    spec
        What the model knows of its training cells: levels, and how often they occurred together.
    fixed
        Level by column; columns that are left out follow the training cells of those levels, or all training cells
        where no training cell had them together.
    n, seed
        How many rows, and the seed of the draw.

    Returns
    -------
    pandas.DataFrame or None
        None when nothing is fixed: the model then draws by itself.

    Raises
    ------
    InputError
        For a column or level that the model does not know.
    """
    import numpy as np
    import pandas as pd

    if not fixed:
        return None
    drawn = draw_codes(spec, fixed, n=n, seed=seed)
    levels = {c: np.array([*spec.levels[c], None], dtype=object) for c in spec.levels}
    return pd.DataFrame({c: levels[c][drawn[:, i]] for i, c in enumerate(levels)})


def draw_codes(spec: ModelSpec, fixed: dict[str, str], *, n: int, seed: int) -> np.ndarray:
    """Return the level codes (cell, column) of `draw_conditions`, -1 for no label; `fixed` may not be empty.

    Raises
    ------
    InputError
        For a column or level that the model does not know.
    """
    import numpy as np

    check_conditions(spec, fixed)
    columns = list(spec.levels)
    rows = np.array([codes for codes, _ in spec.combinations], dtype=int).reshape(-1, len(columns))
    weights = np.array([count for _, count in spec.combinations], dtype=float)
    wanted = {columns.index(c): spec.levels[c].index(level) for c, level in fixed.items()}
    fits = np.all([rows[:, position] == code for position, code in wanted.items()], axis=0)
    if not fits.any():
        fits = np.ones(len(rows), dtype=bool)
    chance = np.where(fits, weights, 0.0)
    drawn = rows[np.random.default_rng(seed).choice(len(rows), size=n, p=chance / chance.sum())]
    for position, code in wanted.items():
        drawn[:, position] = code
    return drawn


def level_codes(model: GenerativeModel, dataset: Dataset, split: str) -> Tensor:
    """Return the model's level codes (cell, column) of the cells of a split; an unknown level is "no label"."""
    import numpy as np
    import torch

    columns = []
    for name, levels in model.spec.levels.items():
        own = list(dataset.vocabulary(name))
        table = np.array([levels.index(level) if level in levels else len(levels) for level in own] + [len(levels)])
        columns.append(torch.from_numpy(table[dataset.codes(name, split)]))  # -1, not known, is the last
    n = len(dataset.rows(split))
    return torch.stack(columns, 1) if columns else torch.zeros(n, 0, dtype=torch.long)
