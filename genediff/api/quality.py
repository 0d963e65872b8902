"""Generated cells judged by held-out ones, as a small table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from genediff.evaluation import BASELINES
from genediff.evaluation import evaluate as judge
from genediff.evaluation.evaluate_cells import SEEDS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pandas as pd
    from anndata import AnnData

    from genediff.api.user_cells import Cells


def evaluate(
    generated: AnnData,
    cells: Cells,
    *,
    label: str | None = None,
    seeds: Sequence[int] = SEEDS,
    baselines: Sequence[str] = tuple(BASELINES),
    progress: Callable[[float, str], None] | None = None,
) -> pd.DataFrame:
    """Compare generated cells with held-out test cells, beside two real samples and simple baselines.

    Parameters
    ----------
    generated
        From `GeneDiff.generate` or any other tool; genes by name, counts in X.
    label
        Column of the cell types that were generated; the label of the cells where None. Where only some types were
        generated, they are judged by test cells of these types.
    seeds
        Of draws of generated cells, halves and classifiers; figures are means over them.
    baselines
        Names in `genediff.evaluation.BASELINES`; all of them unless given.

    Returns
    -------
    pandas.DataFrame
        A row per metric, a column per kind of cells. ``attrs["verdict"]`` is the conclusion in words.

    Raises
    ------
    InputError
        When genes are missing, or there are no cells to compare.
    """
    column = cells.dataset.info.label if label is None else label
    classes = None
    if column is not None and column in generated.obs:
        made = set(generated.obs[column].astype(str))
        classes = [level for level in cells.dataset.vocabulary(column) if level in made]
        classes = None if len(classes) == len(cells.dataset.vocabulary(column)) else classes
    found = judge(
        generated,
        cells.dataset,
        label=label,
        classes=classes or None,
        seeds=tuple(seeds),
        baselines=tuple(baselines),
        cache=cells.workspace.root / "cache",
        progress=progress,
    )
    table = found.summary()
    table.attrs["verdict"] = found.verdict.sentence
    return table
