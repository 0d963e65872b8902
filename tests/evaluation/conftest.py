"""Simulated cells of known making, imported as a data set: three types, genes that move together, UMI counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from scipy import sparse

from genediff.data import Dataset, ImportConfig, import_cells
from genediff.workspace import Workspace

if TYPE_CHECKING:
    from pathlib import Path

TYPES = ("alpha", "beta", "gamma")
SHARES = (0.5, 0.3, 0.2)
N_GENES = 80


def draw_counts(codes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw counts from the one distribution that all simulated cells come from, `(cell, gene)`."""
    fixed = np.random.default_rng(99)
    profile = fixed.normal(0, 1.0, (len(TYPES), N_GENES))  # (type, gene)
    loading = fixed.normal(0, 0.7, (3, N_GENES)) * (fixed.random((3, N_GENES)) < 0.5)  # (program, gene)
    log_share = profile[codes] + rng.normal(size=(len(codes), 3)) @ loading  # (cell, gene)
    share = np.exp(log_share) / np.exp(log_share).sum(1, keepdims=True)
    library = rng.lognormal(5.5, 0.3, (len(codes), 1))
    return rng.poisson(share * library * rng.gamma(5, 0.2, share.shape)).astype(np.float32)


def as_anndata(counts: np.ndarray, codes: np.ndarray, genes: list[str]) -> AnnData:
    obs = pd.DataFrame({"type": [TYPES[c] for c in codes]}, index=[f"cell{i}" for i in range(len(codes))])
    return AnnData(sparse.csr_matrix(counts), obs=obs, var=pd.DataFrame(index=genes))


def _import(cells: AnnData, folder: Path, name: str, config: ImportConfig) -> Dataset:
    path = folder / f"{name}.h5ad"
    cells.write_h5ad(path)
    return import_cells(path, config, Workspace(folder / name).datasets)


@pytest.fixture(scope="session")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """600 cells with counts."""
    rng = np.random.default_rng(0)
    codes = rng.choice(3, 600, p=SHARES)
    cells = as_anndata(draw_counts(codes, rng), codes, [f"GENE{i}" for i in range(N_GENES)])
    config = ImportConfig(name="simulated", label="type", n_genes=N_GENES, umap=False)
    return _import(cells, tmp_path_factory.mktemp("simulated"), "counts", config)


@pytest.fixture(scope="session")
def without_counts(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """The same kind of cells, saved after log-normalisation."""
    rng = np.random.default_rng(1)
    codes = rng.choice(3, 400, p=SHARES)
    counts = draw_counts(codes, rng)
    x = np.log1p(counts / counts.sum(1, keepdims=True) * 300)
    cells = as_anndata(x.astype(np.float32), codes, [f"GENE{i}" for i in range(N_GENES)])
    config = ImportConfig(name="no counts", label="type", n_genes=N_GENES, umap=False)
    return _import(cells, tmp_path_factory.mktemp("no_counts"), "lognorm", config)


@pytest.fixture(scope="session")
def fresh(simulated: Dataset) -> AnnData:
    """New cells from the very distribution of the real ones: what a perfect model would generate."""
    rng = np.random.default_rng(5)
    codes = rng.choice(3, 600, p=SHARES)
    cells = as_anndata(draw_counts(codes, rng), codes, [f"GENE{i}" for i in range(N_GENES)])
    return cells[:, list(simulated.genes)].copy()


@pytest.fixture(scope="session")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache for all tests: floor and baselines are worked out once."""
    return tmp_path_factory.mktemp("cache")
