"""A model in count space from its training run to the commands that measure it and read real cells deeper with it."""

from __future__ import annotations

import json

import anndata
import numpy as np
import pytest
from typer.testing import CliRunner

from genediff.cli import app
from genediff.core.json_files import read_object
from genediff.models.model_info import MEASURES_FILE, ModelInfo
from genediff.runs import submit


def invoke(*arguments: object, code: int = 0) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == code, (result.stdout, result.stderr, result.exception)
    return result.stderr if code else result.stdout


def test_held_out_nats_and_deeper_cells_from_a_run(tiny, workspace, dataset, wait_for_end, tmp_path):
    config = tiny(name="counts")
    config = config.model_copy(update={"model": config.model.model_copy(update={"space": "counts"})})
    run = submit(config, workspace)
    wait_for_end(run)
    assert run.status.state == "finished", run.log_tail()
    kept = read_object(workspace.models / run.id / MEASURES_FILE)["nats"]
    found = json.loads(invoke("nats", run.id, "--device", "cpu", "--json"))
    assert found["rows"] == kept
    assert [row["depth"] for row in kept] == [10, 30]
    measures = ModelInfo.read(workspace.models / run.id).measures
    assert measures["nats_over_independent"] == pytest.approx(1000 * kept[-1]["over_independent"]["mean"])
    said = invoke("nats", run.id, "--device", "cpu", "--split", "validation")
    assert "validation cells" in said and "over independent genes" in said
    assert "not 'all'" in invoke("nats", run.id, "--split", "all", code=1)

    path = tmp_path / "deeper.h5ad"
    assert "cells to" in invoke("deepen", dataset.info.id, run.id, "-o", path, "--device", "cpu", "--library", 150)
    cells = anndata.read_h5ad(path)
    measured = dataset.counts("test").toarray()
    np.testing.assert_array_equal(cells.layers["measured"].toarray(), measured)
    np.testing.assert_array_equal(cells.X.sum(1).A1 if hasattr(cells.X.sum(1), "A1") else cells.X.sum(1), 150)
    assert (cells.X.toarray() >= measured).all()
    assert "as .h5ad" in invoke("deepen", dataset.info.id, run.id, "-o", tmp_path / "deeper.csv", code=1)
