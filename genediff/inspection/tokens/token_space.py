"""Tokens and cells as points: principal components of what tokens do, and of cells in token space."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from genediff.inspection.tokens.probe import some_rows

if TYPE_CHECKING:
    from genediff.inspection.tokens.token_store import Activations

N_AXES = 3
MOST_CELLS = 8192  # on which axes are found; all cells are placed
BLOCK = 16_384
MOST_EXACT = 1024  # rows or features; above, axes are found by random projection (Halko et al. 2011)


@dataclass(frozen=True, eq=False)
class Points:
    """Positions on principal axes (point, axis), and the share of all variance along each axis (axis,)."""

    positions: np.ndarray
    explained: np.ndarray


def cells_as_points(found: Activations) -> Points:
    """Place cells by all numbers of their tokens, on up to three principal axes."""
    size = found.tokens.shape[0] * found.tokens.shape[1]
    flat = found.tokens.reshape(size, -1)  # (number, cell), still on disk
    some = np.asarray(flat[:, some_rows(flat.shape[1], MOST_CELLS)], dtype=np.float32)
    centre = some.mean(1, keepdims=True)
    axes, explained = _axes((some - centre).T)
    parts = [
        (flat[:, start : start + BLOCK] - centre).T @ axes.T for start in range(0, flat.shape[1], BLOCK)
    ]  # (cell, axis)
    return Points(np.concatenate(parts).astype(np.float32), explained)


def tokens_as_points(profiles: np.ndarray) -> Points:
    """Place tokens by what they do, on up to three principal axes.

    Parameters
    ----------
    profiles
        One row per token, (token, feature): the change of each gene, or the activity over cells. Rows are brought to
        mean 0 and length 1, so that direction counts and strength does not: tokens that say the same coincide, a token
        and its mirror image lie opposite each other.
    """
    rows = profiles.astype(np.float64) - profiles.mean(1, keepdims=True, dtype=np.float64)
    length = np.sqrt((rows**2).sum(1, keepdims=True))
    rows = np.divide(rows, length, out=np.zeros_like(rows), where=length > 1e-12)
    centred = rows - rows.mean(0)
    axes, explained = _axes(centred)
    return Points((centred @ axes.T).astype(np.float32), explained)


def _axes(centred: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return up to three principal axes (axis, feature) of rows around zero, and their share of the variance."""
    n = min(N_AXES, *centred.shape)
    n_rows, n_features = centred.shape
    if min(n_rows, n_features) > MOST_EXACT:
        from sklearn.utils.extmath import randomized_svd

        _, lengths, axes = randomized_svd(centred, n, n_iter=7, random_state=0)
        sizes = lengths**2
    elif n_rows <= n_features:
        sizes, left = np.linalg.eigh(centred @ centred.T)
        sizes, axes = sizes[::-1], left[:, ::-1][:, :n].T @ centred  # (axis, feature)
    else:
        sizes, right = np.linalg.eigh(centred.T @ centred)
        sizes, axes = sizes[::-1], right[:, ::-1][:, :n].T
    length = np.sqrt((axes**2).sum(1, keepdims=True))
    axes = np.divide(axes, length, out=np.zeros_like(axes), where=length > 1e-12)
    # Signs are arbitrary; the strongest feature decides, so that the same data give the same picture.
    strongest = np.take_along_axis(axes, np.abs(axes).argmax(1)[:, None], axis=1)
    total = max(float(np.square(centred, dtype=np.float64).sum()), 1e-300)
    return axes * np.where(strongest < 0, -1.0, 1.0), (np.maximum(sizes[:n], 0.0) / total).astype(np.float32)
