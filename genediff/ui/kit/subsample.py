"""Which cells a map draws: all, or of very many always the same sample with its share of every group."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from genediff.ui.kit import explain

if TYPE_CHECKING:
    from genediff.data import Dataset

MOST_DRAWN = 100_000
"""Cells that a map draws at most: more hide one another and cost the reader time."""
LEAST = 200  # cells of each group, where it has so many


def rows(dataset: Dataset, among: np.ndarray | None = None) -> np.ndarray:
    """Return which cells a map draws, in order, (cell,).

    Parameters
    ----------
    among
        Positions in the data set, (cell,): the sample is then of these, and the answer says places among them.
    """
    n = dataset.info.n_cells if among is None else len(among)
    if n <= MOST_DRAWN:
        return np.arange(n)
    label = dataset.info.label
    codes = np.zeros(dataset.info.n_cells, dtype=np.int64) if label is None else dataset.codes(label)
    return stratified(codes if among is None else codes[among], MOST_DRAWN)


def sample_note(dataset: Dataset, among: np.ndarray | None = None, *, lasso: bool = False) -> str:
    """Return what is said under a map that does not draw all cells; nothing under one that does."""
    n = dataset.info.n_cells if among is None else len(among)
    if n <= MOST_DRAWN:
        return ""
    label = dataset.info.label
    share = "random sample" if label is None else f"stratified by {explain.plain(label)}, small groups oversampled"
    circled = " A selection counts all cells, drawn or not." if lasso else ""
    return f" Of {n:,} cells {MOST_DRAWN:,} are shown ({share}).{circled}"


def stratified(codes: np.ndarray, most: int, *, least: int = LEAST) -> np.ndarray:
    """Return the places of a sample, in order, always the same one.

    Parameters
    ----------
    codes
        Group of each cell, (cell,).
    most
        Size of the sample.
    least
        Cells that each group keeps, where it has so many and there is room; the rest is shared out by size.
    """
    if len(codes) <= most:
        return np.arange(len(codes))
    _, groups, sizes = np.unique(codes, return_inverse=True, return_counts=True)
    kept = np.minimum(sizes, min(least, most // len(sizes)))
    free, room = sizes - kept, most - int(kept.sum())
    share = free * (room / free.sum())
    take = kept + np.floor(share).astype(np.int64)
    take[np.argsort(np.floor(share) - share, kind="stable")[: most - int(take.sum())]] += 1
    mixed = np.random.default_rng(0).permutation(len(codes))
    mixed = mixed[np.argsort(groups[mixed], kind="stable")]  # group by group, each in random order
    starts = np.cumsum(sizes) - sizes
    within = np.arange(len(codes)) - np.repeat(starts, sizes)
    return np.sort(mixed[within < np.repeat(take, sizes)])
