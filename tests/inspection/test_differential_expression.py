"""Differential expression: the same figures as scipy's and scanpy's, and false findings counted by simulation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anndata
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from scipy.stats import false_discovery_control, mannwhitneyu

from genediff.core.errors import InputError
from genediff.core.installation import ASSETS
from genediff.data import Dataset, ImportConfig, import_cells
from genediff.inspection.groups.differential_expression import differential_expression
from genediff.inspection.groups.replicates import moderated_t

if TYPE_CHECKING:
    from genediff.inspection.groups.differential_expression import DifferentialExpression

N_GENES, PLANTED = 1200, 120


@pytest.fixture(scope="module")
def donors(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Two conditions of four donors each, 60 cells a donor; every gene differs between donors, 120 by condition too."""
    draw = np.random.default_rng(0)
    folder = tmp_path_factory.mktemp("donors")
    donor = np.repeat(np.arange(8), 60)
    treated = donor >= 4
    level = np.exp(draw.normal(0, 1, N_GENES))[None] * np.exp(draw.normal(0, 0.3, (8, N_GENES)))[donor]
    held = level[:, :PLANTED].sum(1, keepdims=True)
    level[:, :PLANTED] *= np.where(treated[:, None], np.where(np.arange(PLANTED) % 2, 3.0, 1 / 3), 1.0)
    level[:, :PLANTED] *= held / level[:, :PLANTED].sum(1, keepdims=True)  # or all other genes would change too
    share = level / level.sum(1, keepdims=True)
    counts = draw.poisson(share * draw.lognormal(8, 0.3, len(donor))[:, None]).astype(np.float32)
    obs = pd.DataFrame({"donor": donor.astype(str), "condition": np.where(treated, "treated", "control")})
    obs.index = obs.index.astype(str)
    cells = anndata.AnnData(sp.csr_matrix(counts), obs, pd.DataFrame(index=[f"G{i}" for i in range(N_GENES)]))
    cells.write_h5ad(folder / "cells.h5ad")
    how = ImportConfig(label="condition", batch="donor", n_genes=100, umap=False, n_pcs=5, name="donors")
    return import_cells(folder / "cells.h5ad", how, folder / "datasets")


def compared(dataset: Dataset) -> DifferentialExpression:
    treated = (dataset.obs["condition"] == "treated").to_numpy()
    codes = dataset.obs["donor"].astype("category").cat.codes.to_numpy()
    return differential_expression(dataset, treated, ~treated, replicates=codes)


def test_it_is_scipys_test_on_expression_of_all_genes(donors: Dataset) -> None:
    """The file has 1,200 genes, 100 were chosen: all are tested, normalised by the total of all."""
    found = compared(donors)
    table = found.table.set_index("gene")
    treated = (donors.obs["condition"] == "treated").to_numpy()
    counts = donors.every_gene_at(donors.rows()).toarray()
    x = np.log1p(counts.astype(np.float64) / counts.sum(1, keepdims=True) * 1e4)  # scipy answers in the bits asked in
    assert len(table) == found.n_genes == N_GENES and donors.info.n_genes == 100
    ours = table.loc[list(donors.all_genes)]
    expected = [mannwhitneyu(one[treated], one[~treated], method="asymptotic") for one in x.T]
    np.testing.assert_allclose(ours["p_value"], [one.pvalue for one in expected], rtol=1e-3)
    np.testing.assert_allclose(ours["auc"], [one.statistic / (240 * 240) for one in expected], atol=1e-5)
    np.testing.assert_allclose(ours["fdr"], false_discovery_control(ours["p_value"]))
    np.testing.assert_allclose(ours["detected_first"], (counts[treated] > 0).mean(0), atol=1e-6)
    np.testing.assert_allclose(ours["mean_second"], x[~treated].mean(0), atol=1e-4)
    fold = np.log2((np.expm1(x[treated]).mean(0) + 1) / (np.expm1(x[~treated]).mean(0) + 1))
    np.testing.assert_allclose(ours["log2_fold"], fold, atol=1e-4)


def test_pseudobulk_keeps_its_false_discovery_rate_where_cells_do_not(donors: Dataset) -> None:
    """Donors differ in every gene. Taken as independent, cells find most genes; donors find the planted ones."""
    table = compared(donors).table
    planted = table["gene"].isin([f"G{i}" for i in range(PLANTED)])
    by_cell, by_donor = table["fdr"] < 0.05, table["fdr_replicates"] < 0.05
    assert (by_cell & ~planted).sum() / by_cell.sum() > 0.3
    n = int(by_donor.sum())
    assert (by_donor & ~planted).sum() / n <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / n)
    assert (by_donor & planted).sum() / PLANTED >= 0.6


@pytest.mark.parametrize("paired", [False, True])
def test_moderated_p_values_are_uniform_without_an_effect(paired: bool) -> None:
    """3,000 genes of three donors a group, variances that differ from gene to gene."""
    draw = np.random.default_rng(3)
    spread = np.sqrt(1 / draw.gamma(4, 1 / 4, 3000))[:, None]
    left, right = (spread * draw.normal(size=(3000, 3)) for _ in range(2))
    p = moderated_t(left, right, paired=paired)
    for level in (0.01, 0.05, 0.2):
        assert abs((p < level).mean() - level) < 2.5 * np.sqrt(level * (1 - level) / 3000), level


def test_shown_expression_is_normalised_by_all_genes(donors: Dataset) -> None:
    """It was divided by the total of the chosen genes: between cell types values moved by up to 0.7."""
    counts = donors.every_gene_at(donors.rows()).toarray()
    place = donors.all_genes.index(donors.genes[0])
    expected = np.log1p(counts[:, place] / counts.sum(1) * 1e4)
    np.testing.assert_allclose(donors.gene_values(donors.genes[0]), expected, rtol=1e-5)


def test_marker_genes_of_real_cells_come_first() -> None:
    cells = Dataset.open(ASSETS / "datasets" / "pbmc3k", shipped=True)
    b_cells = (cells.obs["cell_type_derived"] == "B").to_numpy()
    table = differential_expression(cells, b_cells, ~b_cells).table
    assert {"CD79A", "CD79B", "MS4A1"} <= set(table["gene"].head(8))
    ms4a1 = table.set_index("gene").loc["MS4A1"]
    assert ms4a1["detected_first"] > 0.7 > 0.1 > ms4a1["detected_second"] and ms4a1["log2_fold"] > 2


def test_groups_that_cannot_be_compared_are_said(donors: Dataset) -> None:
    few = np.arange(donors.info.n_cells) < 3
    with pytest.raises(InputError, match="first group has 3 cells"):
        differential_expression(donors, few, ~few)
    with pytest.raises(InputError, match="in both groups"):
        differential_expression(donors, np.ones_like(few), np.ones_like(few))
