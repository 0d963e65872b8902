"""The Generate page: from a model to cells, their place on the map, and a verdict."""

from __future__ import annotations

import json
import time
from functools import partial

import anndata
import numpy as np
import pytest

from genediff import evaluation
from genediff.core.errors import Cancelled, InputError
from genediff.models.conditions import draw_conditions, judged_by
from genediff.models.generate_request import GenerateRequest
from genediff.models.model_info import read_spec
from genediff.ui.generate import generate_downloads, generate_job
from genediff.ui.generate.generate_job import mark_of
from tests.pages.conftest import texts

LABEL = "cell_type_derived"


@pytest.fixture
def one_comparison(monkeypatch):
    """Evaluate by one comparison; five, as the page has them, are tested where cells are evaluated."""
    monkeypatch.setattr(evaluation, "evaluate", partial(evaluation.evaluate, seeds=(0,), baselines=("independent_nb",)))


def test_without_a_model_it_says_what_to_do(no_data, open_page):
    assert "No model yet" in texts(open_page("generate"))


def test_with_a_model_it_asks_and_shows_the_real_cells(model_id, open_page):
    app = open_page("generate", {"n": "77", "seed": "5"})
    assert app.number_input(key="n").value == 77
    assert app.number_input(key="seed").value == 5
    assert app.selectbox(key=f"c_{LABEL}").options[0] == "as in the data"
    assert len(app.get("plotly_chart")) == 1
    assert "Generate" in texts(app)


@pytest.mark.parametrize("written", ["ddim", "DDIM"])
def test_the_address_names_a_sampler_as_the_page_or_the_command_line_does(model_id, open_page, written):
    """Only the page's own words counted: `sampler=euler`, as the command line has it, drew with heun without a word."""
    app = open_page("generate", {"sampler": written, "speed-precision": "bf16"})
    assert app.selectbox(key="sampler").value == "ddim"
    assert app.selectbox(key="speed-precision").value == "bf16"
    assert not app.warning
    app.selectbox(key="sampler").set_value("heun").run()
    assert app.selectbox(key="sampler").value == "heun"


def test_a_sampler_that_is_not_there_is_told(model_id, open_page):
    app = open_page("generate", {"sampler": "leap"})
    assert "There is no sampler “leap” here" in app.warning[0].value
    assert app.selectbox(key="sampler").value == "euler"  # the model's own


def test_cells_are_generated_placed_judged_and_found_again(model_id, one_comparison, open_page, tmp_path):
    query = {"n": "120", "n_steps": "2", "sampler": "euler", f"c_{LABEL}": "CD4 T"}
    app = open_page("generate", query)
    next(button for button in app.button if button.label == "Generate").click().run()
    made = app.query_params["made"]
    _wait_for(app, "Least accurate genes")
    said = texts(app)
    assert "120 generated cells" in said
    assert "A map of two dimensions hides much" in said
    assert len(app.get("plotly_chart")) == 2  # the map and the dots
    assert app.success or app.warning or app.error  # the verdict in its colour

    request = GenerateRequest(model_id, 120, {LABEL: "CD4 T"}, 1.0, "euler", 2, 0)
    assert made == mark_of(request)
    job = generate_job.find(request)
    assert job.stage == "done" and job.evaluation is not None and job.xy.shape == (120, 2)
    assert job.evaluation.classes == ("CD4 T",)
    _check_file(generate_downloads.to_h5ad(job), request, tmp_path)

    again = open_page("generate", {**query, "model": model_id, "made": made})  # a cold link finds the same job
    assert "120 generated cells" in texts(again)
    inside = open_page("generate", {**query, "model": model_id, "made": made, "region": "-99,-99;99,-99;99,99;-99,99"})
    assert "120 of 120 generated cells" in texts(inside)
    changed = open_page("generate", {**query, "model": model_id, "made": made, "n": "121"})
    assert "have changed" in texts(changed)


def test_a_model_without_its_data_set_still_gives_cells(_trained, no_data, open_page, monkeypatch):
    import shutil

    shutil.copytree(_trained, no_data.models / "tiny")
    app = open_page("generate", {"n": "20", "n_steps": "1", "sampler": "euler"})
    next(button for button in app.button if button.label == "Generate").click().run()
    _wait_for(app, "not in this workspace")
    assert "20 generated cells" in texts(app)


def test_fixed_conditions_leave_the_others_as_in_the_data(model_id, workspace):
    spec = read_spec(workspace.model_folder(model_id))
    two = spec.model_copy(
        update={
            "levels": {"type": ("B", "T"), "batch": ("one", "two", "three")},
            "combinations": (((0, 0), 90), ((0, 1), 10), ((1, 2), 50)),
        }
    )
    table = draw_conditions(two, {"type": "B"}, n=2000, seed=0)
    assert set(table["type"]) == {"B"}
    share = (table["batch"] == "one").mean()
    assert set(table["batch"]) == {"one", "two"} and share == pytest.approx(0.9, abs=0.03)
    assert draw_conditions(two, {"type": "B"}, n=2000, seed=0).equals(table)
    unseen = draw_conditions(two, {"type": "T", "batch": "one"}, n=5, seed=0)
    assert unseen.to_numpy().tolist() == [["T", "one"]] * 5
    assert not generate_job.n_seen(two, {"type": "T", "batch": "one"})
    assert generate_job.n_seen(two, {"type": "B"}) == 100 and generate_job.n_seen(two, {"batch": "three"}) == 50
    assert draw_conditions(two, {}, n=5, seed=0) is None
    with pytest.raises(InputError, match="knows no"):
        draw_conditions(two, {"type": "Z"}, n=5, seed=0)


def test_cells_of_one_kind_are_judged_by_real_cells_of_that_kind():
    assert judged_by({}, "type") == ("type", None)
    assert judged_by({"type": "B"}, "type") == ("type", ["B"])
    assert judged_by({"batch": "one"}, "type") == ("batch", ["one"])


def _wait_for(app, words: str, seconds: float = 300.0) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        app.run()
        assert not app.exception, [one.message for one in app.exception]
        if words in texts(app) or words in [tab.label for tab in app.tabs]:
            return
        time.sleep(1.0)
    raise AssertionError(f"“{words}” never came; the page says:\n{texts(app)}")


def _check_file(content: bytes, request: GenerateRequest, folder) -> None:
    path = folder / "cells.h5ad"
    path.write_bytes(content)
    cells = anndata.read_h5ad(path)
    values = cells.X.data
    assert (values == np.rint(values)).all() and (values >= 0).all()
    assert set(cells.obs[LABEL]) == {"CD4 T"}
    assert cells.obsm["X_umap"].shape == (request.n, 2)
    told = cells.uns["genediff"]
    assert told["model_id"] == request.model_id and told["request"]["seed"] == 0
    assert json.loads(told["request"]["conditions"]) == {LABEL: "CD4 T"}
    assert "real" in told["verdict"]


def _until(condition, seconds: float = 300.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.1)


def test_cells_of_a_type_with_three_held_out_cells_are_drawn_and_kept(model_id, workspace, open_page, monkeypatch):
    """A step of the tour ended with "stopped unexpectedly (ValueError)", and the thousand drawn cells were gone."""
    request = GenerateRequest(model_id, 60, {LABEL: "Megakaryocyte"}, 1.0, "euler", 2, 0)
    job = generate_job.start(request)
    _until(lambda: job.ended)
    assert job.problem is None and job.cells.n_obs == 60 and job.xy.shape == (60, 2)
    assert "3 Megakaryocyte test cells" in job.unjudged and "at least 20" in job.unjudged


def test_cells_outlive_an_evaluation_that_fails_or_is_stopped(model_id, workspace, one_comparison, monkeypatch):
    """Any error while evaluating, or a press of Cancel meanwhile, threw the drawn cells away."""

    def fails(*cells, cancelled, **how):
        if wanted_error:
            raise RuntimeError("no such luck")
        _until(cancelled)
        raise Cancelled

    wanted_error, request = True, GenerateRequest(model_id, 30, {}, 1.0, "euler", 1, 1)
    with monkeypatch.context() as patch:
        patch.setattr("genediff.evaluation.evaluate", fails)
        failed = generate_job.start(GenerateRequest(model_id, 30, {}, 1.0, "euler", 1, 0))
        _until(lambda: failed.ended)
        assert failed.problem is None and failed.cells.n_obs == 30 and "RuntimeError" in failed.unjudged
        wanted_error = False
        stopped = generate_job.start(request)
        _until(lambda: stopped.stage == "judging")
        stopped.cancel()
        _until(lambda: stopped.ended)
    assert not stopped.cancelled and stopped.cells.n_obs == 30 and "stopped" in stopped.unjudged
    assert generate_job.start(request) is stopped
    _until(lambda: stopped.ended)
    assert stopped.evaluation is not None and stopped.unjudged is None


def test_nobody_waits_for_cells_while_those_of_others_are_evaluated(model_id, workspace, monkeypatch):
    """Three requests at once gave their cells after 36, 64 and 89 s: the lock was held while evaluating."""
    jobs = []

    def evaluate(*cells, **how):  # the first evaluation ends only when everybody has cells
        _until(lambda: len(jobs) == 4 and all(job.cells is not None for job in jobs), seconds=300)
        return "evaluated"

    monkeypatch.setattr("genediff.evaluation.evaluate", evaluate)
    jobs += [generate_job.start(GenerateRequest(model_id, 30, {}, 1.0, "euler", 1, seed)) for seed in range(4)]
    _until(lambda: all(job.ended for job in jobs))
    assert [job.evaluation for job in jobs] == ["evaluated"] * 4
    assert [job.problem or job.unjudged for job in jobs] == [None] * 4
