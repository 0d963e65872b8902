"""The last stage of an import: principal components, fitted on training cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from genediff.data.cells.pca import BLOCK, by_covariance, fit_pca, fit_pca_in_blocks
from genediff.data.cells.store import QUICK, open_store, put_array, read_in_blocks
from genediff.data.matrices.prefetch import in_order

if TYPE_CHECKING:
    from genediff.data.cells.dataset import Dataset
    from genediff.data.cells.pca import PCA
    from genediff.data.importing.config import ImportConfig
    from genediff.data.importing.progress import Progress

_HELD_ENTRIES = 30_000_000
"""Stored values of training cells that are held at once where components are not found block by block."""


def add_components(dataset: Dataset, config: ImportConfig, steps: Progress) -> None:
    """Add ``pca`` and ``pcs`` to the store."""
    train = dataset.rows("train")
    steps.stage("Finding principal components", 0.15, ticks=2 * (dataset.info.n_cells // BLOCK + 1))
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
