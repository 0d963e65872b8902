"""The UMAP of a data set: fitted once on training cells, kept as numbers, rebuilt without pickles.

umap-learn needs its neighbour search to place new cells. It is rebuilt from the stored principal components of the
training cells with zero epochs of layout, and then given the stored coordinates;
see McInnes et al. 2018 (arXiv:1802.03426). Neighbours are exact and scikit-learn's: for so few fitted cells that takes
half a second, and the approximate search that umap-learn would use (pynndescent) is compiled for half a minute before
its first answer in every process.
"""

from __future__ import annotations

import contextlib
import functools
import threading
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from types import ModuleType

MAX_FITTED = 20_000
"""Training cells that take part in the layout; more cost minutes and look the same."""
MIN_FITTED = 20
"""With fewer training cells there is no manifold to draw: the first two principal components stand in."""
MAX_LAID_OUT = 20_000
"""Up to so many further cells are laid out one by one (a third of a millisecond each); more go between neighbours."""
REPULSION = 0.5
"""How strongly fitted cells push away cells that are placed, where umap-learn's own value is 1. Fitted cells do not
give way, so at 1 real held-out cells are driven to the rims of the islands and look unlike the training cells they
resemble; at a half they lie as deep inside as those (measured on blood cells, simulated cells, and 600 cells)."""
_one_at_a_time = threading.Lock()
"""numba's simplest threading layer ends the process when two threads enter it at once."""


@dataclass(frozen=True, eq=False)
class UmapSpace:
    """``rows`` (fitted cell,) of the data set took part; ``coordinates`` (fitted cell, 2) are theirs."""

    rows: np.ndarray
    coordinates: np.ndarray
    n_neighbors: int
    seed: int


def fitted_rows(train_rows: np.ndarray, *, seed: int) -> np.ndarray:
    """Choose the training cells that take part in the layout: all, or a seeded sample of ``MAX_FITTED``."""
    if len(train_rows) <= MAX_FITTED:
        return train_rows
    return np.sort(np.random.default_rng(seed).choice(train_rows, MAX_FITTED, replace=False))


def fit_umap(pcs: np.ndarray, *, seed: int) -> Any:
    """Fit umap-learn on principal components (cell, pc) of training cells; the same seed gives the same picture."""
    return _fit(pcs, n_neighbors=neighbours_for(len(pcs)), seed=seed, n_epochs=None, init="spectral")


def neighbours_for(n_cells: int) -> int:
    """Return the number of neighbours: umap-learn's 15, fewer for very few cells."""
    return min(15, n_cells - 1)


def rebuild(space: UmapSpace, pcs: np.ndarray) -> Any:
    """Rebuild the fitted model from the principal components (fitted cell, pc) and the stored coordinates."""
    model = _fit(pcs, n_neighbors=space.n_neighbors, seed=space.seed, n_epochs=0, init=space.coordinates)
    model.embedding_ = np.ascontiguousarray(space.coordinates, dtype=np.float32)
    model.n_epochs = None  # transform divides by it
    return model


def place(model: Any, pcs: np.ndarray) -> np.ndarray:
    """Place cells (cell, pc) in the picture: (cell, 2), float32. The same cells always land in the same place."""
    with _one_at_a_time, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.repulsion_strength = REPULSION
        return np.asarray(model.transform(np.ascontiguousarray(pcs, dtype=np.float32)), dtype=np.float32)


def average_of_neighbours(model: Any, pcs: np.ndarray) -> np.ndarray:
    """Place cells (cell, pc) between their nearest fitted cells, (cell, 2): thirty times as fast as ``place``.

    It is where umap-learn's own placing begins; weights fall with the distance beyond the nearest neighbour.
    """
    pcs = np.ascontiguousarray(pcs, dtype=np.float32)
    rows, distances = model._knn_search_index.query(pcs, model.n_neighbors)
    beyond = distances - distances[:, :1]  # (cell, neighbour)
    weight = np.exp(-beyond / np.maximum(beyond.mean(axis=1, keepdims=True), 1e-9))
    weight /= weight.sum(axis=1, keepdims=True)
    return np.asarray((model.embedding_[rows] * weight[:, :, None]).sum(axis=1), dtype=np.float32)


def _fit(pcs: np.ndarray, *, n_neighbors: int, seed: int, n_epochs: int | None, init: Any) -> Any:
    umap = _umap()
    pcs = np.ascontiguousarray(pcs, dtype=np.float32)
    search = _Neighbours(pcs)
    known = *search.query(pcs, n_neighbors), search
    model = umap.UMAP(n_neighbors=n_neighbors, min_dist=0.3, random_state=seed, transform_seed=seed, n_jobs=1,
                      n_epochs=n_epochs, init=init, precomputed_knn=known)  # fmt: skip
    with _one_at_a_time, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # spectral start values of separate islands, unused n_jobs, another index
        return model.fit(pcs)


@functools.cache
def _umap() -> ModuleType:
    """Import umap-learn, and let numba keep on disk what it compiles of it.

    umap-learn does not ask for that, so every process compiled it anew: six CPU-seconds before its first map.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # on import it warns that TensorFlow, which nothing here uses, is missing
        import umap
    from numba.core.dispatcher import Dispatcher

    for module in (umap.umap_, umap.utils, umap.layouts, umap.distances):
        for one in vars(module).values():
            if isinstance(one, Dispatcher):
                with contextlib.suppress(RuntimeError):  # where numba may write nowhere it compiles anew
                    one.enable_caching()
    return umap


class _Neighbours:
    """Exact nearest fitted cells, with what umap-learn asks of an index of pynndescent's."""

    _angular_trees = False

    def __init__(self, pcs: np.ndarray) -> None:
        from sklearn.neighbors import NearestNeighbors

        self._search = NearestNeighbors(algorithm="brute").fit(pcs)  # trees are no help in so many dimensions

    def query(self, pcs: np.ndarray, k: int, epsilon: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
        """Return rows of the nearest fitted cells, nearest first, and their distances, both (cell, neighbour)."""
        distances, rows = self._search.kneighbors(pcs, k)
        return rows.astype(np.int32), distances.astype(np.float32)
