"""The last stage of an import: principal components and UMAP, fitted on training cells."""

from __future__ import annotations

import threading
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from genediff.data.ahead import in_order
from genediff.data.pca import BLOCK, by_covariance, fit_pca, fit_pca_in_blocks
from genediff.data.store import QUICK, open_store, put_array, read_in_blocks

if TYPE_CHECKING:
    from collections.abc import Callable

    from genediff.data.config import ImportConfig
    from genediff.data.dataset import Dataset
    from genediff.data.pca import PCA
    from genediff.data.progress import Progress

_PLACED_AT_ONCE = 10_000
_HELD_ENTRIES = 30_000_000
"""Stored values of training cells that are held at once where components are not found block by block."""


def add_pictures(dataset: Dataset, config: ImportConfig, steps: Progress) -> tuple[bool, list[str]]:
    """Add ``pca``, ``pcs`` and ``umap`` to the store; say whether there is a UMAP, and notes on it."""
    train = dataset.rows("train")
    steps.stage("Finding principal components", 0.1, ticks=2 * (dataset.info.n_cells // BLOCK + 1))
    pca = _fit(dataset, train, config, steps)
    with open_store(dataset.info.folder, "a") as store:
        group = store.create_group("pca")
        for name, values in (("mean", pca.mean), ("components", pca.components), ("explained", pca.explained)):
            put_array(group, name, values)
        shape = (dataset.info.n_cells, len(pca.components))
        chunks = (min(shape[0], 1024), shape[1])
        pcs = store.create_dataset("pcs", shape, np.float32, chunks=chunks, **QUICK)  # (cell, pc)
        start = 0
        for scores in in_order(
            lambda block: pca.project(dataset.as_x(block[1])), read_in_blocks(store, "counts", BLOCK)
        ):
            pcs[start : start + len(scores)] = scores
            start += len(scores)
            steps.tick()
    if not config.umap:
        return False, []
    return True, _add_umap(dataset, train, config, steps)


def _fit(dataset: Dataset, train: np.ndarray, config: ImportConfig, steps: Progress) -> PCA:
    """Fit components on training cells: on all of them a block at a time, or on as many as may be held at once."""
    n_genes, density = dataset.info.n_genes, dataset.n_entries / max(1, dataset.info.n_cells)
    if by_covariance(int(density * len(train)), n_genes):
        mask = np.zeros(dataset.info.n_cells, dtype=bool)
        mask[train] = True
        blocks = (x[mask[rows]] for rows, x in dataset.x_blocks(BLOCK))
        return fit_pca_in_blocks(blocks, n_genes, config.n_pcs, after_block=steps.tick)
    most = int(_HELD_ENTRIES / max(1.0, density))
    rows = train
    if len(train) > most:
        rows = np.sort(np.random.default_rng(config.seed).choice(train, most, replace=False))
    return fit_pca(dataset.x_at(rows), config.n_pcs, seed=config.seed, after_block=steps.tick)


def _add_umap(dataset: Dataset, train: np.ndarray, config: ImportConfig, steps: Progress) -> list[str]:
    from genediff.data.umap_space import (
        MAX_FITTED,
        MAX_LAID_OUT,
        MIN_FITTED,
        average_of_neighbours,
        fit_umap,
        fitted_rows,
        neighbours_for,
        place,
    )

    n_cells, n_pcs = dataset.info.n_cells, len(dataset.pca.components)
    steps.stage("Drawing the UMAP", 0.3, ticks=2 + n_cells // _PLACED_AT_ONCE)
    coordinates = np.zeros((n_cells, 2), dtype=np.float32)
    rows = fitted_rows(train, seed=config.seed)
    notes = []
    if len(train) < MIN_FITTED or n_pcs < 2:
        coordinates[:, : min(2, n_pcs)] = dataset.pcs_at(np.arange(n_cells))[:, :2]
        notes.append("There are too few training cells for a UMAP; the first two principal components stand in.")
    else:
        model = _interruptible(lambda: fit_umap(dataset.pcs_at(rows), seed=config.seed), steps)
        steps.tick()
        coordinates[rows] = model.embedding_
        others = np.setdiff1d(np.arange(n_cells), rows)
        put = place if len(others) <= MAX_LAID_OUT else average_of_neighbours
        for start in range(0, len(others), _PLACED_AT_ONCE):
            some = others[start : start + _PLACED_AT_ONCE]
            coordinates[some] = _interruptible(partial(put, model, dataset.pcs_at(some)), steps)
            steps.tick()
        if len(train) > MAX_FITTED:
            notes.append(f"The UMAP was laid out with {MAX_FITTED:,} training cells; the others were placed in it.")
        if put is average_of_neighbours:
            notes.append(
                f"{len(others):,} cells were placed in the UMAP between their nearest laid-out cells in the space of "
                "principal components, without a layout of their own: they lie a little closer together."
            )
    with open_store(dataset.info.folder, "a") as store:
        group = store.create_group("umap")
        put_array(group, "all", coordinates)
        if len(train) >= MIN_FITTED and n_pcs >= 2:
            put_array(group, "rows", rows)
            put_array(group, "coordinates", coordinates[rows])
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
