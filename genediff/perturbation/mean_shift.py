"""Control cells moved so that the mean of each gene changes by a given amount."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from genediff.data.cells.dataset import Dataset

_CLUMPING = 2.0
_TRIES = (8, 5, 5, 5)
_DOUBLINGS = 8
_MOST_MADE_UP = 2.0


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
        Wanted change of mean x against these cells, (gene,); no mean falls below 0. Means of x are met exactly, and
        those of the counts but for what whole counts cannot say.
    seed
        The same seed gives the same cells.
    """
    if not dataset.info.has_counts:
        return _shifted(dataset.x()[rows].toarray(), delta), None
    before = dataset.counts()[rows].toarray()
    goal = np.maximum(dataset.normalise(before).mean(axis=0, dtype=np.float64) + delta, 0.0)
    return cells_with_mean(dataset, before, goal, seed=seed)


def cells_with_mean(
    dataset: Dataset, before: np.ndarray, goal: np.ndarray, *, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return x and counts of cells, given by counts (cell, gene), changed until the mean of x is ``goal`` (gene,)."""
    counts = _moved_counts(dataset, before, goal, np.random.default_rng([seed, 23]))
    x = dataset.normalise(counts)
    # Whole counts meet a mean only nearly; what is lacking is made up in x, so that a baseline loses nothing by this.
    mean = x.mean(axis=0, dtype=np.float64)
    factor = np.where(mean > 0, goal / np.where(mean > 0, mean, 1.0), 1.0)
    return (x * np.clip(factor, 1 / _MOST_MADE_UP, _MOST_MADE_UP)).astype(np.float32), counts


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


def _moved_counts(dataset: Dataset, counts: np.ndarray, goal: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """Thin the counts of genes that fall and add counts to genes that rise, until mean x is near the goal, (gene,).

    Zeros, and the dependence of noise on the mean, so stay those of counts. A gene that falls keeps a share of each
    of its counts; a gene that rises is given more in proportion to the cells' libraries, with a gamma spread over
    cells. Random numbers are the same in all rounds, so that means rise evenly with the amounts.
    """
    target_sum = dataset.info.target_sum
    assert target_sum is not None
    library = np.maximum(counts.sum(axis=1, keepdims=True), 1.0)  # (cell, 1)
    share = np.maximum(counts.sum(axis=0), 0.1) / library.sum()  # (gene,)
    rounding = draw.random(counts.shape, dtype=np.float32)
    clumped = draw.standard_gamma(_CLUMPING, counts.shape, dtype=np.float32) / np.float32(_CLUMPING)
    more = (library * share * clumped).astype(np.float32)  # what one more fold adds, (cell, gene)

    def moved(amount: np.ndarray) -> np.ndarray:
        """-1 leaves nothing of a gene, 0 leaves all, 1 doubles it."""
        change = np.where(amount > 0, more, counts) * amount.astype(np.float32)
        return np.floor(counts + change + rounding)

    def mean(moved_counts: np.ndarray) -> np.ndarray:
        return np.log1p(moved_counts * (target_sum / library)).mean(axis=0, dtype=np.float64)

    amount = np.zeros_like(goal)
    for tries in _TRIES:
        amount = _solve(lambda a: mean(moved(a)), goal, amount, tries)
        library = np.maximum(moved(amount).sum(axis=1, keepdims=True), 1.0)  # moved genes change what all are shares of
    return moved(amount)


def _solve(value: Callable[[np.ndarray], np.ndarray], goal: np.ndarray, start: np.ndarray, tries: int) -> np.ndarray:
    """Return amounts (gene,) at which rising functions of them meet the goal, by interpolation in a closing bracket."""
    low, high = np.full_like(goal, -1.0), np.maximum(2 * start, 0.0) + 1.0
    at_low, at_high = np.zeros_like(goal), value(high)
    for _ in range(_DOUBLINGS):
        if not (short := at_high < goal).any():
            break
        low, at_low = np.where(short, high, low), np.where(short, at_high, at_low)
        high = np.where(short, 4 * high, high)
        at_high = value(high)
    here = np.clip(start, low, high)
    best, miss = here, np.full_like(goal, np.inf)
    for turn in range(tries):
        found = value(here)
        closer = np.abs(found - goal) < miss
        best, miss = np.where(closer, here, best), np.where(closer, np.abs(found - goal), miss)
        below = found < goal
        low, at_low = np.where(below, here, low), np.where(below, found, at_low)
        high, at_high = np.where(below, high, here), np.where(below, at_high, found)
        rise = at_high - at_low
        part = np.where(rise > 0, (goal - at_low) / np.where(rise > 0, rise, 1.0), 0.5)
        part = np.full_like(goal, 0.5) if turn % 3 == 2 else np.clip(part, 0.02, 0.98)
        here = low + part * (high - low)
    return best
