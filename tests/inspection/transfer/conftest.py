"""The shipped pathway model, and its held-out cells as somebody else's data, as they are and with something broken."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anndata
import numpy as np
import pytest

from genediff.data import ImportConfig, import_cells
from genediff.models.load_model import load_model
from genediff.workspace import DEMO_DATASET, Workspace

if TYPE_CHECKING:
    from collections.abc import Callable

    from genediff.data.cells.dataset import Dataset
    from genediff.models.generative_model import GenerativeModel


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return Workspace(tmp_path_factory.mktemp("transfer"))


@pytest.fixture(scope="session")
def own(place: Workspace) -> Dataset:
    return place.open_dataset(DEMO_DATASET)


@pytest.fixture(scope="session")
def model(place: Workspace) -> GenerativeModel:
    return load_model(place.model_folder("pbmc3k-pathway"), device="cpu")


@pytest.fixture(scope="session")
def write(place: Workspace, own: Dataset) -> Callable[..., Dataset]:
    """Import the held-out cells of the shipped data with counts (cell, gene) and gene names that a test made."""

    def write_(name: str, counts: np.ndarray, genes: list[str]) -> Dataset:
        cells = anndata.AnnData(counts.astype(np.float32))
        cells.var_names = genes
        cells.obs_names = [f"{name}-{i}" for i in range(len(counts))]
        path = place.root / f"{name}.h5ad"
        cells.write_h5ad(path)
        return import_cells(path, ImportConfig(name=name, umap=False), place.datasets)

    return write_


@pytest.fixture(scope="session")
def counts(own: Dataset) -> np.ndarray:
    return np.asarray(own.counts("test").toarray())


@pytest.fixture(scope="session")
def same(write: Callable[..., Dataset], counts: np.ndarray, own: Dataset) -> Dataset:
    """Held-out cells as they are."""
    return write("same", counts, list(own.genes))
