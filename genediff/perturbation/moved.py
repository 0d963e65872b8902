"""Control cells moved so that the mean of each gene changes by a given amount."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from genediff.data.dataset import Dataset

_ROUNDS = 10
_CLUMPING = 2.0


def move_cells(
    dataset: Dataset, rows: np.ndarray, delta: np.ndarray, *, seed: int
) -> tuple[np.ndarray, np.ndarray | None]:
    """Return x of moved control cells, and their counts where the data set has counts; float32 (cell, gene) each.

    Parameters
    ----------
    dataset
        Where the control cells are.
    rows
        Their row numbers; repeated ones are moved in their own way each.
    delta
        Wanted change of mean x against these cells, (gene,); no mean falls below 0.
    seed
        The same seed gives the same cells.
    """
    if not dataset.info.has_counts:
        return _shifted(dataset.x()[rows].toarray(), delta), None
    counts = _moved_counts(dataset, dataset.counts()[rows].toarray(), delta, np.random.default_rng([seed, 23]))
    return dataset.normalise(counts), counts


def _shifted(x: np.ndarray, delta: np.ndarray) -> np.ndarray:
    """Add one number per gene to x and cut off below 0, the number chosen so that the mean is as wanted."""
    if (x < 0).any():
        return (x + delta).astype(np.float32)  # scaled values have no floor
    goal = np.maximum(x.mean(axis=0, dtype=np.float64) + delta, 0.0)
    low, high = -x.max(axis=0).astype(np.float64), np.maximum(delta, 0.0)
    for _ in range(50):
        middle = (low + high) / 2
        below = np.maximum(x + middle, 0.0).mean(axis=0) < goal
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return np.maximum(x + high, 0.0).astype(np.float32)


def _moved_counts(dataset: Dataset, counts: np.ndarray, delta: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """Thin the counts of genes that fall and add counts to genes that rise, until mean x has moved by ``delta``.

    Zeros, and the dependence of noise on the mean, so stay those of counts. A gene that falls keeps a share of each
    of its counts; a gene that rises is given more in proportion to the cells' libraries, with a gamma spread over
    cells. Random numbers are the same in all rounds, so that means rise evenly with the amounts.
    """
    library = counts.sum(axis=1, keepdims=True)  # (cell, 1)
    share = np.maximum(counts.sum(axis=0), 0.1) / max(1.0, library.sum())  # (gene,)
    rounding = draw.random(counts.shape, dtype=np.float32)
    clumped = draw.standard_gamma(_CLUMPING, counts.shape, dtype=np.float32) / np.float32(_CLUMPING)
    more = (library * share * clumped).astype(np.float32)  # what one more fold adds, (cell, gene)

    def moved(amount: np.ndarray) -> np.ndarray:
        change = np.where(amount > 0, more, counts) * amount.astype(np.float32)
        return np.maximum(np.floor(counts + change + rounding), 0.0).astype(np.float32)

    mean = dataset.normalise(counts).mean(axis=0, dtype=np.float64)
    goal = np.maximum(mean + delta, 0.0)
    # Amounts: -1 leaves nothing, 0 leaves all, 1 doubles. The bracket closes in by interpolation.
    amount = np.clip(np.expm1(goal) / np.maximum(np.expm1(mean), 1e-3), 0.0, 200.0) - 1.0
    before, value_before = np.zeros_like(amount), mean
    best, miss = np.zeros_like(amount), np.abs(mean - goal)
    for _ in range(_ROUNDS):
        value = dataset.normalise(moved(amount)).mean(axis=0, dtype=np.float64)
        better = np.abs(value - goal) < miss
        best, miss = np.where(better, amount, best), np.minimum(np.abs(value - goal), miss)
        run, rise = amount - before, value - value_before
        slope = np.where(np.abs(run) > 1e-9, rise / np.where(np.abs(run) > 1e-9, run, 1.0), 0.0)
        slope = np.clip(slope, 0.2 * np.maximum(mean, 1e-4), 5.0 + 0 * mean)
        before, value_before = amount, value
        amount = np.clip(amount + (goal - value) / slope, -1.0, 1e4)
    return moved(best)
