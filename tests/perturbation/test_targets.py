"""Names of perturbations, in every dialect that files use."""

from __future__ import annotations

import pytest

from genediff.data.targets import Perturbation, kind_of_column, read_perturbations

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
    assert kind_of_column("cytokine") == "condition"
    assert kind_of_column("perturbation") is None
    both = read_perturbations(
        ["IL6", "TNF", "IL6+TNF", "CD14+ x", "PBS"], control=None, genes=GENES, kind=kind_of_column("treatment")
    )
    assert both.of["IL6+TNF"].parts == ("IL6", "TNF")
    assert both.of["CD14+ x"].parts == ("CD14+ x",)
