"""The last stage of an import: principal components and UMAP, fitted on training cells."""

from __future__ import annotations

import threading
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from genediff.data.pca import fit_pca
from genediff.data.store import open_store, put_array

if TYPE_CHECKING:
    from collections.abc import Callable

    from genediff.data.config import ImportConfig
    from genediff.data.dataset import Dataset
    from genediff.data.progress import Progress

_PLACED_AT_ONCE = 10_000


def add_pictures(dataset: Dataset, config: ImportConfig, steps: Progress) -> tuple[bool, list[str]]:
    """Add ``pca``, ``pcs`` and ``umap`` to the store; say whether there is a UMAP, and notes on it."""
    train = dataset.rows("train")
    x = dataset.x()  # (cell, gene)
    steps.stage("Finding principal components", 0.1, ticks=len(train) // 4096 + 1)
    pca = fit_pca(x[train], config.n_pcs, seed=config.seed, after_block=steps.tick)
    pcs = pca.project(x)  # (cell, pc)
    with open_store(dataset.info.folder, "a") as store:
        group = store.create_group("pca")
        for name, values in (("mean", pca.mean), ("components", pca.components), ("explained", pca.explained)):
            put_array(group, name, values)
        put_array(store, "pcs", pcs)
    if not config.umap:
        return False, []
    return True, _add_umap(dataset, pcs, train, config, steps)


def _add_umap(dataset: Dataset, pcs: np.ndarray, train: np.ndarray, config: ImportConfig, steps: Progress) -> list[str]:
    from genediff.data.umap_space import MAX_FITTED, MIN_FITTED, fit_umap, fitted_rows, neighbours_for, place

    steps.stage("Drawing the UMAP", 0.3, ticks=2 + len(pcs) // _PLACED_AT_ONCE)
    coordinates = np.ascontiguousarray(pcs[:, :2])  # (cell, 2)
    rows = fitted_rows(train, seed=config.seed)
    notes = []
    if len(train) < MIN_FITTED or pcs.shape[1] < 2:
        coordinates = np.pad(coordinates, ((0, 0), (0, 2 - coordinates.shape[1])))
        notes.append("There are too few training cells for a UMAP; the first two principal components stand in.")
    else:
        model = _interruptible(lambda: fit_umap(pcs[rows], seed=config.seed), steps)
        steps.tick()
        coordinates[rows] = model.embedding_
        others = np.setdiff1d(np.arange(len(pcs)), rows)
        for start in range(0, len(others), _PLACED_AT_ONCE):
            some = others[start : start + _PLACED_AT_ONCE]
            coordinates[some] = _interruptible(partial(place, model, pcs[some]), steps)
            steps.tick()
        if len(train) > MAX_FITTED:
            notes.append(f"The UMAP was laid out with {MAX_FITTED:,} training cells; the others were placed in it.")
    with open_store(dataset.info.folder, "a") as store:
        group = store.create_group("umap")
        put_array(group, "all", coordinates.astype(np.float32))
        if not notes or len(train) > MAX_FITTED:
            put_array(group, "rows", rows)
            put_array(group, "coordinates", coordinates[rows].astype(np.float32))
            group.attrs["n_neighbors"], group.attrs["seed"] = neighbours_for(len(rows)), config.seed
    return notes


def _interruptible(work: Callable[[], Any], steps: Progress) -> Any:
    """Run what cannot be interrupted in a thread, so that a cancelled import need not wait for its end."""
    outcome: list[Any] = []
    failure: list[BaseException] = []

    def run() -> None:
        try:
            outcome.append(work())
        except BaseException as error:  # noqa: BLE001 raised again below, where the import can clean up
            failure.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(0.2)
        steps.check()
    if failure:
        raise failure[0]
    return outcome[0]
