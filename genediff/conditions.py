"""Which conditions to generate for, when some are asked for and the rest is left open."""

from __future__ import annotations

from typing import TYPE_CHECKING

from genediff.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from genediff.model_info import ModelSpec


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
