"""A small data set whose cells, sets and network are known."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from genediff.data import ImportConfig, import_cells
from genediff.inspection.one_cell.dataset_context import DatasetContext
from genediff.knowledge import Knowledge, make_gene_sets, make_network
from genediff.workspace import Workspace

if TYPE_CHECKING:
    from genediff.data import Dataset

GENES = tuple(f"G{i}" for i in range(40))


@pytest.fixture(scope="session")
def cells(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """200 cells of two types; the first has 10 genes high, the second the next 10."""
    draw = np.random.default_rng(0)
    kind = np.repeat([0, 1], 100)
    mean = np.full((2, 40), 1.0)
    mean[0, :10] = mean[1, 10:20] = 8.0
    counts = draw.poisson(mean[kind]).astype(np.float32)
    obs = pd.DataFrame({"kind": np.array(["one", "two"])[kind]}, index=[f"c{i}" for i in range(200)])
    folder = tmp_path_factory.mktemp("cells")
    made = anndata.AnnData(sparse.csr_matrix(counts), obs=obs, var=pd.DataFrame(index=list(GENES)))
    made.write_h5ad(folder / "cells.h5ad")
    config = ImportConfig(label="kind", n_genes=40, umap=False, n_pcs=5, name="two types")
    return import_cells(folder / "cells.h5ad", config, Workspace(folder / "home").datasets)


@pytest.fixture(scope="session")
def context(cells: Dataset) -> DatasetContext:
    return DatasetContext.of(cells)


@pytest.fixture(scope="session")
def known() -> Knowledge:
    """Set "first" is what the first type has high, "second" the second's; genes 20 and above are in no set."""
    sets = make_gene_sets("planted", {"first": GENES[:10], "second": GENES[10:20]})
    edges = pd.DataFrame({"source": ["G0"] * 9, "target": GENES[1:10], "weight": np.arange(1.0, 10)})
    return Knowledge(sets, make_network("planted", edges))
