"""The parts of an import against independent implementations: split, gene choice, components, names, columns."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scanpy as sc
import scipy.sparse as sp
from sklearn.decomposition import PCA as SklearnPCA

from genediff.core.errors import InputError
from genediff.data.cells.pca import fit_pca
from genediff.data.cells.split import split_from_column, stratified_split
from genediff.data.importing.column_roles import as_levels, clean_obs, describe, propose
from genediff.data.importing.features import read_features
from genediff.data.importing.gene_ids import gene_side, is_ensembl, make_unique, species_of, symbol_column
from genediff.data.importing.gene_selection import choose_genes, training_moments
from genediff.data.importing.perturbation_columns import propose_perturbations
from genediff.data.matrices.sparse_matrix import MemoryMatrix

from .conftest import small_cells


def _nothing() -> None: ...


# -------------------------------------------------------------------------------------------------------------- split


def test_every_label_keeps_its_shares() -> None:
    labels = pd.Series(["a"] * 500 + ["b"] * 50 + ["c"] * 5 + ["d"] * 3)
    split = stratified_split(labels, len(labels), fractions=(0.6, 0.2, 0.2), seed=3).values
    table = pd.crosstab(labels, split)
    assert table.loc["a"].to_dict() == {"train": 300, "validation": 100, "test": 100}
    assert table.loc["b"].to_dict() == {"train": 30, "validation": 10, "test": 10}
    assert (table.loc[["c", "d"]] >= 1).all().all()


def test_split_is_seeded() -> None:
    labels = pd.Series(np.resize(["a", "b"], 100))
    first, same, other = (
        stratified_split(labels, 100, fractions=(0.6, 0.2, 0.2), seed=seed).values for seed in (1, 1, 2)
    )
    assert (first == same).all() and (first != other).any()


def test_small_labels_are_trained_on_and_named() -> None:
    labels = pd.Series(["a"] * 20 + ["rare"] * 2 + [None])
    split = stratified_split(labels, 23, fractions=(0.6, 0.2, 0.2), seed=0)
    assert (split.values[20:] == "train").all()
    assert "rare" in split.notes[0] and "without a label" in split.notes[0]


@pytest.mark.parametrize("fractions", [(0.6, 0.2, 0.2), (0.1, 0.45, 0.45), (0.02, 0.49, 0.49)])
@pytest.mark.parametrize("n", [3, 4, 5, 7])
def test_a_small_label_is_in_every_part(n: int, fractions: tuple[float, float, float]) -> None:
    split = stratified_split(None, n, fractions=fractions, seed=0).values
    assert set(split) == {"train", "validation", "test"}


def test_split_from_a_column() -> None:
    column = pd.Series(["Train", "VAL", "test ", "training", "valid"], name="fold")
    values = split_from_column(column, labels=None, seed=0).values
    assert list(values) == ["train", "validation", "test", "train", "validation"]


def test_validation_cells_are_set_aside_where_the_column_has_none() -> None:
    column = pd.Series(np.resize(["train", "train", "train", "train", "test"], 100), name="fold")
    split = split_from_column(column, labels=None, seed=0)
    assert (split.values == "validation").sum() == 20
    assert (split.values[column == "test"] == "test").all()
    assert "20 of its training cells" in split.notes[0]


@pytest.mark.parametrize(
    ("levels", "sentence"),
    [(["train", "test", "ood"], "'ood'"), (["train", None, "test"], "empty for 1 cells"), (["train"], "no test cells")],
)
def test_unclear_split_columns(levels: list[str | None], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        split_from_column(pd.Series(levels, name="fold"), labels=None, seed=0)


# -------------------------------------------------------------------------------------------------------- gene choice


@pytest.mark.parametrize("n", [10, 150])
def test_gene_choice_is_scanpys_seurat_flavour(n: int) -> None:
    """Compared on the training cells alone: scanpy never sees the others."""
    rng = np.random.default_rng(0)
    rates = rng.gamma(0.5, 2, 400) * np.where(rng.random((300, 400)) < 0.3, 3, 1)
    counts = sp.csr_matrix(rng.poisson(rates * rng.gamma(5, 0.2, (300, 1))).astype(np.float32))
    train = rng.random(300) < 0.6
    matrix = MemoryMatrix(counts, file="cells.csv")
    moments = training_moments(
        matrix.map, 400, train=train, total=counts.sum(axis=1).A1, values="counts", after_tile=_nothing
    )
    chosen = choose_genes(moments, n, min_cells=3, keep=np.zeros(400, dtype=bool))
    cells = ad.AnnData(counts[train])
    sc.pp.normalize_total(cells, target_sum=1e4)
    sc.pp.log1p(cells)
    usable = np.flatnonzero(counts[train].getnnz(axis=0) >= 3)
    table = sc.pp.highly_variable_genes(cells[:, usable].copy(), flavor="seurat", n_top_genes=n, inplace=False)
    assert set(chosen) == set(usable[table["highly_variable"]])
    assert (np.diff(chosen) > 0).all()


def test_log_values_choose_as_counts_do() -> None:
    counts = small_cells().X
    total = counts.sum(axis=1).A1
    train = np.arange(240) < 150
    logged = sp.csr_matrix(np.log1p(counts.toarray() / total[:, None] * 1e4))
    chosen = []
    for values, kind in ((counts, "counts"), (logged, "lognorm")):
        moments = training_moments(
            MemoryMatrix(values, file="cells.csv").map, 60, train=train, total=total, values=kind, after_tile=_nothing
        )
        chosen.append(choose_genes(moments, 30, min_cells=3, keep=np.zeros(60, dtype=bool)))
    np.testing.assert_array_equal(*chosen)


# ---------------------------------------------------------------------------------------------------------- components


@pytest.mark.parametrize("wide", [False, True], ids=["covariance", "iteration"])
def test_components_are_sklearns(wide: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if wide:
        monkeypatch.setattr("genediff.data.cells.pca._WIDE", 10)
    else:
        monkeypatch.setattr("genediff.data.cells.pca._FEW_ENTRIES", 0)
    x = sp.csr_matrix(np.log1p(small_cells().X.toarray()).astype(np.float32))
    ours = fit_pca(x[:150], 5, seed=0, after_block=_nothing)
    theirs = SklearnPCA(5, svd_solver="full").fit(x[:150].toarray())
    np.testing.assert_allclose(ours.explained, theirs.explained_variance_ratio_, rtol=1e-3)
    signs = np.sign((ours.components * theirs.components_).sum(axis=1))
    held_out = x[150:]
    np.testing.assert_allclose(ours.project(held_out) * signs, theirs.transform(held_out.toarray()), atol=2e-2)
    np.testing.assert_allclose(ours.project(held_out), ours.project(held_out.toarray()), atol=1e-4)
    np.testing.assert_allclose(ours.project(x[:150]).mean(axis=0), 0, atol=1e-4)  # the train mean is subtracted


def test_components_are_fewer_where_there_are_few_cells() -> None:
    x = sp.csr_matrix(np.random.default_rng(0).random((6, 30), dtype=np.float32))
    assert fit_pca(x, 50, seed=0, after_block=_nothing).components.shape == (5, 30)


# --------------------------------------------------------------------------------------------------------------- genes


def test_make_unique_never_collides() -> None:
    names, changed = make_unique(["A", "A", "A-1", "B", "A"])
    assert names == ("A", "A-2", "A-1", "B", "A-3") and changed == 2
    assert len(set(names)) == 5


@pytest.mark.parametrize(
    ("names", "species"),
    [
        (["CD3D", "LYZ", "MS4A1", "NKG7", "STAT1"], "human"),
        (["Cd3d", "Lyz", "Ms4a1", "Nkg7", "Stat1"], "mouse"),
        ([f"ENSMUSG{n:011d}" for n in range(20)], "mouse"),
        ([f"ENSG{n:011d}.3" for n in range(20)], "human"),
        ([f"ENSDARG{n:011d}" for n in range(20)], "unknown"),
        (["x1", "x2", "x3"], "unknown"),
    ],
    ids=["human", "mouse", "mouse ids", "human ids", "zebrafish ids", "nonsense"],
)
def test_species(names: list[str], species: str) -> None:
    assert species_of(names, names) == species


def test_symbol_column_is_the_one_with_symbols() -> None:
    ids = [f"ENSG{n:011d}" for n in range(4)]
    var = pd.DataFrame({"gene_ids": ids, "gene_name": ids, "feature_name": ["LYZ", "CD4", "FTL", "B2M"]}, index=ids)
    assert is_ensembl(ids)
    assert symbol_column(var) == "feature_name"
    assert symbol_column(var[["gene_ids", "gene_name"]]) is None


@pytest.mark.parametrize(
    ("genes", "cells", "corner"),
    [
        (["CD3D", "LYZ", "MT-CO1", "HLA-A"], ["AAACCTGAGAAACCAT-1", "AAACCTGAGAAACCGC-1"], ""),
        (["CD3D", "Xyz", "NEWGENE"] * 9, ["cell1", "cell2"], ""),
        ([f"ENSG{n:011d}.3" for n in range(9)], ["A", "B", "C"], ""),
        ([f"ENSMUSG{n:011d}" for n in range(9)], [f"ENSX{n}" for n in range(9)], ""),
        (["1", "10", "100", "7157", "672"], [f"S{n}" for n in range(9)], ""),  # Entrez ids
        (["GeneA", "GeneB", "GeneC"], ["Sample_1", "Sample_2"], ""),
        (["7157", "672", "999"], ["0", "1", "2"], ""),
        (["x1", "x2"], ["y1", "y2"], "gene_id"),
    ],
)
def test_one_side_of_a_table_holds_genes(genes: list[str], cells: list[str], corner: str) -> None:
    """Ensembl and Entrez ids in the rows, and few known symbols beside sample names, were read as cells."""
    assert gene_side(genes, cells, corner) == "genes"
    assert gene_side(cells, genes, "") == (None if corner else "cells")


def test_where_neither_side_tells_it_is_asked() -> None:
    assert gene_side(["x1", "x2"], ["y1", "y2"], "") is None
    assert gene_side(["x1", "x2"], ["y1", "y2"], "cell_id") == "cells"


# ------------------------------------------------------------------------------------------------------------- columns


def test_levels_are_text_and_missing_is_missing() -> None:
    assert list(as_levels(pd.Series([1.0, 2.0, np.nan])).astype(object).fillna("-")) == ["1", "2", "-"]
    assert as_levels(pd.Series(["a", " a", "nan", "", None])).isna().tolist() == [False, False, True, True, True]
    assert list(as_levels(pd.Series([True, False])).cat.categories) == ["False", "True"]
    assert list(as_levels(pd.Series(pd.Categorical(["b", "a"], ["c", "b", "a"]))).cat.categories) == ["a", "b"]


def test_reserved_and_odd_column_names() -> None:
    obs = pd.DataFrame({"split": ["a"], "donor/age": [3], 7: [None]}, index=["x"])
    clean, notes = clean_obs(obs)
    assert list(clean.columns) == ["split_in_file", "donor_age", "7"]
    assert len(notes) == 2


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"cell_type": "AB", "donor_id": "xyz"}, ("cell_type", "donor_id", None, None)),
        ({"louvain": "012", "bulk_labels": "AB"}, ("bulk_labels", None, None, None)),
        ({"condition": ["ctrl", "stim"], "celltype": "AB"}, ("celltype", None, "condition", "ctrl")),
        ({"condition": ["healthy", "ill"], "celltype": "AB"}, ("celltype", None, None, None)),
        (
            {"label": ["ctrl", "stim"], "cell_type": "AB"},
            ("cell_type", None, "label", "ctrl"),
        ),  # as Kang's is published
        ({"label": ["control", "patient"], "cell_type": "AB"}, ("cell_type", None, None, None)),
        ({"gene_target": ["non-targeting", "STAT1"]}, ("gene_target", None, "gene_target", "non-targeting")),
        ({"nonsense": "AB"}, (None, None, None, None)),
    ],
)
def test_proposals(columns: dict[str, object], expected: tuple[str | None, ...]) -> None:
    obs = pd.DataFrame({name: np.resize(list(levels), 60) for name, levels in columns.items()})
    clean = clean_obs(obs)[0]
    reading = propose_perturbations(clean, read_features(pd.DataFrame(index=["STAT1", "JUN"])), {})
    column, control = (None, None) if reading is None else (reading.recipe.column, reading.recipe.control)
    found = propose(describe(clean), perturbation=column, control=control)
    assert (found.label, found.batch, found.perturbation, found.control) == expected


def test_split_and_cells_to_leave_out_are_proposed() -> None:
    obs = pd.DataFrame(
        {"fold": np.resize(["train", "val", "test"], 60), "cell_type": np.resize(["B", "T", "filtered", "Doublet"], 60)}
    )
    found = propose(describe(clean_obs(obs)[0]))
    assert found.split_column == "fold" and set(found.exclude_levels) == {"filtered", "Doublet"}
