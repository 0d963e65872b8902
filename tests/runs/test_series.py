"""A series of trainings: one after another, measured, cancelled, resumed, and honest about what failed."""

from __future__ import annotations

import json

import numpy as np
import pytest

from genediff.evaluation.reconstruction import gene_correlation, reconstruct
from genediff.models.load_model import load_model
from genediff.models.model_info import MEASURES_FILE, ModelInfo
from genediff.runs import SeriesJob, find_run, list_runs, submit
from genediff.runs.kinds.series_run import children
from genediff.training.release_memory import peak_memory


@pytest.fixture(scope="module")
def cells_file(few_cells_file):
    return few_cells_file


@pytest.mark.slow
def test_a_series_trains_each_in_turn_and_measures_them(tiny, workspace, dataset, wait_for_end):
    run = submit(SeriesJob((tiny(seed=0, name="one"), tiny(seed=1, name="two"))), workspace)
    wait_for_end(run)
    assert run.status.state == "finished", run.log_tail()
    begun = children(run.folder)
    assert sorted(begun) == [0, 1]
    first, second = (find_run(workspace, begun[place]) for place in (0, 1))
    assert (first.name, second.name) == ("one", "two")
    assert first.status.ended <= second.created.timestamp() + 1  # one device, so one at a time
    info = ModelInfo.read(workspace.models / first.id)
    assert info.measures["cells_per_second"] > 0
    assert 1e8 < info.trained["peak_memory"] < 1e11
    found = reconstruct(load_model(workspace.models / first.id, device="cpu"), dataset)
    assert info.measures["reconstruction_r"] == pytest.approx(found.correlation, abs=1e-5)
    assert info.measures["reconstruction_nll"] == pytest.approx(found.nll, rel=1e-5)


@pytest.mark.slow
def test_a_cancelled_series_stops_its_training_and_goes_on_when_resumed(tiny, workspace, wait_for, wait_for_end):
    run = submit(SeriesJob((tiny(steps=1000, name="long"), tiny(name="short"))), workspace)
    wait_for(lambda: children(run.folder), seconds=300, what="the first training", run=run)
    child = find_run(workspace, children(run.folder)[0])
    wait_for(lambda: child.status.step, seconds=300, what="a first step", run=run)
    run.cancel(wait=300)
    assert run.status.state == "cancelled"
    assert child.status.state == "cancelled"
    assert len(list_runs(workspace)) == 2  # the second was never begun
    content = json.loads((child.folder / "run.json").read_text())
    assert content["config"]["train"]["steps"] == 1000
    run.resume()
    wait_for_end(run)
    assert run.status.state == "finished", run.log_tail()
    assert children(run.folder)[0] == child.id  # taken up again, not begun anew
    assert child.status.state == "finished"


@pytest.mark.slow
def test_a_training_that_cannot_be_is_told_and_the_rest_goes_on(tiny, workspace, wait_for_end):
    wrong = tiny(name="wrong")
    wrong = wrong.model_copy(update={"model": wrong.model.model_copy(update={"heads": 3})})
    run = submit(SeriesJob((wrong, tiny(name="right"))), workspace)
    wait_for_end(run)
    assert run.status.state == "failed"
    assert "1 of 2 trainings did not finish (wrong)" in run.status.message
    assert find_run(workspace, children(run.folder)[1]).status.state == "finished"


def test_a_perfect_reconstruction_has_correlation_one_and_a_constant_one_none():
    draw = np.random.default_rng(0)
    seen = draw.gamma(1.0, size=(50, 4))
    seen[:, 3] = 2.0  # does not vary, so it says nothing
    assert gene_correlation(seen, 3 * seen + 1) == pytest.approx(1.0)
    assert gene_correlation(seen, np.ones_like(seen)) == 0.0
    half = seen.copy()
    half[:, 0] = 1.0
    assert gene_correlation(seen, half) == pytest.approx(2 / 3)
    assert gene_correlation(seen, seen + draw.normal(size=seen.shape)) < 0.95


def test_peak_memory_grows_with_what_is_held():
    before = peak_memory()
    held = np.ones(40_000_000)  # 320 MB
    assert peak_memory() >= before
    assert peak_memory() > held.nbytes


def test_a_model_without_measures_is_read(tiny, workspace, dataset):
    from genediff.training.train import train_model

    for _ in train_model(tiny(), dataset, folder=workspace.root / "t", model_id="m"):
        pass
    assert not (workspace.root / "t" / "model" / MEASURES_FILE).exists()
    assert ModelInfo.read(workspace.root / "t" / "model").measures == {}
