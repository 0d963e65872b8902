"""Large generations on the Generate page: started, found by the address, cancelled, and shown by a sample."""

from __future__ import annotations

import json
import os
import signal
import time

import pytest

from genediff.evaluation import Evaluation, evaluate
from genediff.model import GeneDiff
from genediff.runs import list_runs
from genediff.runs.kinds.generate import EVALUATION_FILE, SAMPLE_FILE
from genediff.runs.status import Status
from genediff.ui import generate_runs, upload_widget
from genediff.ui.generate_job import Request
from tests.pages.conftest import texts

LABEL = "cell_type_derived"
QUERY = {"n": "2000000", "n_steps": "2", "sampler": "euler", "seed": "3", f"c_{LABEL}": "B"}


def _button(app, label):
    return next(button for button in app.button if button.label == label)


def test_a_million_cells_become_a_job_that_the_address_finds_again(model_id, workspace, open_page):
    app = open_page("generate", {**QUERY, "model": model_id})
    assert "2,000,000 cells are made by a job in the background" in texts(app)
    _button(app, "Generate").click().run()
    (run,) = list_runs(workspace)
    try:
        assert run.kind == "generate" and run.config["n"] == 2_000_000 and run.config["conditions"] == {LABEL: "B"}
        found = open_page("generate", {"model": model_id, "job": run.id})
        assert "2,000,000 cells of B" in texts(found)
        _button(found, "Cancel")
        again = open_page("generate", {**QUERY, "model": model_id})
        assert "Large generations" in [expander.label.split(" (")[0] for expander in again.expander]
        _button(again, "Generate").click().run()
        assert [one.id for one in list_runs(workspace)] == [run.id]  # the same cells are not made twice
        end = time.monotonic() + 120
        while not run.status.step and time.monotonic() < end:
            time.sleep(0.1)
        moving = open_page("generate", {"model": model_id, "job": run.id})
        assert {metric.label: metric.value for metric in moving.metric}["Cells per second"] != "–"
        assert run.cancel(wait=30).state == "cancelled"
        stopped = open_page("generate", {"model": model_id, "job": run.id})
        assert "of 2,000,000 cells are kept, and resume goes on from there" in texts(stopped)
        _button(stopped, "Resume")
        _button(stopped, "Delete").click().run()
        assert list_runs(workspace) == []
    finally:
        if run.folder.exists() and run.status.pid and not run.status.has_ended:
            os.kill(run.status.pid, signal.SIGKILL)


@pytest.fixture
def finished(model_id, workspace):
    """A run that has ended, with files of the kind that its worker leaves, made here in less time."""
    dataset = workspace.open_dataset("pbmc3k")
    cells = GeneDiff.load(workspace.model_folder(model_id), device="cpu").generate(300, seed=0, n_steps=1)
    evaluate(cells, dataset, seeds=(0,), baselines=()).save(workspace.root / "evaluation.json")
    cells.obsm["X_umap"] = dataset.umap[:300]
    folder = workspace.runs / "20260101-000000-abcd"
    folder.mkdir()
    config = {"model_id": model_id, "n": 90_000, "conditions": {}, "seed": 0, "n_steps": 1}
    result = {"file": str(folder / "cells.h5ad"), "bytes": "1200000", "cells_per_second": "812.0",
              "peak_memory_bytes": "560000000"}  # fmt: skip
    for name, content in (
        ("run.json", {"kind": "generate", "name": "90,000 cells", "config": config}),
        ("result.json", result),
    ):
        (folder / name).write_text(json.dumps(content))
    Status(state="finished", started=1.0, ended=601.0).write(folder)
    cells.write_h5ad(folder / SAMPLE_FILE)
    cells.write_h5ad(folder / "cells.h5ad")
    os.replace(workspace.root / "evaluation.json", folder / EVALUATION_FILE)
    return folder


def test_a_finished_one_shows_a_sample_its_verdict_and_the_file(finished, open_page, monkeypatch):
    app = open_page("generate", {"job": finished.name})
    said = texts(app)
    assert "Finished in 10 min · 812 cells per second while drawing · at most 560.0 MB of memory" in said
    assert Evaluation.read(finished / EVALUATION_FILE).verdict.sentence in said
    assert "of 300 of the 90,000 cells, drawn evenly from all of them" in said
    assert len(app.get("plotly_chart")) == 2  # the map and the dots
    assert "Cells (h5ad)" in [button.proto.label for button in app.get("download_button")]

    monkeypatch.setattr(generate_runs, "BY_BUTTON", 1000)  # too large for memory, and no route: the path is told
    assert f"lies on the server: `{finished / 'cells.h5ad'}`" in texts(open_page("generate", {"job": finished.name}))

    monkeypatch.setattr(upload_widget, "_ROUTES", ["/api/cells"])
    link = open_page("generate", {"job": finished.name}).get("link_button")[0].proto
    assert link.url.startswith(f"/api/cells/{finished.name}?token=") and "1.2 MB" in link.label


def test_what_a_run_left_open_is_the_models_own_way(model_id, workspace):
    folder = workspace.runs / "20260101-000000-abcd"
    folder.mkdir()
    config = {"model_id": model_id, "n": 90_000, "conditions": {}, "seed": 4, "n_steps": 1}
    (folder / "run.json").write_text(json.dumps({"kind": "generate", "config": config}))
    info = next(one for one in workspace.list_models() if one.id == model_id)
    (run,) = list_runs(workspace)
    assert generate_runs._request(run, info) == Request(model_id, 90_000, (), 1.0, "euler", 1, 4)


@pytest.mark.parametrize("job", ["nothing", "../models"])
def test_an_address_without_a_job_says_so(model_id, open_page, job):
    app = open_page("generate", {"model": model_id, "job": job})
    assert any("There is no run" in one.value for one in app.error)
