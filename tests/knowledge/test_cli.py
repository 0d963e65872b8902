"""Gene sets and networks from the command line."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from genediff.cli import app

runner = CliRunner()


def invoke(*arguments: object, code: int = 0) -> str:
    result = runner.invoke(app, ["knowledge", *(str(argument) for argument in arguments)])
    assert result.exit_code == code, (result.stdout, result.stderr, result.exception)
    return result.stderr if code else result.stdout


def test_what_ships_is_listed():
    listed = {item["id"]: item for item in json.loads(invoke("list", "--json"))}
    assert [*listed] == ["hallmark", "reactome", "go_bp", "collectri", "trrust"]
    assert listed["collectri"]["licence"] == "GPL-3.0" and listed["hallmark"]["n"] == 50
    assert "43,784 edges" in invoke("list")


def test_files_are_added_covered_and_deleted(tmp_path):
    sets, edges = tmp_path / "my_sets.gmt", tmp_path / "odd.tsv"
    sets.write_text("T cells\tx\tCD3D\tCD3E\tCD3G\tCD2\tIL7R\n")
    edges.write_text("who\twhom\nSTAT1\tIRF1\nQ99999\tIRF1\n")
    assert "my-sets: 1 sets of 5 genes" in invoke("add", sets)
    said = invoke("add", edges, "--source-column", "who", "--target-column", "whom", "--title", "Odd")
    assert "'Odd' is in the library as odd: 1 edges" in said and "Q99999" in said
    assert "targets (GMT)" in invoke("add", sets, "--kind", "network", "--title", "as network")
    found = {item["id"]: item for item in json.loads(invoke("coverage", "pbmc3k", "my-sets", "hallmark", "--json"))}
    assert found["hallmark"]["n_sets"] == 50 and found["my-sets"]["n_genes"] == 2000
    assert "STAT1" not in invoke("coverage", "pbmc3k")
    assert "Deleted odd" in invoke("delete", "odd")
    assert "ships with GeneDiff" in invoke("delete", "hallmark", code=1)


def test_modules_and_networks_come_from_cells():
    said = invoke("infer", "pbmc3k", "--edges", 300, "--prior", "trrust")
    assert "prior" in said and "both" in said
    said = invoke("nmf", "pbmc3k", "--modules", 4)
    assert "4 sets of" in said and "p = " in said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("add", "nowhere.gmt"), "no file nowhere.gmt"),
        (("add", "nowhere.gmt", "--kind", "pathways"), "gene-sets, network or embedding"),
        (("coverage", "pbmc3k", "other"), "known: hallmark"),
        (("coverage", "other"), "no data set 'other'"),
        (("infer", "pbmc3k", "--prior", "other"), "no network 'other'"),
        (("nmf", "pbmc3k", "--modules", "1"), "from 2 to"),
        (("download", "x", "--provider", "other"), "no provider"),
    ],
)
def test_a_failure_is_one_sentence(arguments, said):
    message = invoke(*arguments, code=1)
    assert said in message and len(message.strip().splitlines()) == 1
