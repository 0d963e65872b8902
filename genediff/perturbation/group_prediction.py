"""A prediction over several contexts, put together: its cells, and how far each gene changes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from genediff.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from genediff.data.importing.perturbation_names import Perturbation
    from genediff.perturbation.prediction import Prediction, Predictor

_FEWEST = 8


@dataclass(frozen=True, eq=False)
class Joined:
    """Predicted cells of all contexts of a group.

    Attributes
    ----------
    name, title
        Of the predictor.
    x
        Log-normalised expression, (cell, gene).
    counts
        Of the same cells; None where there are none.
    source
        Row numbers of the control cells that they were made from, (cell,).
    contexts
        Of each cell, (cell,) of str.
    delta, low, high
        Mean change of each gene and its interval, each context by its share of the control cells, (gene,).
    spread
        Standard deviation of the change over seeds, (gene,); None for a predictor that draws nothing.
    notes
        What the predictions rest on.
    """

    name: str
    title: str
    x: np.ndarray
    counts: np.ndarray | None
    source: np.ndarray
    contexts: np.ndarray
    delta: np.ndarray
    low: np.ndarray | None
    high: np.ndarray | None
    spread: np.ndarray | None
    notes: tuple[str, ...]


def predict_group(
    predictor: Predictor, perturbation: Perturbation, rows: np.ndarray, contexts: np.ndarray, *, n_cells: int,
    seeds: Sequence[int] = (0,), progress: Callable[[float], None] = lambda share: None,
) -> Joined:  # fmt: skip
    """Predict what a perturbation makes of control cells of several contexts.

    Parameters
    ----------
    predictor
        A baseline or a model.
    perturbation
        What is done.
    rows
        Row numbers of control cells.
    contexts
        Context of each of these, (row,). Contexts with fewer than two control cells are passed over.
    n_cells
        About how many cells, dealt out as the control cells are.
    seeds
        The first gives the cells; the others tell how far the change depends on it.
    progress
        Told the share that is done; may raise to stop.

    Raises
    ------
    InputError
        When no context has enough control cells.
    """
    names = [one for one in np.unique(contexts) if (contexts == one).sum() > 1]
    if not names:
        raise InputError("There are too few control cells in this group to start a prediction from; choose more cells.")
    own = [rows[contexts == name] for name in names]
    total = sum(len(one) for one in own)
    runs: list[list[Prediction]] = []
    for run, seed in enumerate(seeds):
        made = []
        for place, (name, part) in enumerate(zip(names, own, strict=True)):
            n = max(_FEWEST, round(n_cells * len(part) / total))
            made.append(predictor.predict(perturbation, part, context=str(name), n_cells=n, seed=seed))
            progress((run + (place + 1) / len(names)) / len(seeds))
        runs.append(made)
    share = np.array([len(one) for one in own]) / total
    first = runs[0]
    deltas = np.array([_weighted([one.delta for one in made], share) for made in runs])  # (seed, gene)
    counts = [one.counts for one in first if one.counts is not None]
    lows = [one.low for one in first if one.low is not None]
    highs = [one.high for one in first if one.high is not None]
    whole = len(lows) == len(highs) == len(first)
    return Joined(
        name=predictor.name,
        title=predictor.title,
        x=np.concatenate([one.x for one in first]),
        counts=np.concatenate(counts) if len(counts) == len(first) else None,
        source=np.concatenate([one.source for one in first]),
        contexts=np.concatenate([np.full(len(one.x), one.context, dtype=object) for one in first]),
        delta=deltas.mean(axis=0),
        low=_weighted(lows, share) if whole else None,
        high=_weighted(highs, share) if whole else None,
        spread=deltas.std(axis=0, ddof=1) if len(runs) > 1 else None,
        notes=tuple(dict.fromkeys(note for one in first for note in one.notes)),
    )


def _weighted(parts: Sequence[np.ndarray], share: np.ndarray) -> np.ndarray:
    return np.average(np.asarray(parts), axis=0, weights=share)
