"""predict and evaluate on the command line."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import anndata as ad
import pytest
from typer.testing import CliRunner

from genediff.cli import app
from genediff.perturbation import METRICS

if TYPE_CHECKING:
    from pathlib import Path

    from genediff.data.cells.dataset import Dataset

runner = CliRunner()


@pytest.fixture
def there(screen: Dataset, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("GENEDIFF_HOME", str(screen.info.folder.parents[1]))
    return screen.info.id


def said(*words: object, code: int = 0) -> str:
    done = runner.invoke(app, [str(word) for word in words])
    assert done.exit_code == code, done.output
    return done.output


def test_predict_and_judge_what_is_held_out(there: str, tmp_path: Path) -> None:
    out = tmp_path / "held"
    text = said("predict", "additive", "--data", there, "--scheme", "doubles", "-o", out)
    predicted, real = re.findall(r"\S+\.h5ad", text)[:2]
    text = said("evaluate", predicted.rstrip(","), "--real", real.rstrip(","), "-o", tmp_path / "report.json")
    assert "Additive" in text
    stored = json.loads((tmp_path / "report.json").read_text())
    assert all(-1 <= row["pearson_delta"] <= 1 for row in stored["rows"])
    assert set(METRICS) <= set(stored["rows"][0])


def test_predict_what_was_never_measured(screen: Dataset, there: str, tmp_path: Path) -> None:
    unknown = next(gene for gene in screen.genes if gene not in set(screen.obs["perturbation"]))
    text = said("predict", "additive", "--data", there, "-p", unknown, "-n", 20, "-o", tmp_path / "new")
    assert f"{unknown} was never perturbed alone in training" in text
    cells = ad.read_h5ad(tmp_path / "new-predicted.h5ad")
    assert (cells.obs["target_gene"] == unknown).sum() == 20
    assert not (tmp_path / "new-real.h5ad").exists()


def test_evaluate_baselines(there: str) -> None:
    text = said("evaluate", "additive", "--data", there, "--scheme", "doubles", "--seeds", 1)
    assert "(best baseline)" in text and "Replicate" in text


def test_what_cannot_be_done_is_one_sentence(there: str, tmp_path: Path) -> None:
    for words, text in (
        (("predict", "additive", "-o", tmp_path / "x"), "Say which data set additive is fitted to"),
        (("predict", "addition", "--data", there, "-o", tmp_path / "x"), "no such baseline"),
        (("predict", "additive", "--data", there, "--scheme", "guess", "-o", tmp_path / "x"), "cannot be held out"),
        (("predict", "additive", "--data", there, "--of", "moon", "-o", tmp_path / "x"), "no cells of 'moon'"),
        (("predict", "additive", "--data", there, "-o", tmp_path / "none" / "x"), "There is no folder"),
    ):
        assert text in said(*words, code=1)
