"""The workspace: what ships, what is one's own, renaming, deleting and bringing back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import anndata as ad
import numpy as np
import pytest
import scipy.sparse as sp

from genediff.core.errors import InputError
from genediff.core.installation import ASSETS, home
from genediff.data import Dataset, ImportConfig, import_cells
from genediff.workspace import DEMO_DATASET, DEMO_SCREEN, Workspace
from scripts.demo_dataset import DEMO_CONFIG

if TYPE_CHECKING:
    from pathlib import Path


def _import(workspace: Workspace, folder: Path, *, seed: int = 0) -> Dataset:
    counts = np.random.default_rng(seed).poisson(2.0, (60, 30)).astype(np.float32)
    path = folder / f"cells{seed}.h5ad"
    ad.AnnData(sp.csr_matrix(counts)).write_h5ad(path)
    return import_cells(path, ImportConfig(umap=False, n_genes=20), workspace.datasets)


def test_home_is_moved_by_the_environment(own_workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert home() == own_workspace
    assert Workspace().root == own_workspace.resolve()
    monkeypatch.delenv("GENEDIFF_HOME")
    assert home().name == "genediff" and home() != own_workspace


def test_a_fresh_workspace_has_the_blood_cells(own_workspace: Path) -> None:
    infos = Workspace().list_datasets()
    assert [info.id for info in infos] == [DEMO_DATASET, DEMO_SCREEN]
    assert infos[0].shipped and infos[0].name == "2,700 blood cells (10x PBMC 3k)"


def test_the_shipped_blood_cells_are_whole() -> None:
    dataset = Workspace().open_dataset(DEMO_DATASET)
    assert type(DEMO_CONFIG).model_validate(dataset.info.config) == DEMO_CONFIG
    assert dataset.counts().shape == (2638, 2000) and len(dataset.all_genes) == 32738
    assert dataset.pcs.shape == (2638, 50) and dataset.umap.shape == (2638, 2)
    np.testing.assert_allclose(dataset.project(dataset.x()), dataset.pcs, atol=1e-4)
    types = dataset.obs["cell_type_derived"].to_numpy()
    assert dataset.gene_values("LYZ")[types == "CD14 Mono"].mean() > 3 * dataset.gene_values("LYZ")[types == "B"].mean()
    assert dataset.vocabulary("cell_type_derived") == (
        "B", "CD14 Mono", "CD4 T", "CD8 T", "Dendritic", "FCGR3A Mono", "Megakaryocyte", "NK",
    )  # fmt: skip


def test_the_shipped_blood_cells_are_those_of_the_source_file(shared_data: Path) -> None:
    raw = ad.read_h5ad(shared_data / "h5ad" / "pbmc3k_raw_counts.h5ad")
    dataset = Workspace().open_dataset(DEMO_DATASET)
    kept = raw[dataset.obs.index, list(dataset.genes)]
    assert abs(kept.X - dataset.counts()).sum() == 0


def test_assets_are_small_and_every_file_has_its_source() -> None:
    files = [path for path in ASSETS.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 40e6
    readme = (ASSETS / "README.md").read_text(encoding="utf-8")
    for path in files:
        relative = path.relative_to(ASSETS)
        mentioned = any(f"`{parent.as_posix()}/`" in readme for parent in relative.parents if parent.name)
        assert path.name == "README.md" or mentioned or f"`{relative.as_posix()}`" in readme, relative


def test_shipped_things_are_read_only(own_workspace: Path) -> None:
    workspace = Workspace()
    for act in (lambda: workspace.delete_dataset(DEMO_DATASET), lambda: workspace.rename_dataset(DEMO_DATASET, "x")):
        with pytest.raises(InputError, match="ships with GeneDiff"):
            act()


def test_rename_delete_and_undo(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "space", assets=tmp_path / "none")
    dataset = _import(workspace, tmp_path)
    workspace.rename_dataset(dataset.info.id, "  my   cells ")
    assert [info.name for info in workspace.list_datasets()] == ["my cells"]
    workspace.delete_dataset(dataset.info.id)
    assert workspace.list_datasets() == [] and workspace.list_trash("datasets") == [dataset.info.id]
    with pytest.raises(InputError, match="known: none yet"):
        workspace.open_dataset(dataset.info.id)
    workspace.restore_dataset(dataset.info.id)
    assert abs(workspace.open_dataset(dataset.info.id).counts() - dataset.counts()).sum() == 0
    with pytest.raises(InputError, match="not in the trash"):
        workspace.restore_dataset(dataset.info.id)
    with pytest.raises(InputError, match="between 1 and 120"):
        workspace.rename_dataset(dataset.info.id, "  ")


def test_a_deleted_data_set_that_was_imported_again_stays(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "space", assets=tmp_path / "none")
    dataset = _import(workspace, tmp_path)
    workspace.delete_dataset(dataset.info.id)
    _import(workspace, tmp_path)
    with pytest.raises(InputError, match="there again already"):
        workspace.restore_dataset(dataset.info.id)
    workspace.delete_dataset(dataset.info.id)
    workspace.restore_dataset(dataset.info.id)
    workspace.delete_dataset(dataset.info.id)
    workspace.empty_trash()
    assert workspace.list_trash("datasets") == []


@pytest.mark.parametrize("bad", ["nope", "../datasets", "..", "", "/etc", ".importing-1-a"])
def test_ids_cannot_lead_out_of_the_workspace(bad: str, tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    for act in (workspace.open_dataset, workspace.dataset_folder, workspace.delete_dataset, workspace.model_folder,
                workspace.delete_model):  # fmt: skip
        with pytest.raises(InputError, match="There is no"):
            act(bad)


def test_damaged_folders_are_passed_over(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "space", assets=tmp_path / "none")
    kept = _import(workspace, tmp_path)
    for name, text in (("broken", "{"), ("newer", '{"format_version": 99}'), ("poor", '{"format_version": 1}')):
        (workspace.datasets / name).mkdir()
        (workspace.datasets / name / "dataset.json").write_text(text)
    assert [info.id for info in workspace.list_datasets()] == [kept.info.id]
    with pytest.raises(InputError, match="newer GeneDiff"):
        workspace.open_dataset("newer")


def test_models_are_renamed_deleted_and_restored(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "space", assets=tmp_path / "none")
    folder = workspace.models / "m1"
    folder.mkdir()
    (folder / "model.json").write_text(json.dumps({"id": "m1", "title": "old", "extra": [1, 2]}))
    workspace.rename_model("m1", "new")
    assert json.loads((folder / "model.json").read_text()) == {"id": "m1", "title": "new", "extra": [1, 2]}
    workspace.delete_model("m1")
    assert workspace.list_trash("models") == ["m1"] and not folder.exists()
    workspace.restore_model("m1")
    assert workspace.model_folder("m1") == folder


def test_a_workspace_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="set GENEDIFF_HOME"):
        _ = Workspace(tmp_path / "file" / "space").datasets
