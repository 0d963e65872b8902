"""What an import keeps: counts as they were, a split, statistics of training cells alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scanpy as sc

from genediff.core.errors import Cancelled, InputError
from genediff.data import Dataset, ImportConfig, import_cells
from genediff.data.cells.store import open_store

from .conftest import nothing_left, quick_config, small_cells

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from genediff.workspace import Workspace


def test_counts_and_names_are_those_of_the_file(imported: Dataset) -> None:
    cells = small_cells()
    kept = cells[imported.obs.index, list(imported.genes)]
    assert imported.counts().shape == (240, 40)
    assert abs(imported.counts() - kept.X).sum() == 0
    assert imported.all_genes == tuple(cells.var_names)
    assert list(imported.obs.index) == list(cells.obs_names)  # cell order of the file


def test_x_is_scanpys_normalisation_over_the_chosen_genes(imported: Dataset) -> None:
    kept = small_cells()[imported.obs.index, list(imported.genes)].copy()
    sc.pp.normalize_total(kept, target_sum=imported.info.target_sum)
    sc.pp.log1p(kept)
    np.testing.assert_allclose(imported.x().toarray(), kept.X.toarray(), rtol=1e-5)
    np.testing.assert_allclose(imported.normalise(imported.counts().toarray()), kept.X.toarray(), rtol=1e-5)


def test_target_sum_is_10_000_unless_the_median_training_library_is_asked_for(
    imported: Dataset, workspace: Workspace, written: Callable[..., Path]
) -> None:
    assert imported.info.target_sum == 10_000
    dataset = import_cells(written(small_cells(), "again.h5ad"), quick_config(target_sum=None), workspace.datasets)
    library = dataset.obs["library"].to_numpy()
    np.testing.assert_array_equal(library, dataset.counts().sum(axis=1).A1)
    assert dataset.info.target_sum == np.median(library[dataset.rows("train")])


def test_any_gene_can_be_read_by_name(imported: Dataset) -> None:
    cells = small_cells()
    outside = next(gene for gene in imported.all_genes if gene not in imported.genes)
    total = imported.obs["qc_total"].to_numpy()
    for gene in (outside, imported.genes[3]):
        expected = np.log1p(cells[:, gene].X.toarray().ravel() / total * 10_000)
        np.testing.assert_allclose(imported.gene_values(gene), expected, rtol=1e-5)


@pytest.mark.parametrize("block", [65_536, 70])
def test_cells_in_which_a_gene_was_detected_are_counted_over_all_blocks(
    block: int, workspace: Workspace, written: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("genediff.data.importing.write_matrix.BLOCK_CELLS", block)
    cells = small_cells()
    dataset = import_cells(written(cells), quick_config(), workspace.datasets)
    kept = cells[dataset.obs.index].X.toarray()
    np.testing.assert_array_equal(dataset.detected, (kept > 0).sum(axis=0))


def test_unknown_gene_names_what_looks_like_it(imported: Dataset) -> None:
    with pytest.raises(InputError, match="did you mean GENE17"):
        imported.gene_values("gene17")


def test_parts_are_disjoint_and_whole(imported: Dataset) -> None:
    rows = [imported.rows(part) for part in ("train", "validation", "test")]
    assert sorted(np.concatenate(rows)) == list(range(240))
    assert imported.info.split_sizes == {"train": 144, "validation": 48, "test": 48}
    assert imported.x("test").shape == (48, 40)
    with pytest.raises(InputError, match="train, validation, test"):
        imported.rows("tset")


def test_codes_follow_the_vocabulary(imported: Dataset) -> None:
    words = imported.vocabulary("cell_type")
    assert words == ("B", "NK", "T")
    codes = imported.codes("cell_type", "validation")
    names = imported.obs["cell_type"].to_numpy()[imported.rows("validation")]
    assert [words[code] for code in codes] == list(names)
    assert codes.dtype == np.int64
    with pytest.raises(InputError, match="it has cell_type, batch"):
        imported.codes("celltype")


def test_missing_labels_have_no_code(workspace: Workspace, written: Callable[..., Path]) -> None:
    cells = small_cells()
    cells.obs.loc[cells.obs_names[:30], "cell_type"] = np.nan
    dataset = import_cells(written(cells), quick_config(), workspace.datasets)
    assert (dataset.codes("cell_type")[:30] == -1).all()
    assert (dataset.codes("cell_type")[30:] >= 0).all()
    left_out = quick_config(exclude_levels={"cell_type": ("(missing)", "NK")})
    smaller = import_cells(written(cells), left_out, workspace.datasets)
    assert smaller.vocabulary("cell_type") == ("B", "T")
    assert (smaller.codes("cell_type") >= 0).all()
    assert any("no value" in note for note in smaller.info.notes)


def test_nothing_depends_on_held_out_cells(workspace: Workspace, written: Callable[..., Path]) -> None:
    """Validation and test cells are replaced by others: genes, target sum and components must not move."""
    cells = small_cells()
    cells.obs["split"] = np.resize(["train", "train", "train", "val", "test"], 240)
    config = quick_config(split_column="split")
    first = import_cells(written(cells), config, workspace.datasets)
    other = cells.copy()
    held_out = (other.obs["split"] != "train").to_numpy()
    dense = other.X.toarray()
    dense[held_out] = np.random.default_rng(5).poisson(30, dense[held_out].shape)
    other.X = dense
    second = import_cells(written(other, "other.h5ad"), config, workspace.datasets)
    assert first.info.id != second.info.id
    assert first.genes == second.genes
    assert first.info.target_sum == second.info.target_sum
    np.testing.assert_array_equal(first.pca.components, second.pca.components)
    np.testing.assert_array_equal(first.pca.mean, second.pca.mean)
    assert not np.array_equal(first.pcs, second.pcs)


def test_same_file_and_choices_are_the_same_data_set(workspace: Workspace, written: Callable[..., Path]) -> None:
    path = written(small_cells())
    first = import_cells(path, quick_config(name="one"), workspace.datasets)
    again = import_cells(path, quick_config(name="two"), workspace.datasets)
    other = import_cells(path, quick_config(seed=1), workspace.datasets)
    assert first.info.id == again.info.id != other.info.id
    assert [info.name for info in workspace.list_datasets() if info.id == first.info.id] == ["two"]
    assert not np.array_equal(first.obs["split"].to_numpy(), other.obs["split"].to_numpy())


def test_a_cell_without_counts_in_the_chosen_genes_is_left_out(
    workspace: Workspace, written: Callable[..., Path]
) -> None:
    cells = small_cells()
    plain = import_cells(written(cells), quick_config(), workspace.datasets)
    row = int(plain.rows("test")[0])
    outside = next(gene for gene in plain.all_genes if gene not in plain.genes)
    dense = cells.X.toarray()
    dense[row] = 0
    dense[row, cells.var_names.get_loc(outside)] = 3
    cells.X = dense
    dataset = import_cells(written(cells, "one_poor.h5ad"), quick_config(), workspace.datasets)
    assert dataset.genes == plain.genes
    assert dataset.info.n_cells == 239
    assert cells.obs_names[row] not in dataset.obs.index
    assert any("cannot be normalised" in note for note in dataset.info.notes)
    assert len(dataset.gene_values(outside)) == 239
    kept = cells[dataset.obs.index, list(dataset.genes)]
    assert np.abs(dataset.counts().toarray() - kept.X).sum() == 0


def test_quality_is_scanpys(imported: Dataset) -> None:
    cells = small_cells()
    cells.var["mt"] = cells.var_names.str.startswith("MT-")
    sc.pp.calculate_qc_metrics(cells, qc_vars=["mt"], percent_top=None, inplace=True)
    np.testing.assert_allclose(imported.obs["qc_total"], cells.obs["total_counts"])
    np.testing.assert_allclose(imported.obs["qc_genes"], cells.obs["n_genes_by_counts"])
    np.testing.assert_allclose(imported.obs["qc_mito"], cells.obs["pct_counts_mt"], rtol=1e-5)


def test_genes_to_keep_are_kept(workspace: Workspace, written: Callable[..., Path]) -> None:
    path = written(small_cells())
    plain = import_cells(path, quick_config(n_genes=5), workspace.datasets)
    wanted = next(gene for gene in plain.all_genes if gene not in plain.genes)
    dataset = import_cells(path, quick_config(n_genes=5, keep_genes=(wanted,)), workspace.datasets)
    assert wanted in dataset.genes and len(dataset.genes) == 5
    with pytest.raises(InputError, match="NOPE"):
        import_cells(path, quick_config(keep_genes=("NOPE",)), workspace.datasets)


def test_progress_rises_to_the_end_and_says_what_is_done(workspace: Workspace, written: Callable[..., Path]) -> None:
    seen: list[tuple[float, str]] = []
    import_cells(
        written(small_cells()),
        quick_config(),
        workspace.datasets,
        progress=lambda done, text: seen.append((done, text)),
    )
    shares = [done for done, _ in seen]
    assert shares == sorted(shares) and 0 <= shares[0] and shares[-1] <= 1
    assert len({text for _, text in seen}) >= 5 and all(text for _, text in seen)


@pytest.mark.parametrize("stop_after", [1, 4, 6, 8, 10])
def test_a_cancelled_import_leaves_nothing(stop_after: int, workspace: Workspace, written: Callable[..., Path]) -> None:
    asked = 0

    def cancelled() -> bool:
        nonlocal asked
        asked += 1
        return asked >= stop_after

    with pytest.raises(Cancelled):
        import_cells(written(small_cells()), quick_config(), workspace.datasets, cancelled=cancelled)
    assert asked == stop_after
    assert nothing_left(workspace)


def test_leftovers_of_a_killed_import_are_removed(workspace: Workspace, written: Callable[..., Path]) -> None:
    dead = workspace.datasets / ".importing-999999999-abc"
    dead.mkdir()
    (dead / "cells.h5").write_bytes(b"half")
    import_cells(written(small_cells()), quick_config(), workspace.datasets)
    assert not dead.exists()
    assert len(list(workspace.datasets.iterdir())) == 1


def test_the_store_is_small(imported: Dataset) -> None:
    with open_store(imported.info.folder) as store:
        assert store["by_gene/0/data"].dtype == np.uint8
        assert store["by_gene/0/indices"].dtype == np.uint8


@pytest.mark.parametrize(
    ("choices", "sentence"),
    [
        ({"label": "celltype"}, "no obs column 'celltype'; it has cell_type, batch, score"),
        ({"exclude_levels": {"cell_type": ("Mono",)}}, "there are none; it has B, NK, T"),
        ({"perturbation": "batch", "control": "lane3"}, "'lane3' is no level of 'batch'; it has lane1, lane2"),
        ({"label": "score"}, "names no groups of cells"),
        ({"split_column": "batch"}, "levels that are not clear"),
        ({"exclude_levels": {"cell_type": ("B", "NK", "T")}}, "Only 0 cells"),
        ({"min_genes_per_cell": 61}, "Only 0 cells"),
        ({"min_cells_per_gene": 1000}, "Only 0 gene"),
    ],
    ids=lambda value: str(next(iter(value))) if isinstance(value, dict) else "",
)
def test_wrong_choices_are_one_sentence_and_leave_nothing(
    choices: dict[str, object], sentence: str, workspace: Workspace, written: Callable[..., Path]
) -> None:
    with pytest.raises(InputError, match=sentence):
        import_cells(written(small_cells()), quick_config(**choices), workspace.datasets)
    assert nothing_left(workspace)


@pytest.mark.parametrize(
    ("choices", "sentence"),
    [
        ({"fractions": (0.5, 0.2, 0.2)}, "add up to 1"),
        ({"control": "x"}, "no perturbation column"),
        ({"n_genes": 1}, "n_genes"),
        ({"genes": 10}, "genes"),
    ],
)
def test_a_config_that_makes_no_sense_is_one_sentence(choices: dict[str, object], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence) as caught:
        ImportConfig.parse(choices)
    assert "\n" not in str(caught.value)


def test_config_survives_json(imported: Dataset) -> None:
    config = ImportConfig.parse(imported.info.config)
    assert config == quick_config()


def test_pbmc3k_keeps_its_labelled_cells(shared_data: Path, workspace: Workspace) -> None:
    path = shared_data / "h5ad" / "pbmc3k_raw_counts.h5ad"
    config = ImportConfig(
        label="cell_type_derived", exclude_levels={"cell_type_derived": ("filtered", "(missing)")}, umap=False
    )
    dataset = import_cells(path, config, workspace.datasets)
    assert dataset.info.n_cells == 2638
    assert abs(dataset.info.split_sizes["train"] - 1583) < 8
    assert abs(dataset.info.split_sizes["validation"] - 528) < 5
    assert dataset.info.n_genes == 2000 and dataset.info.species == "human"
    raw = ad.read_h5ad(path)[dataset.obs.index]
    assert abs(raw[:, list(dataset.genes)].X - dataset.counts()).sum() == 0
    labels = raw.obs["cell_type_derived"]
    table = pd.crosstab(labels.to_numpy(), dataset.obs["split"].to_numpy())
    assert (np.abs(table["test"] - 0.2 * table.sum(axis=1)) <= 0.5).all()  # also the type with 13 cells
