"""The commands of comparisons, on one that is finished; and what they refuse in one sentence."""

from __future__ import annotations

import json

import pandas as pd
import pytest
from typer.testing import CliRunner

from genediff.cli import app

runner = CliRunner()


def invoke(*arguments: object, code: int = 0) -> str:
    result = runner.invoke(app, ["compare", *map(str, arguments)])
    assert result.exit_code == code, (result.stdout, result.stderr, result.exception)
    return result.stderr if code else result.stdout


def test_the_table_is_printed_with_its_verdicts(planted):
    said = invoke("show", "planted")
    assert "0.61 ± 0.01" in said and "3/3" in said
    assert "In what it is meant to improve: better than the MLP in AUC (PCs) (+0." in said
    assert "planted-1" in invoke("list")
    assert json.loads(invoke("list", "--json"))[0]["budget"] == "9 steps each"


def test_csv_and_json_hold_the_table(planted, tmp_path):
    invoke("show", "planted", "-o", tmp_path / "table.csv")
    table = pd.read_csv(tmp_path / "table.csv")
    assert table["c2st_pcs"].tolist() == pytest.approx([0.61, 0.705])
    invoke("show", "planted", "-o", tmp_path / "table.json")
    content = json.loads((tmp_path / "table.json").read_text())
    assert content["rows"][0]["figures"]["c2st_pcs"]["finding"] == "better"
    assert content["config"]["steps"] == 9
    assert json.loads(invoke("show", "planted", "--json")) == content


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("show", "nothing"), "There is no comparison 'nothing'"),
        (("show", "planted", "-o", "table.xlsx"), "as .csv or .json"),
        (("run", "nowhere"), "There is no data set 'nowhere'"),
        (("run", "pbmc3k", "--tokens", "2,many"), "whole numbers"),
        (("run", "pbmc3k", "--tokens", "2", "-r", "mlp"), "not both"),
        (("run", "pbmc3k", "--steps", "5", "--minutes", "1"), "in steps or in minutes"),
        (("run", "pbmc3k", "-r", "latent:shuffled"), "no shuffled control"),
        (("resume", "planted"), "not in this workspace"),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence(planted, arguments, sentence):
    assert sentence in invoke(*arguments, code=1)
