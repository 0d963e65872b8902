"""Nothing of an import grows with cells x genes: only stored values count, a tile or a batch at a time."""

from __future__ import annotations

import tracemalloc
from typing import TYPE_CHECKING

import h5py
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from anndata.io import write_elem

from genediff.data import import_cells

from .conftest import quick_config

if TYPE_CHECKING:
    from pathlib import Path

    from genediff.workspace import Workspace

N_CELLS, N_GENES = 6_000, 8_000


@pytest.mark.parametrize("layout", ["csr", "csc"])
def test_more_cells_take_no_more_memory(
    layout: str, tmp_path: Path, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four times the cells: beside the table of cells (some 400 bytes each) nothing grows, in import or reading."""
    monkeypatch.setattr("genediff.data.matrices.prefetch.MOST_THREADS", 2)  # whatever the number of cores here
    monkeypatch.setattr("genediff.data.matrices.sparse_matrix.TILE_ENTRIES", 50_000)
    monkeypatch.setattr("genediff.data.importing.write_matrix.BLOCK_ENTRIES", 100_000)
    rng = np.random.default_rng(0)
    peaks = {}
    for n in (500, 4_000, 16_000):  # the first one imports what there is to import
        path = tmp_path / f"{n}.h5ad"
        with h5py.File(path, "w") as file:
            write_elem(file, "X", sp.random(n, 300, 0.1, layout, np.float32, rng, lambda k: rng.integers(1, 5, k)))
            write_elem(file, "obs", pd.DataFrame(index=[str(number) for number in range(n)]))
            write_elem(file, "var", pd.DataFrame(index=[f"GENE{number}" for number in range(300)]))
        tracemalloc.start()
        try:
            dataset = import_cells(path, quick_config(label=None, n_genes=200), workspace.datasets)
            for _, x in dataset.x_blocks(500):
                assert x.shape[1] == 200
            peaks[n] = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    growth = (peaks[16_000] - peaks[4_000]) / 12_000
    assert growth < 600, f"{growth:.0f} bytes a cell of {peaks}"  # a cell's counts alone are 240, and x 480 more


@pytest.mark.parametrize("layout", ["csr", "csc", "dense"])
def test_the_dense_matrix_is_never_made(
    layout: str, tmp_path: Path, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The dense matrix would take 192 MB; the import stays below a third of it, whatever the layout on disk."""
    monkeypatch.setattr("genediff.data.matrices.prefetch.MOST_THREADS", 2)  # whatever the number of cores here
    monkeypatch.setattr("genediff.data.matrices.sparse_matrix.TILE_ENTRIES", 100_000)
    monkeypatch.setattr("genediff.data.matrices.sparse_matrix._DENSE_ENTRIES", 1_000_000)
    rng = np.random.default_rng(0)
    counts = sp.random(N_CELLS, N_GENES, 0.01, "csr", np.float32, rng, lambda n: rng.integers(1, 5, n))
    path = tmp_path / "cells.h5ad"
    with h5py.File(path, "w") as file:
        if layout == "dense":
            stored = file.create_dataset("X", counts.shape, np.float32, chunks=(500, 500))
            for start in range(0, N_CELLS, 1000):
                stored[start : start + 1000] = counts[start : start + 1000].toarray()
        else:
            write_elem(file, "X", counts.asformat(layout))
        write_elem(file, "obs", pd.DataFrame(index=[f"cell{number}" for number in range(N_CELLS)]))
        write_elem(file, "var", pd.DataFrame(index=[f"GENE{number}" for number in range(N_GENES)]))
    del counts
    tracemalloc.start()
    try:
        dataset = import_cells(path, quick_config(label=None, n_genes=100), workspace.datasets)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert dataset.info.n_cells > 1_000
    assert peak < 0.33 * 4 * N_CELLS * N_GENES, f"{peak / 1e6:.0f} MB"
