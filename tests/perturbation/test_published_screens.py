"""Published screens: small files in the column layout of each, imported with their recipe, and opened on Perturb."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from genediff.cli import app
from genediff.data import ImportConfig, diagnose, import_cells
from genediff.data.importing.recipe import RECIPE_FILE, Recipe, shipped_recipes, stored_recipe
from genediff.perturbation import Task
from genediff.training.reproduction import View, bundle, import_command
from genediff.workspace import Workspace

if TYPE_CHECKING:
    from pathlib import Path

N = 480
GENES = ("CD74", "STAT1", "IRF1", "JUN", "ELK1", "EGR1", "SPI1", "EIF2AK3", "ERN1", "ATF6",
         *(f"G{number}" for number in range(40)))  # fmt: skip
SMALL: dict[str, Any] = {"umap": False, "n_genes": 20, "n_pcs": 5, "label": None}


def _norman(draw: np.random.Generator) -> dict[str, Any]:
    single = ["CD74_NegCtrl0__CD74_NegCtrl0", "NegCtrl0_STAT1__NegCtrl0_STAT1", "CD74_STAT1__CD74_STAT1"]
    controls = ["NegCtrl10_NegCtrl0__NegCtrl10_NegCtrl0", "NegCtrl0_NegCtrl0__NegCtrl0_NegCtrl0"]
    return {"guide_identity": draw.choice([*single, *controls], N), "read_count": draw.integers(1, 99, N),
            "good_coverage": True, "number_of_cells": 1, "gemgroup": draw.integers(1, 4, N)}  # fmt: skip


def _gears(draw: np.random.Generator) -> dict[str, Any]:
    condition = draw.choice(["ctrl", "CD74+ctrl", "ctrl+STAT1", "CD74+STAT1", "JUN+ctrl "], N)
    return {
        "condition": condition,
        "cell_type": "A549",
        "dose_val": "1+1",
        "control": (condition == "ctrl").astype(int),
        "condition_name": [f"A549_{one}_1+1" for one in condition],
    }


def _replogle(draw: np.random.Generator) -> dict[str, Any]:
    gene = draw.choice(["non-targeting", "CD74", "STAT1", "IRF1"], N)
    told = ["10752_non-targeting_non-targeting_non-targeting" if one == "non-targeting" else f"12_{one}_P1P2_ENSG01"
            for one in gene]  # fmt: skip
    return {"gem_group": draw.integers(1, 9, N), "gene": gene, "gene_id": "ENSG00000000001", "transcript": "P1P2",
            "gene_transcript": told, "sgID_AB": [f"{one}_+_12.23-P1P2|{one}_-_45.23-P1P2" for one in gene],
            "z_gemgroup_UMI": draw.normal(size=N), "core_scale_factor": 1.1}  # fmt: skip


def _adamson(draw: np.random.Generator) -> dict[str, Any]:
    levels = ["SPI1_pDS255", "PERK_only_pMJ146", "ATF6_PERK_IRE1_pMJ158", "62(mod)_pBA581", "3x_neg_ctrl_pMJ144-1", "*"]
    return {"perturbation": draw.choice(levels, N), "read count": 9, "UMI count": 3, "celltype": "lymphoblasts",
            "perturbation_type": "CRISPR"}  # fmt: skip


def _dixit(draw: np.random.Generator) -> dict[str, Any]:
    levels = ["p_sgELK1_1", "p_sgELK1_2", "p_sgEGR1_4", "p_sgEGR1_4 + p_sgELK1_1", "p_INTERGENIC393453",
              "p_INTERGENIC1216445", "control"]  # fmt: skip
    return {"perturbation": draw.choice(levels, N), "celltype": "lymphoblasts", "moi": "normal", "time": 168,
            "perturbation_type": "CRISPR"}  # fmt: skip


def _tahoe(draw: np.random.Generator) -> dict[str, Any]:
    levels = [("DMSO_TF", 0.0), ("Trametinib", 0.05), ("Trametinib", 5.0), ("Adagrasib", 0.5)]
    said = [levels[number] for number in draw.integers(0, 4, N)]
    return {
        "drugname_drugconc": [f"[('{name}', {dose}, 'uM')]" for name, dose in said],
        "drug": [name for name, _ in said],
        "cell_line": draw.choice(["CVCL_0023", "CVCL_0480"], N),
        "plate": "plate1",
        "pass_filter": "full",
    }


def _sciplex(draw: np.random.Generator) -> dict[str, Any]:
    drug = draw.choice(["Vehicle", "Trametinib (GSK1120212)", "(+)-JQ1"], N)
    dose = np.where(drug == "Vehicle", 0.0, draw.choice([10.0, 10000.0], N))
    return {"product_name": drug, "dose": dose, "vehicle": drug == "Vehicle",
            "cell_type": draw.choice(["A549", "K562"], N),
            "pathway_level_1": np.where(drug == "Vehicle", "Vehicle", "Epigenetic regulation"), "time_point": 24.0,
            "culture_plate": "1", "target": "HDAC"}  # fmt: skip


def _papalexi(draw: np.random.Generator) -> dict[str, Any]:
    guide = draw.choice(["NTg1", "NTg2", "STAT1g1", "STAT1g2", "IRF1g1"], N)
    gene = [one.rpartition("g")[0] for one in guide]
    return {"orig.ident": "Lane1", "guide_ID": guide, "gene": gene, "NT": guide, "replicate": "rep1",
            "crispr": np.where(np.array(gene) == "NT", "NT", "Perturbed"), "HTO_classification": "rep1-tx"}  # fmt: skip


def _frangieh(draw: np.random.Generator) -> dict[str, Any]:
    return {"sgRNA": draw.choice(["CD74_1", "CD74_2", "STAT1_3", "NO_SITE_513", "ONE_INTERGENIC_SITE_12"], N),
            "condition": draw.choice(["Control", "IFNγ", "Co-culture"], N), "MOI": 1}  # fmt: skip


def _cytokines(draw: np.random.Generator) -> dict[str, Any]:
    cytokine = draw.choice(["PBS", "IL-2", "IL-4", "IFN-beta", "TNF-alpha"], N)
    return {"cytokine": cytokine, "treatment": np.where(cytokine == "PBS", "PBS", "cytokine"),
            "donor": draw.choice(["Donor1", "Donor2"], N), "cell_type": draw.choice(["B", "NK"], N)}  # fmt: skip


def _feature_call(draw: np.random.Generator) -> dict[str, Any]:
    levels = ["CD74-1", "CD74-2", "CD74-1|STAT1-2", "STAT1-1", "NTC-1", "NTC-1|NTC-2", "Unassigned", "Multiplet"]
    return {"feature_call": draw.choice(levels, N), "num_features": "1", "num_umis": "12"}


def _cellxgene(draw: np.random.Generator) -> dict[str, Any]:
    ids = draw.choice(["NT-1", "NT-1 || NT-2", "KD-7", "KD-7 || STAT1-1", "STAT1-1", "na"], N)
    strategy = {"na": "no perturbations", "NT-1": "control", "NT-1 || NT-2": "control"}
    return {
        "genetic_perturbation_id": ids,
        "donor_id": "na",
        "cell_type": "unknown",
        "is_primary_data": True,
        "genetic_perturbation_strategy": [strategy.get(one, "CRISPR interference screen") for one in ids],
    }


def _open_problems(draw: np.random.Generator) -> dict[str, Any]:
    drug = draw.choice(["Dimethyl Sulfoxide", "Belinostat", "Dabrafenib"], N)
    # "control" flags the vehicle and a drug with a known effect
    return {
        "sm_name": drug,
        "dose_uM": np.where(drug == "Dimethyl Sulfoxide", 14.1, 1.0),
        "control": drug != "Dabrafenib",
        "cell_type": draw.choice(["B cells", "NK cells"], N),
        "donor_id": "d1",
        "plate_name": "plate_0",
    }


def _scperturb(draw: np.random.Generator) -> dict[str, Any]:
    return {"perturbation": draw.choice(["control", "CD74", "CD74_STAT1", "IRF1"], N), "nperts": 1,
            "disease": "healthy",
            "perturbation_type": "CRISPR", "dose_value": np.nan, "celltype": "lymphoblasts"}  # fmt: skip


def _state(draw: np.random.Generator) -> dict[str, Any]:
    return {
        "target_gene": draw.choice(["non-targeting", "CD74", "STAT1", "WT1"], N),
        "batch_var": "Flex_1_01",
        "guide_id": draw.choice(["CD74_P1P2_A|CD74_P1P2_B", "non-targeting_00035"], N),
        "cell_type": "H1",
    }


LAYOUTS = {
    "norman_2019": (_norman, {"CD74", "STAT1", "CD74+STAT1"}),
    "norman_2019_gears": (_gears, {"CD74", "STAT1", "CD74+STAT1", "JUN"}),
    "replogle_2022": (_replogle, {"CD74", "STAT1", "IRF1"}),
    "adamson_2016": (_adamson, {"SPI1", "EIF2AK3", "ATF6+EIF2AK3+ERN1"}),
    "dixit_2016": (_dixit, {"ELK1", "EGR1", "EGR1+ELK1"}),
    "tahoe_100m": (_tahoe, {"Trametinib 0.05 uM", "Trametinib 5 uM", "Adagrasib 0.5 uM"}),
    "sciplex_2020": (_sciplex, {"Trametinib (GSK1120212) 10 nM", "Trametinib (GSK1120212) 10000 nM", "(+)-JQ1 10 nM",
                                "(+)-JQ1 10000 nM"}),
    "papalexi_2021": (_papalexi, {"STAT1", "IRF1"}),
    "frangieh_2021": (_frangieh, {"CD74", "STAT1"}),
    "parse_cytokines_10m": (_cytokines, {"IL-2", "IL-4", "IFN-beta", "TNF-alpha"}),
    "cellranger_feature_call": (_feature_call, {"CD74", "STAT1", "CD74+STAT1"}),
    "cellxgene_schema_7": (_cellxgene, {"CD74", "STAT1", "CD74+STAT1"}),
    "open_problems_2023": (_open_problems, {"Dabrafenib 1 uM", "Belinostat 1 uM"}),
    "scperturb": (_scperturb, {"CD74", "CD74+STAT1", "IRF1"}),
    "state_cell_eval": (_state, {"CD74", "STAT1", "WT1"}),
}  # fmt: skip


def screen_file(name: str, folder: Path) -> Path:
    """Write a small file in the layout of a published screen: columns and levels as published, random counts."""
    draw = np.random.default_rng(0)
    counts = draw.poisson(draw.gamma(1.0, 3.0, len(GENES)) * draw.gamma(4.0, 0.25, (N, 1))).astype(np.float32)
    obs = pd.DataFrame(LAYOUTS[name][0](draw), index=[f"c{number}" for number in range(N)])
    uns = {}
    if name == "cellxgene_schema_7":
        uns["genetic_perturbations"] = {
            "NT-1": {"role": "control"},
            "NT-2": {"role": "control"},
            "KD-7": {"role": "targeting", "target_features": {"ENSG00000019582": "CD74"}},
            "STAT1-1": {"role": "targeting"},
        }
    cells = ad.AnnData(counts, obs=obs, var=pd.DataFrame(index=list(GENES)), uns=uns)
    cells.write_h5ad(folder / f"{name}.h5ad")
    return folder / f"{name}.h5ad"


def test_every_recipe_that_ships_has_a_layout() -> None:
    assert set(shipped_recipes()) == set(LAYOUTS)


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_published_layout_is_proposed_rightly(name: str, tmp_path: Path) -> None:
    """Without its recipe too: the same columns, the same perturbations (but for units that only the recipe knows)."""
    found = diagnose(screen_file(name, tmp_path))
    recipe, expected = shipped_recipes()[name], LAYOUTS[name][1]
    assert found.recipe is not None and found.recipe.columns == recipe.columns
    config = found.propose_config().model_copy(update=SMALL)
    dataset = import_cells(tmp_path / f"{name}.h5ad", config, Workspace(tmp_path / "home").datasets)
    labels = {p.label for p in Task.of(dataset, min_cells=2).perturbations}
    assert labels == {label.removesuffix(" nM") for label in expected}


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_published_layout_is_imported_by_its_recipe(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GENEDIFF_HOME", str(tmp_path / "home"))
    path = screen_file(name, tmp_path)
    options = ["--recipe", name, "--no-umap", "--genes", "20", "--json"]
    result = CliRunner().invoke(app, ["import", str(path), *options])
    assert result.exit_code == 0, result.output
    dataset = Workspace(tmp_path / "home").open_dataset(json.loads(result.stdout)["id"])
    task = Task.of(dataset, min_cells=2)
    assert {p.label for p in task.perturbations} == LAYOUTS[name][1]
    stored = stored_recipe(dataset.info.folder, dataset.info.perturbation)
    assert stored is not None and stored.control == dataset.info.control
    assert f"--recipe {RECIPE_FILE}" in import_command(dataset.info)


def test_what_is_left_out_is_not_imported_and_other_controls_are_not_compared_with(tmp_path: Path) -> None:
    place = Workspace(tmp_path / "home").datasets
    path = screen_file("cellranger_feature_call", tmp_path)
    config = diagnose(path).propose_config().model_copy(update=SMALL)
    dataset = import_cells(path, config, place)
    assert not {"Unassigned", "Multiplet"} & set(dataset.obs["feature_call"].astype(str))
    assert any("feature_call is" in note and "left out" in note for note in dataset.info.notes)
    recipe = shipped_recipes()["dixit_2016"]
    path = screen_file("dixit_2016", tmp_path)
    config = ImportConfig(perturbation="perturbation", recipe=recipe, umap=False, n_genes=20, n_pcs=5)
    task = Task.of(import_cells(path, config, place), min_cells=2)
    controls = task.dataset.obs["perturbation"].astype(str).to_numpy()[task.rows("train")]
    assert "control" not in controls, "cells without a detected guide are no control of Dixit's screen"
    assert {"p_INTERGENIC393453", "p_INTERGENIC1216445"} <= set(controls)


def test_doses_are_kept_as_numbers(tmp_path: Path) -> None:
    path, recipe = screen_file("sciplex_2020", tmp_path), shipped_recipes()["sciplex_2020"]
    config = diagnose(path).propose_config().model_copy(update={**SMALL, "recipe": recipe})
    task = Task.of(import_cells(path, config, Workspace(tmp_path / "home").datasets), min_cells=2)
    doses = {(one.name, one.dose, one.unit) for p in task.perturbations for one in p.treatments}
    assert doses == {("Trametinib (GSK1120212)", 10.0, "nM"), ("Trametinib (GSK1120212)", 10000.0, "nM"),
                     ("(+)-JQ1", 10.0, "nM"), ("(+)-JQ1", 10000.0, "nM")}  # fmt: skip
    assert task.config.column == "product_name | dose"


def test_a_correction_is_kept_stored_and_shared(tmp_path: Path) -> None:
    """A level is another gene, one is left out: import, bundle and a second import agree."""
    import io
    import zipfile

    place = Workspace(tmp_path / "home").datasets
    path = screen_file("papalexi_2021", tmp_path)
    found = diagnose(path)
    assert found.recipe is not None
    levels = {one.level: one for one in found.recipe.levels}
    column = found.recipe.columns[0]
    wrong, away = ("STAT1g1", "IRF1g1") if column == "guide_ID" else ("STAT1", "IRF1")
    recipe = Recipe((column,), (levels[wrong].corrected("genes", "JUN"), levels[away].corrected("left out", "")))
    config = found.propose_config().model_copy(update={**SMALL, "recipe": recipe})
    dataset = import_cells(path, config, place)
    assert away not in set(dataset.obs[column].astype(str))
    assert "JUN" in {p.label for p in Task.of(dataset, min_cells=2).perturbations}
    packed = zipfile.ZipFile(io.BytesIO(bundle(View("Data", dataset.info))))
    assert Recipe.from_json(packed.read(RECIPE_FILE)) == recipe
    again = import_cells(path, config.model_copy(update={"recipe": Recipe.from_json(packed.read(RECIPE_FILE))}), place)
    assert again.info.id == dataset.info.id


def test_a_recipe_that_does_not_fit_is_refused_in_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENEDIFF_HOME", str(tmp_path / "home"))
    path = screen_file("state_cell_eval", tmp_path)
    for recipe, why in (("tahoe_100m", "drugname_drugconc"), ("no such", "those that ship are")):
        result = CliRunner().invoke(app, ["import", str(path), "--recipe", recipe])
        assert result.exit_code != 0 and why in " ".join((result.output + str(result.exception)).split())
