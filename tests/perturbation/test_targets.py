"""Names of perturbations, in every dialect that files use."""

from __future__ import annotations

import pytest

from genediff.core.errors import InputError
from genediff.data import ImportConfig
from genediff.data.importing.control_words import control_kind
from genediff.data.importing.perturbation_names import Perturbation, read_perturbations
from genediff.data.importing.read_levels import kind_of_column, read_levels
from genediff.data.importing.recipe import LevelReading, Recipe, Treatment

GENES = ("STAT1", "IRF1", "JUN", "HLA-A", "NKX2-1", "TF1")


@pytest.mark.parametrize(
    ("level", "targets"),
    [
        ("STAT1", ("STAT1",)),
        ("STAT1+IRF1", ("IRF1", "STAT1")),
        ("IRF1+STAT1", ("IRF1", "STAT1")),
        ("STAT1_IRF1", ("IRF1", "STAT1")),
        ("STAT1+ctrl", ("STAT1",)),
        ("ctrl+STAT1", ("STAT1",)),
        ("STAT1_NegCtrl0", ("STAT1",)),
        ("STAT1g2", ("STAT1",)),
        ("sgSTAT1_1", ("STAT1",)),
        ("STAT1-sg3", ("STAT1",)),
        ("STAT1_ACGTACGTACGTACGTACGT", ("STAT1",)),
        ("ENSG00000115415", ("STAT1",)),
        ("STAT1 KO", ("STAT1",)),
        ("HLA-A", ("HLA-A",)),
        ("NKX2-1", ("NKX2-1",)),
        ("TF1", ("TF1",)),
    ],
)
def test_dialects_of_one_level(level: str, targets: tuple[str, ...]) -> None:
    found = read_perturbations([level, "ctrl"], control=None, genes=GENES)
    assert found.of[level].targets == targets
    assert found.of[level].label == "+".join(targets)
    assert found.of["ctrl"].is_control


@pytest.mark.parametrize(
    "level", ["ctrl", "control", "non-targeting", "NT", "NTg4", "non-targeting_00012", "NegCtrl0_NegCtrl1", "ctrl+ctrl"]
)
def test_controls(level: str) -> None:
    assert read_perturbations([level, "STAT1"], control=None, genes=GENES).of[level].is_control


def test_several_levels_of_one_perturbation_are_one() -> None:
    found = read_perturbations(["STAT1g1", "STAT1g2", "NTg1"], control=None, genes=GENES)
    assert [p.label for p in found.unique] == ["STAT1"]
    assert "several levels" in found.notes[0]


def test_targets_that_are_not_among_the_genes_are_said() -> None:
    found = read_perturbations(["CAV1", "STAT1", "ctrl"], control="ctrl", genes=GENES)
    assert found.missing == ("CAV1",)
    assert "1 of 2 target genes are not among the genes" in found.notes[0]


def test_modes_are_told_apart() -> None:
    found = read_perturbations(["STAT1", "STAT1 (activation)", "ctrl"], control="ctrl", genes=GENES)
    assert found.of["STAT1 (activation)"] == Perturbation("STAT1 (activation)", ("STAT1",), "gene", "activation")
    assert found.of["STAT1"].mode == "knock_out"


def test_conditions_are_names_and_not_genes() -> None:
    found = read_perturbations(["stim", "ctrl"], control="ctrl", genes=GENES)
    assert found.of["stim"].kind == "condition"
    assert found.of["stim"].parts == ("stim",)
    assert kind_of_column("cytokine") == "drug"
    assert kind_of_column("perturbation") is None
    both = read_perturbations(
        ["IL6", "TNF", "IL6+TNF", "CD14+ x", "PBS"], control=None, genes=GENES, kind=kind_of_column("treatment")
    )
    assert both.of["IL6+TNF"].parts == ("IL6", "TNF")
    assert both.of["CD14+ x"].parts == ("CD14+ x",)


def test_a_gene_beats_a_pattern() -> None:
    """A knock-out of WT1 was read as a control where WT1 was not among the measured genes; CTRL is a gene too."""
    found = read_perturbations(["control", "WT1", "CTRL", "STAT1", "WT1g2"], control=None, genes=GENES)
    assert {level: p.targets for level, p in found.of.items() if not p.is_control} == {
        "WT1": ("WT1",), "CTRL": ("CTRL",), "STAT1": ("STAT1",), "WT1g2": ("WT1",),
    }  # fmt: skip
    assert found.of["control"].is_control
    alone = read_perturbations(["CTRL", "STAT1"], control=None, genes=GENES)
    assert alone.of["CTRL"].is_control, "without another control, CTRL is none but the control"
    human = read_levels(["Ctrl", "NTC", "STAT1"], Recipe(("pert",)), genes=GENES)
    assert [one.kind for one in human.levels] == ["control", "control", "genes"], "Ctrl is a gene of mouse alone"


PUBLISHED = {
    # Norman et al. 2019, guide_identity
    "NegCtrl10_NegCtrl0__NegCtrl10_NegCtrl0": "control",
    "STAT1_NegCtrl0__STAT1_NegCtrl0": "STAT1",
    "NegCtrl0_IRF1__NegCtrl0_IRF1": "IRF1",
    "STAT1_IRF1__STAT1_IRF1": "IRF1+STAT1",
    "RHOXF2BB_ZBTB25__RHOXF2BB_ZBTB25": "RHOXF2BB+ZBTB25",
    # Replogle et al. 2022: gene_transcript, sgID_AB
    "10752_non-targeting_non-targeting_non-targeting": "control",
    "12_STAT1_P1P2_ENSG00000115415": "STAT1",
    "STAT1_+_191878891.23-P1P2|STAT1_-_191878887.23-P1P2": "STAT1",
    "HLA-A_-_299.23-P1|HLA-A_+_300.23-P1": "HLA-A",
    "non-targeting_00001|non-targeting_00023": "control",
    # GEARS, with spaces and with an empty side
    "IRF1+ctrl ": "IRF1",
    "STAT1+": "STAT1",
    "+JUN": "JUN",
    # Adamson et al. 2016
    "SPI1_pDS255": "SPI1",
    "62(mod)_pBA581": "control",
    "Gal4-4(mod)_pBA582": "control",
    "3x_neg_ctrl_pMJ144-1": "control",
    "PERK_only_pMJ146": "EIF2AK3",
    "ATF6_PERK_IRE1_pMJ158": "ATF6+EIF2AK3+ERN1",
    # Dixit et al. 2016: intergenic guides are the control, also beside a gene
    "p_sgEGR1_4 + p_sgIRF1_5": "EGR1+IRF1",
    "p_INTERGENIC393453": "control",
    "p_sgIRF1_1 + p_INTERGENIC393453": "IRF1",
    "m_MouseNTC_100_A_67005": "control",
    # Cell Ranger's feature_call
    "STAT1-1|IRF1-2": "IRF1+STAT1",
    "NKX2-1-1": "NKX2-1",
    "NTC-1|NTC-2": "control",
    "Non-Targeting-3": "control",
    # other laboratories
    "CTRL00698_1": "control",
    "Tcrlibrary_LCK_1": "LCK",
    "ONE_INTERGENIC_SITE_3": "control",
    "HLA-B_2": "HLA-B",
    "LacZ": "control",
    "sgGFP_1": "control",
    "AAVS1-1": "control",
    "TFORF3549-GFP": "control",
    "TFORF1434-SPI1": "SPI1",
    "shSTAT1_1": "STAT1",
    "JUN-KO-2": "JUN",
    "STAT1-/-": "STAT1",
    "NT_JUN": "JUN",
    "scrambled_12_top_two": "control",
    "non-targeting_non-targeting": "control",
    "gNT_1": "control",
    "gSTAT1_1": "STAT1",
    "scramble shRNA": "control",
    "STAT1 shRNA": "STAT1 (knock-down)",
    "STAT1/IRF1 DKO": "IRF1+STAT1",
    "STAT1 and IRF1": "IRF1+STAT1",
    "SPI1_TSS": "SPI1",
    "STAT1_A": "STAT1",
    "STAT1_rep2": "STAT1",
}  # fmt: skip


@pytest.mark.parametrize("level", PUBLISHED)
def test_levels_of_published_screens(level: str) -> None:
    genes = (*GENES, "SPI1", "ATF6", "EIF2AK3", "ERN1", "LCK", "EGR1", "ZBTB25")
    found = read_perturbations([level, "non-targeting", "STAT1"], control=None, genes=genes, kind="genes").of[level]
    assert ("control" if found.is_control else found.label) == PUBLISHED[level]


@pytest.mark.parametrize(
    "level", ["Unassigned", "Multiplet", "*", "ambiguous", "Doublet", "No feature call", "STAT1 NP"]
)
def test_cells_without_one_known_perturbation_are_left_out(level: str) -> None:
    assert level not in read_perturbations([level, "NT", "STAT1"], control=None, genes=GENES).of


def test_kinds_of_control_are_kept_apart() -> None:
    """Non-targeting guides are no control of cells in a drug, nor cells in DMSO one of guides; nor are they pooled."""
    levels = ["non-targeting", "NTC-2", "DMSO", "no guide", "2i (LIF+MEKi+GSK3i)", "STAT1", "JUN"]
    found = read_perturbations(levels, control=None, genes=GENES)
    assert {level for level, p in found.of.items() if p.is_control} == {"non-targeting", "NTC-2"}
    assert found.of["2i (LIF+MEKi+GSK3i)"].parts == ("2i (LIF+MEKi+GSK3i)",)
    assert any("kept apart from" in note and "DMSO, no guide" in note for note in found.notes)
    by_drug = read_perturbations(levels, control="DMSO", genes=GENES)
    assert {level for level, p in by_drug.of.items() if p.is_control} == {"DMSO"}


@pytest.mark.parametrize(
    ("column", "level", "name", "dose", "unit"),
    [
        ("drugname_drugconc", "[('Trametinib', 0.05, 'uM')]", "Trametinib", 0.05, "uM"),
        ("drug", "Dex_100nM", "Dex", 100, "nM"),
        ("treatment", "IFNB (10 ng/ml)", "IFNB", 10, "ng/ml"),
        ("drug-dose", "givinostat-10", "givinostat", 10, ""),
        ("cytokine", "IL-4", "IL-4", None, ""),
        ("treatment", "10 uM Trametinib", "Trametinib", 10, "uM"),
        ("drugname_drugconc", '[["Trametinib", 0.05, "uM"]]', "Trametinib", 0.05, "uM"),
        ("treatment", "10 nM", "10 nM", None, ""),
        ("product_name", "(+)-JQ1", "(+)-JQ1", None, ""),
        ("treatment", "Nutlin-3", "Nutlin-3", None, ""),
    ],
)
def test_doses_are_numbers(column: str, level: str, name: str, dose: float | None, unit: str) -> None:
    control = "control-0" if column == "drug-dose" else "DMSO"
    read = read_levels([level, control], Recipe((column,)), genes=GENES)
    assert read.levels[0].treatments == (Treatment(name, dose, unit),)
    assert read.levels[1].kind == "control" and read.control == control


@pytest.mark.parametrize(
    ("level", "kind"),
    [("DMSO_24h", "DMSO"), ("6h DMSO", "DMSO"), ("0.1% DMSO", "DMSO"), ("Vehicle (DMSO)", "DMSO"),
     ("0 nM", "untreated"), ("untreated_d7", "untreated"), ("PBS rep 2", "PBS"), ("ctrl_rep1", "control"),
     ("control day 3", "control"), ("Control (LPS)", None), ("MOCS1", None)],
)  # fmt: skip
def test_controls_of_a_time_a_dose_or_in_brackets(level: str, kind: str | None) -> None:
    """Of "0 nM", "10 nM" and "100 nM" all but the first were controls: drugs called 1 and 10, with a dose of 0."""
    assert control_kind(level) == kind


def test_cytokines_are_given_although_they_are_genes_too() -> None:
    found = read_perturbations(["PBS", "IL4", "IFNG", "TNF"], control=None, genes=("IL4", "IFNG", "TNF"))
    assert {p.kind for p in found.of.values()} == {"control", "condition"}


def test_a_recipe_makes_the_round_trip() -> None:
    recipe = Recipe(
        ("product_name", "dose"),
        (
            LevelReading("Vehicle | 0", "control", control="DMSO"),
            LevelReading("JQ1 | 0", "drug", treatments=(Treatment("JQ1", 0.0, "nM"),), note="a dose of 0 is kept"),
            LevelReading("CRISPR_*", "genes", ("STAT1",), "activation", pattern=True),
        ),
        control="Vehicle | 0", kind="drug", mode="activation", unit="nM", title="A screen", conditions=("time",),
    )  # fmt: skip
    assert Recipe.from_json(recipe.to_json()) == recipe
    assert (
        ImportConfig.parse(ImportConfig(perturbation="product_name", recipe=recipe).model_dump(mode="json")).recipe
        == recipe
    )
    assert recipe.of("CRISPR_7").genes == ("STAT1",)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "not JSON"),
        ("[]", "not a recipe"),
        ('{"format": "genediff recipe", "version": 9}', "another version"),
        ('{"format": "genediff recipe", "version": 1, "columns": []}', "names no column"),
        ('{"format": "genediff recipe", "version": 1, "columns": ["a"], "levels": [{"level": "x"}]}', "kind"),
        ('{"format": "genediff recipe", "version": 1, "columns": ["a"], "typo": 1}', "typo"),
        ("[" * 200_000, "not JSON"),
    ],
)
def test_what_is_no_recipe_is_refused_in_a_sentence(text: str, why: str) -> None:
    with pytest.raises(InputError, match=why):
        Recipe.from_json(text)


def test_a_point_in_a_name_is_no_version() -> None:
    """RP5-892K4.1_CAMTA1 was read as RP5-892K4.1 alone: what follows the point was taken for an Ensembl version."""
    genes = ("RP5-892K4.1", "CAMTA1")
    found = read_perturbations(["RP5-892K4.1_CAMTA1", "ctrl"], control=None, genes=genes, ids=genes)
    assert found.of["RP5-892K4.1_CAMTA1"].targets == ("CAMTA1", "RP5-892K4.1")
