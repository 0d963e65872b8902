"""The dialects of real files; every one is written by the test as the tools in question write it."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

import h5py
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from genediff.data import diagnose, import_cells

from .conftest import quick_config, small_cells

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import anndata as ad

    from genediff.workspace import Workspace


def _same_counts(path: Path, workspace: Workspace, where: str, **choices: object) -> None:
    cells = small_cells()
    assert diagnose(path).counts == where
    dataset = import_cells(path, quick_config(**choices), workspace.datasets)
    assert dataset.info.has_counts
    expected = cells[dataset.obs.index, list(dataset.genes)].X
    assert abs(dataset.counts() - expected).sum() == 0
    for gene in ("MT-CO1", "GENE30"):
        values = np.expm1(dataset.gene_values(gene)) * dataset.obs["qc_total"] / 10_000
        np.testing.assert_allclose(values, cells[dataset.obs.index, gene].X.toarray().ravel(), atol=1e-3)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int32, np.uint16])
@pytest.mark.parametrize("layout", ["csr", "csc", "dense"])
def test_layouts_and_types_of_x(layout: str, dtype: type, workspace: Workspace, written: Callable[..., Path]) -> None:
    cells = small_cells()
    dense = cells.X.toarray().astype(dtype)
    cells.X = {"csr": sp.csr_matrix, "csc": sp.csc_matrix, "dense": np.asarray}[layout](dense)
    _same_counts(written(cells), workspace, "X")


def test_all_layouts_are_cut_into_many_tiles(
    workspace: Workspace, written: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tiles, and batches of genes, far smaller than the file: the result must not depend on them."""
    monkeypatch.setattr("genediff.data.matrices.sparse_matrix.TILE_ENTRIES", 500)
    monkeypatch.setattr("genediff.data.matrices.sparse_matrix._DENSE_ENTRIES", 1000)
    monkeypatch.setattr("genediff.data.importing.write_matrix.BLOCK_ENTRIES", 2000)
    results = []
    for layout in (sp.csr_matrix, sp.csc_matrix, np.asarray):
        cells = small_cells()
        cells.X = layout(cells.X.toarray())
        path = written(cells, f"{layout.__name__}.h5ad")
        _same_counts(path, workspace, "X")
        results.append(import_cells(path, quick_config(), workspace.datasets))
    assert results[0].genes == results[1].genes == results[2].genes
    np.testing.assert_array_equal(results[0].pcs, results[1].pcs)
    np.testing.assert_array_equal(results[0].pcs, results[2].pcs)


def _log_normalise(cells: ad.AnnData) -> None:
    dense = cells.X.toarray()
    cells.X = sp.csr_matrix(np.log1p(dense / dense.sum(axis=1, keepdims=True) * 1e4).astype(np.float32))


def test_counts_in_a_layer(workspace: Workspace, written: Callable[..., Path]) -> None:
    cells = small_cells()
    cells.layers["counts"] = cells.X.copy()
    _log_normalise(cells)
    path = written(cells)
    assert "X does not" not in diagnose(path).why  # the layer called counts is believed before X is looked at
    _same_counts(path, workspace, "layers/counts")


def test_counts_in_a_dense_layer_of_another_name(workspace: Workspace, written: Callable[..., Path]) -> None:
    cells = small_cells()
    cells.layers["spliced_or_so"] = cells.X.toarray()
    _log_normalise(cells)
    path = written(cells)
    assert "X does not" in diagnose(path).why
    _same_counts(path, workspace, "layers/spliced_or_so")


def test_counts_in_raw_with_more_genes_than_x(workspace: Workspace, written: Callable[..., Path]) -> None:
    cells = small_cells()
    cells.raw = cells.copy()
    _log_normalise(cells)
    _same_counts(written(cells[:, 5:50].copy()), workspace, "raw.X")


def test_cellxgene_file(workspace: Workspace, written: Callable[..., Path]) -> None:
    """CELLxGENE: counts in raw, log-normalised X, Ensembl ids in the index, symbols in feature_name."""
    cells = small_cells()
    symbols = list(cells.var_names)
    symbols[3] = symbols[2]
    cells.var_names = [f"ENSG{number:011d}" for number in range(cells.n_vars)]
    cells.var["feature_name"] = pd.Categorical(symbols)
    cells.raw = cells.copy()
    _log_normalise(cells)
    cells.obs["cell_type_ontology_term_id"] = pd.Categorical(np.resize(["CL:1", "CL:2"], cells.n_obs))
    path = written(cells)
    with h5py.File(path, "a") as file:  # as they write it: the raw var has ids only
        del file["raw/var/feature_name"]
        file["raw/var"].attrs["column-order"] = np.array([], dtype=h5py.string_dtype())
    found = diagnose(path)
    assert (found.counts, found.species, found.gene_ids, found.symbol_column) == (
        "raw.X", "human", "symbol", "feature_name",
    )  # fmt: skip
    assert found.label == "cell_type" and found.n_duplicate_genes == 1
    dataset = import_cells(path, quick_config(), workspace.datasets)
    assert dataset.all_genes[:5] == ("MT-CO1", "MT-ND1", "GENE0", "GENE0-1", "GENE2")
    assert dataset.gene_ids[4] == "ENSG00000000004"
    assert any("feature_name" in note for note in dataset.info.notes)


def test_old_file_before_anndata_07(workspace: Workspace, tmp_path: Path) -> None:
    """obs and var as tables of records, categories in uns, sparse X with h5sparse attributes."""
    cells = small_cells()
    path = tmp_path / "old.h5ad"
    with h5py.File(path, "w") as file:
        group = file.create_group("X")
        group.attrs["h5sparse_format"], group.attrs["h5sparse_shape"] = "csr", np.array(cells.shape)
        for part in ("data", "indices", "indptr"):
            group[part] = getattr(cells.X, part)
        codes = cells.obs["cell_type"].cat.codes.to_numpy()
        obs = np.zeros(cells.n_obs, dtype=[("index", "S10"), ("cell_type", "i1"), ("depth", "f4")])
        obs["index"], obs["cell_type"], obs["depth"] = (
            cells.obs_names.to_numpy().astype("S10"),
            codes,
            cells.obs["score"],
        )
        file["obs"] = obs
        var = np.zeros(cells.n_vars, dtype=[("index", "S10")])
        var["index"] = cells.var_names.to_numpy().astype("S10")
        file["var"] = var
        file["uns/cell_type_categories"] = np.array(["B", "NK", "T"], dtype="S2")
    assert diagnose(path).label == "cell_type"
    _same_counts(path, workspace, "X")
    dataset = import_cells(path, quick_config(), workspace.datasets)
    assert list(dataset.obs["cell_type"]) == list(cells.obs["cell_type"])


def test_file_of_anndata_07(workspace: Workspace, tmp_path: Path, written: Callable[..., Path]) -> None:
    """Data frames of encoding 0.1.0: categories in a __categories group, pointed to by an object reference."""
    cells = small_cells()
    path = written(cells)
    with h5py.File(path, "a") as file:
        obs = file["obs"]
        codes, categories = obs["cell_type/codes"][:], obs["cell_type/categories"].asstr()[:]
        for name in ("cell_type", "batch"):
            del obs[name]
        obs.create_dataset("__categories/cell_type", data=categories.astype(object), dtype=h5py.string_dtype())
        obs["cell_type"] = codes
        obs["cell_type"].attrs["categories"] = obs["__categories/cell_type"].ref
        obs.attrs["encoding-version"] = "0.1.0"
        obs.attrs["column-order"] = np.array(["cell_type", "score"], dtype=h5py.string_dtype())
    _same_counts(path, workspace, "X")
    assert list(import_cells(path, quick_config(), workspace.datasets).obs["cell_type"]) == list(cells.obs["cell_type"])


def test_duplicate_genes_and_cells_are_numbered(workspace: Workspace, written: Callable[..., Path]) -> None:
    cells = small_cells()
    cells.var_names = ["MT-CO1", "MT-ND1", *["GENE0"] * 3, *cells.var_names[5:]]
    cells.obs_names = ["twin", "twin", *cells.obs_names[2:]]
    with pytest.warns(UserWarning, match="not unique"):
        path = written(cells.copy())
    dataset = import_cells(path, quick_config(), workspace.datasets)
    assert dataset.all_genes[2:5] == ("GENE0", "GENE0-1", "GENE0-2")
    assert list(dataset.obs.index[:2]) == ["twin", "twin-1"]
    notes = " ".join(dataset.info.notes)
    assert "2 genes have a name" in notes and "1 cells had a name" in notes
    first = cells.X.toarray()[:, 3]
    values = np.expm1(dataset.gene_values("GENE0-1")) * dataset.obs["qc_total"] / 10_000
    np.testing.assert_allclose(values, first, atol=1e-3)


def test_antibody_tags_are_left_out(workspace: Workspace, written: Callable[..., Path]) -> None:
    cells = small_cells()
    cells.var["feature_types"] = ["Gene Expression"] * 55 + ["Antibody Capture"] * 5
    dataset = import_cells(written(cells), quick_config(), workspace.datasets)
    assert dataset.all_genes == tuple(cells.var_names[:55])
    np.testing.assert_allclose(dataset.obs["qc_total"], cells.X[:, :55].sum(axis=1).A1)


def test_ten_x_h5(workspace: Workspace, tmp_path: Path) -> None:
    """Cell Ranger 3: genes x cells, CSC, with antibody tags among the features."""
    cells = small_cells()
    path = tmp_path / "filtered_feature_bc_matrix.h5"
    with h5py.File(path, "w") as file:
        group = file.create_group("matrix")
        for part in ("data", "indices", "indptr"):
            values = getattr(cells.X, part)
            group[part] = values.astype(np.int32) if part == "data" else values
        group["shape"] = np.array([cells.n_vars, cells.n_obs])
        group["barcodes"] = cells.obs_names.to_numpy().astype("S")
        names = cells.var_names.to_numpy().astype("S")
        for part, values in {
            "id": np.array([f"ENSG{number:011d}" for number in range(cells.n_vars)]).astype("S"),
            "name": names,
            "feature_type": np.full(cells.n_vars, b"Gene Expression"),
            "genome": np.full(cells.n_vars, b"GRCh38"),
        }.items():
            group[f"features/{part}"] = values
    found = diagnose(path)
    assert (found.format, found.counts, found.species) == ("10x h5", "X", "human")
    _same_counts(path, workspace, "X", label=None)


@pytest.mark.parametrize("name", ["cells.csv", "cells.tsv", "cells.csv.gz", "cells.txt"])
@pytest.mark.parametrize("turned", [False, True], ids=["cells in rows", "genes in rows"])
def test_tables(name: str, turned: bool, workspace: Workspace, tmp_path: Path) -> None:
    cells = small_cells()
    cells.var_names = ["MT-CO1", "MT-ND1", "CD3D", "CD3E", "LYZ", "NKG7", "B2M", *cells.var_names[7:]]
    frame = pd.DataFrame(cells.X.toarray().astype(int), index=cells.obs_names, columns=cells.var_names)
    path = tmp_path / name
    (frame.T if turned else frame).to_csv(path, sep="," if ".csv" in name else "\t")
    dataset = import_cells(path, quick_config(label=None), workspace.datasets)
    assert dataset.info.has_counts
    assert dataset.all_genes == tuple(cells.var_names)
    assert abs(dataset.counts() - cells[:, list(dataset.genes)].X).sum() == 0
    assert any("turned round" in note for note in dataset.info.notes) == turned


def test_mouse_genes(shared_data: Path) -> None:
    found = diagnose(shared_data / "h5ad" / "mouse_brain_10k_x1000_counts_scanpytests.h5ad")
    assert (found.species, found.counts, found.gene_ids) == ("mouse", "X", "symbol")


def test_a_file_without_counts_can_be_looked_at(workspace: Workspace, written: Callable[..., Path]) -> None:
    from genediff.core.errors import InputError

    cells = small_cells()
    _log_normalise(cells)
    path = written(cells)
    found = diagnose(path)
    assert found.counts is None and found.values == "lognorm" and found.usable
    assert "add up to 10,000" in found.why
    assert any("no count likelihood" in problem.text for problem in found.problems)
    dataset = import_cells(path, quick_config(), workspace.datasets)
    assert not dataset.info.has_counts and dataset.info.target_sum is None
    assert abs(dataset.x() - cells[:, list(dataset.genes)].X).max() < 1e-6
    np.testing.assert_allclose(dataset.gene_values("GENE5"), cells[:, "GENE5"].X.toarray().ravel())
    assert dataset.pcs.shape == (240, 10)
    with pytest.raises(InputError, match="no raw counts"):
        dataset.counts()
    with pytest.raises(InputError, match="no raw counts"):
        dataset.normalise(dataset.x())


def test_normalised_but_not_logged_values_are_logged(workspace: Workspace, written: Callable[..., Path]) -> None:
    cells = small_cells()
    dense = cells.X.toarray()
    cells.X = sp.csr_matrix((dense / dense.sum(axis=1, keepdims=True) * 1e4).astype(np.float32))
    path = written(cells)
    assert diagnose(path).values == "normalised"
    dataset = import_cells(path, quick_config(), workspace.datasets)
    np.testing.assert_allclose(dataset.x().toarray(), np.log1p(cells[:, list(dataset.genes)].X.toarray()), rtol=1e-5)


def test_scaled_values_are_taken_as_they_are(workspace: Workspace, written: Callable[..., Path]) -> None:
    cells = small_cells()
    _log_normalise(cells)
    dense = cells.X.toarray()
    cells.X = ((dense - dense.mean(axis=0)) / dense.std(axis=0)).astype(np.float32)
    path = written(cells)
    assert diagnose(path).values == "scaled"
    dataset = import_cells(path, quick_config(), workspace.datasets)
    np.testing.assert_allclose(dataset.x().toarray(), cells[:, list(dataset.genes)].X, rtol=1e-6)


def test_raw_without_counts_is_preferred_to_scaled_x(written: Callable[..., Path]) -> None:
    cells = small_cells()
    _log_normalise(cells)
    cells.raw = cells.copy()
    dense = cells.X.toarray()
    cells.X = (dense - dense.mean(axis=0)).astype(np.float32)
    found = diagnose(written(cells))
    assert found.counts is None and found.values == "lognorm" and "raw.X goes from 0" in found.why


def test_every_labelled_real_file_imports(shared_data: Path, workspace: Workspace) -> None:
    for name in ("kang_ifnb_counts_2000cells_harmony", "papalexi_thp1_crisprko_299genes_counts_sceptre",
                 "spectra_sample_lognorm", "norman_tiny_50x50_scx", "pbmc_cite_200cells_scvi_tests"):  # fmt: skip
        path = shared_data / "h5ad" / f"{name}.h5ad"
        config = diagnose(path).propose_config().model_copy(update={"umap": False})
        dataset = import_cells(path, config, workspace.datasets)
        assert np.isfinite(dataset.pcs).all()
        assert sum(dataset.info.split_sizes.values()) == dataset.info.n_cells == dataset.x().shape[0]


def test_compressed_table_is_no_hdf5(tmp_path: Path) -> None:
    path = tmp_path / "table.csv.gz"
    path.write_bytes(gzip.compress(b"cell,CD3D,LYZ\na,1,2\nb,0,3\n"))
    assert diagnose(path).n_cells == 2
