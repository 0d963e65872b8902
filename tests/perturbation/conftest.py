"""A simulated screen: knock-outs, singly and in pairs, in a world whose effects are known."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import pytest

from genediff.data import ImportConfig, import_cells
from genediff.data.simulation.simulate import perturbation_plan, simulate
from genediff.data.simulation.truth_draw import TruthConfig, draw_truth
from genediff.workspace import Workspace

if TYPE_CHECKING:
    from genediff.data.cells.dataset import Dataset
    from genediff.data.simulation.truth import Truth


@pytest.fixture(scope="session")
def world() -> Truth:
    return draw_truth(TruthConfig(n_genes=120, n_regulators=20, n_types=3, n_pathways=4, pathway_size=8), seed=3)


@pytest.fixture(scope="session")
def screen(world: Truth, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder = tmp_path_factory.mktemp("screen")
    plan = perturbation_plan(world, n_singles=10, n_doubles=8, seed=1)
    cells = simulate(world, n_cells=3000, perturbations=plan, controls=0.35, seed=1)
    cells.obs["batch"] = [f"b{number % 4}" for number in range(cells.n_obs)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cells.write_h5ad(folder / "screen.h5ad")
    config = ImportConfig(
        label="cell_type", batch="batch", perturbation="perturbation", control="control", n_genes=120, umap=False
    )
    return import_cells(folder / "screen.h5ad", config, Workspace(folder / "home").datasets)


@pytest.fixture(scope="session")
def without_counts(screen: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    from anndata import AnnData

    folder = tmp_path_factory.mktemp("lognorm")
    cells = AnnData(screen.x(), obs=screen.obs[["cell_type", "perturbation"]].copy())
    cells.var_names = list(screen.genes)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cells.write_h5ad(folder / "lognorm.h5ad")
    config = ImportConfig(perturbation="perturbation", control="control", n_genes=120, umap=False)
    return import_cells(folder / "lognorm.h5ad", config, Workspace(folder / "home").datasets)
