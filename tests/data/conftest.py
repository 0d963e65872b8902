"""Small real files: cells of three types with counts, written in whatever dialect a test asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from genediff.data import Dataset, ImportConfig, import_cells
from genediff.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TYPES = ("B", "NK", "T")


def small_cells(n_cells: int = 240, n_genes: int = 60, *, seed: int = 0) -> ad.AnnData:
    """Cells of three types, each with ten marker genes; counts of about 5 per gene and cell at markers."""
    rng = np.random.default_rng(seed)
    types = np.array(TYPES)[np.arange(n_cells) % 3]
    rates = np.full((n_cells, n_genes), 0.4)  # (cell, gene)
    for number, name in enumerate(TYPES):
        rates[np.ix_(types == name, np.arange(10 * number, 10 * number + 10))] = 5.0
    rates *= rng.gamma(8, 1 / 8, (n_cells, 1))
    rates *= np.geomspace(0.3, 3, n_genes)[rng.permutation(n_genes)]
    genes = ["MT-CO1", "MT-ND1", *(f"GENE{number}" for number in range(n_genes - 2))]
    obs = pd.DataFrame(
        {
            "cell_type": pd.Categorical(types),
            "batch": pd.Categorical(np.where(rng.random(n_cells) < 0.5, "lane1", "lane2")),
            "score": rng.random(n_cells),
        },
        index=[f"cell{number}" for number in range(n_cells)],
    )
    counts = sp.csr_matrix(rng.poisson(rates).astype(np.float32))
    return ad.AnnData(counts, obs=obs, var=pd.DataFrame(index=genes))


def quick_config(**choices: object) -> ImportConfig:
    """An import without the slow UMAP, of 40 genes."""
    return ImportConfig.parse({"label": "cell_type", "n_genes": 40, "umap": False, "n_pcs": 10, **choices})


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "space")


@pytest.fixture
def written(tmp_path: Path) -> Callable[..., Path]:
    """Write cells as h5ad and return the path."""

    def write(cells: ad.AnnData, name: str = "cells.h5ad") -> Path:
        path = tmp_path / name
        cells.write_h5ad(path)
        return path

    return write


@pytest.fixture
def imported(workspace: Workspace, written: Callable[..., Path]) -> Dataset:
    return import_cells(written(small_cells()), quick_config(), workspace.datasets)


def nothing_left(workspace: Workspace) -> bool:
    """Whether the workspace holds no file and no data set."""
    return not any(path.is_file() for path in workspace.root.rglob("*")) and not list(workspace.datasets.iterdir())


@pytest.fixture(scope="session")
def with_umap(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """One import with a UMAP for the whole session: the first one in a process compiles for some seconds."""
    folder = tmp_path_factory.mktemp("umap")
    path = folder / "cells.h5ad"
    small_cells(400).write_h5ad(path)
    return import_cells(path, quick_config(umap=True), Workspace(folder / "space").datasets)
