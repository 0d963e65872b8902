"""A small base model, and new cells of the same genes that are shifted, labelled otherwise, and lack some genes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from genediff.data import ImportConfig, import_cells
from genediff.data.simulation.simulate import simulate
from genediff.data.simulation.truth_draw import draw_truth
from genediff.models.config import ModelConfig, RunConfig, TrainConfig
from genediff.training.adapt import AdaptConfig
from genediff.training.adapt.adaptation import Adaptation
from genediff.training.train import train_model
from genediff.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import anndata

    from genediff.data import Dataset

GENES = 60


def import_as(cells: anndata.AnnData, root: Path, name: str) -> Dataset:
    path = root / f"{name}.h5ad"
    cells.write_h5ad(path)
    config = ImportConfig(
        label="cell_type", conditions=("batch",), n_genes=30, umap=False, n_pcs=5, min_cells_per_gene=1, name=name
    )
    return import_cells(path, config, Workspace(root / "home").datasets)


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("adaptation")


@pytest.fixture(scope="session")
def old_cells() -> anndata.AnnData:
    """200 cells of the usual simulated world, in few genes."""
    cells = simulate(draw_truth(seed=0), n_cells=200, seed=0)
    cells = cells[:, np.argsort(-np.asarray(cells.X.sum(0)).ravel(), kind="stable")[:GENES]].copy()
    cells.uns.clear()
    cells.obsm.clear()
    cells.obs["batch"] = np.where(np.arange(200) % 2, "one", "two")
    return cells


@pytest.fixture(scope="session")
def new_cells(old_cells: anndata.AnnData) -> anndata.AnnData:
    """The same world measured in another laboratory: a third of the genes four times as high, two genes not measured,
    two unknown ones, one type under another name."""
    cells = simulate(draw_truth(seed=0), n_cells=200, seed=1)[:, old_cells.var_names].copy()
    cells.uns.clear()
    cells.obsm.clear()
    cells.X = cells.X.toarray()
    cells.X[:, ::3] *= 4
    first = cells.obs["cell_type"].cat.categories[0]
    cells.obs["cell_type"] = cells.obs["cell_type"].astype(str).replace(first, "new type")
    cells.obs["batch"] = np.where(np.arange(200) % 3, "day 1", "day 2")
    names = list(cells.var_names)
    names[5], names[17] = "UNKNOWN1", "UNKNOWN2"
    cells.var_names = names
    return cells


@pytest.fixture(scope="session")
def new_data(world: Path, new_cells: anndata.AnnData) -> Dataset:
    return import_as(new_cells, world, "new")


@pytest.fixture(scope="session")
def bases(world: Path, old_cells: anndata.AnnData) -> dict[str, Path]:
    """A trained base in latent space and one in gene space, in the library of the world's workspace."""
    dataset, models = import_as(old_cells, world, "old"), Workspace(world / "home").models
    # The base has all 60 genes, more than the 30 that vary most in the new data.
    from genediff.data.cells.view import GeneView

    view = GeneView(dataset, tuple(old_cells.var_names))
    made = {}
    for space in ("latent", "gene"):
        config = RunConfig(
            name=f"{space} base",
            dataset_id=dataset.info.id,
            model=ModelConfig(
                tokenizer_options={"n_tokens": 4, "n_channels": 2, "hidden": 32, "decoder_hidden": 16},
                width=32,
                depth=1,
                heads=2,
                conditions=("cell_type",),
                space=space,
                predict="velocity" if space == "latent" else "data",
            ),
            train=TrainConfig(tokenizer_steps=80, steps=80, batch_size=64, tokenizer_batch_size=64, shrinkage=0),
            device="cpu",
        )
        for _ in train_model(config, view, folder=world / space, model_id=f"{space}-base"):
            pass
        (world / space / "model").rename(models / f"{space}-base")
        made[space] = models / f"{space}-base"
    return made


@pytest.fixture(scope="session")
def make(bases: dict[str, Path], new_data: Dataset) -> Callable[..., Adaptation]:
    """Make an adaptation; keywords change its configuration."""

    def start(folder: Path, space: str = "latent", dataset: Dataset | None = None, **changes: object) -> Adaptation:
        config = AdaptConfig(
            base_id=f"{space}-base",
            dataset_id=new_data.info.id,
            conditions={"cell_type": "cell_type", "batch": None},
            rank=4,
            alpha=8,
            tokenizer_steps=40,
            steps=30,
            batch_size=64,
            device="cpu",
        ).model_copy(update=changes)
        return Adaptation(config, bases[space], dataset or new_data, folder=folder, model_id="adapted")

    return start


@pytest.fixture(scope="session")
def adapted(make: Callable[..., Adaptation], bases: dict[str, Path]) -> dict[str, tuple[Adaptation, Path]]:
    """A finished adaptation of each base, in the library beside it."""
    done = {}
    for space, base in bases.items():
        folder = base.parents[1] / "work" / space
        adaptation = make(folder, space)
        for _ in adaptation.run():
            pass
        target = base.with_name(f"{space}-adapted")
        (folder / "model").rename(target)
        done[space] = (adaptation, target)
    return done
