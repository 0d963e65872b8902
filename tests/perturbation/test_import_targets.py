"""The doctor finds targets, and the import keeps them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from genediff.data import ImportConfig, diagnose, import_cells
from genediff.workspace import Workspace

if TYPE_CHECKING:
    from pathlib import Path

GUIDES = ("NTg1", "NTg2", "STAT1g1", "STAT1g2", "IRF1g1", "CAV1g1")


@pytest.fixture
def guides(tmp_path: Path) -> Path:
    """A screen by guides in which STAT1 and IRF1 hardly vary, and CAV1 is not measured."""
    draw = np.random.default_rng(0)
    means = draw.gamma(0.5, 4.0, 80)
    counts = draw.poisson(means * draw.gamma(1.0, 1.0, (600, 80))).astype(np.float32)
    counts[:, :2] = draw.random((600, 2)) < 0.05
    names = ["STAT1", "IRF1", *(f"G{number}" for number in range(78))]
    obs = pd.DataFrame({"guide": draw.choice(GUIDES, 600)}, index=[f"c{number}" for number in range(600)])
    ad.AnnData(counts, obs=obs, var=pd.DataFrame(index=names)).write_h5ad(tmp_path / "guides.h5ad")
    return tmp_path / "guides.h5ad"


def test_the_doctor_reads_guides(guides: Path) -> None:
    found = diagnose(guides)
    assert found.perturbation == "guide"
    assert found.control in ("NTg1", "NTg2")
    assert (found.n_perturbations, found.targets, found.missing_targets) == (3, ("IRF1", "STAT1"), ("CAV1",))
    assert "1 of 3 target genes are not among the genes" in found.to_text()
    assert "3 different beside the control; they act on 3 genes, 2 of them in the file" in found.to_text()


@pytest.mark.parametrize("keep", [True, False])
def test_the_import_keeps_targets_where_they_are_wanted(guides: Path, tmp_path: Path, keep: bool) -> None:
    config = ImportConfig(perturbation="guide", control="NTg1", n_genes=20, keep_targets=keep, umap=False)
    genes = import_cells(guides, config, Workspace(tmp_path / "home").datasets).genes
    assert len(genes) == 20
    assert ({"STAT1", "IRF1"} <= set(genes)) is keep


def test_ids_of_imports_without_perturbations_stay(guides: Path) -> None:
    assert "keep_targets" not in ImportConfig().fingerprint()
    with_column = ImportConfig(perturbation="guide")
    assert with_column.fingerprint() != ImportConfig(perturbation="guide", keep_targets=False).fingerprint()
