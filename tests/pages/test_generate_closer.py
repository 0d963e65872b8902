"""Looking closer at generated cells: out of noise, markers, neighbours; drawn for real cells of a real model."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import plotly.io
import pytest
from streamlit.testing.v1 import AppTest

from genediff.core.installation import ASSETS
from genediff.data import Dataset
from genediff.models.generate_request import GenerateRequest
from genediff.models.load_model import load_model
from genediff.ui.generate import denoising_steps, generate_job
from genediff.ui.generate.generate_job import Job
from genediff.ui.kit import caching
from genediff.workspace import DEMO_DATASET, Workspace
from tests.pages.conftest import texts

N = 60


@pytest.fixture(scope="module")
def job():
    """Sixty cells of the shipped model, recorded on their way."""
    from genediff.diffusion import Recorder

    recorder = Recorder(n_cells=40)
    model = load_model(ASSETS / "models" / "pbmc3k-quick", device="cpu")
    request = GenerateRequest("pbmc3k-quick", N, {}, 1.0, "euler", 3, 5)
    cells = model.generate(N, sampler="euler", n_steps=3, seed=5, watch=recorder)
    return Job(request, Workspace(), stage="done", cells=cells, recording=recorder.finish(), seconds=1.0)


class FirstComponents:
    """Stands for the process that places cells on a UMAP, which takes a minute to compile."""

    def place(self, folder, pcs, *, waiting=None):
        return np.ascontiguousarray(pcs[:, :2], dtype=np.float32)


@pytest.fixture
def page(job, workspace, monkeypatch):
    monkeypatch.setattr(denoising_steps, "PLACER", FirstComponents())
    from genediff.models.model_info import ModelInfo

    job.xy = caching.dataset(DEMO_DATASET).umap[:N]
    info = ModelInfo.read(ASSETS / "models" / "pbmc3k-quick", shipped=True)

    def open_(look: str) -> AppTest:
        def script(job, info):
            from genediff.ui.generate import detail_tabs
            from genediff.ui.kit import caching

            detail_tabs.show(job, caching.dataset("pbmc3k"), info, name="some-cells")

        app = AppTest.from_function(script, default_timeout=600, args=(job, info))
        app.query_params["closer"] = look
        app.run()
        for _ in range(60):  # the work goes on in a thread
            if not [button for button in app.button if button.label == "Cancel"]:
                break
            app.run()
        assert not app.exception, [one.message for one in app.exception]
        return app

    return open_


def _figure(app, place=0):
    return plotly.io.from_json(app.get("plotly_chart")[place].proto.spec, skip_invalid=True)


def test_cells_that_were_made_before_the_map_are_placed_when_it_is_there(job, workspace, monkeypatch):
    dataset = caching.dataset(DEMO_DATASET)
    monkeypatch.setattr(generate_job, "PLACER", FirstComponents())
    early = replace(job, request=replace(job.request, seed=6), xy=None)
    mapless = Dataset(replace(dataset.info, has_umap=False))
    assert generate_job.placed(early, mapless) is None
    xy = generate_job.placed(early, dataset)
    assert xy is early.xy and xy.shape == (N, 2)
    other = replace(early, adapted=True, cells=job.cells[:, :50], xy=None)
    assert generate_job.has_no_place(other, dataset) and generate_job.placed(other, dataset) is None


def test_nothing_is_worked_out_before_the_reader_asks(page):
    app = page("")
    assert not app.get("plotly_chart")
    assert "step by step" in texts(app)


def test_every_frame_travels_with_the_scrubber(page, job):
    figure = _figure(page("Denoising trajectory"))
    names = ["noise", "step 1", "step 2", "step 3", "counts"]
    assert [frame.name for frame in figure.frames] == names
    assert [step.label for step in figure.layout.sliders[0].steps] == names
    assert not [trace for trace in figure.data if trace.type == "scattergl"]  # nothing of the browser's WebGL is used
    first, last = figure.frames[0].data, figure.frames[-1].data
    assert len(first[0].x) == 40 and first[0].x != last[0].x
    heat = next(trace for trace in figure.data if trace.marker.symbol == "square")
    assert np.allclose(heat.marker.color, last[2].marker.color)
    assert not np.allclose(first[2].marker.color, last[2].marker.color)
    # Decoded states are held against real cells decoded likewise: no step is high in everything.
    assert all(abs(np.mean(frame.data[2].marker.color)) < 0.3 for frame in figure.frames[-2:])
    # The counted frame is where the generated cells themselves lie.
    dataset = caching.dataset(DEMO_DATASET)
    placed = dataset.project(dataset.normalise(job.cells[:40, list(dataset.genes)].X))[:, :2]
    np.testing.assert_allclose(np.column_stack([last[0].x, last[0].y]), placed, atol=2e-3)


def test_generated_markers_stand_below_real_ones(page):
    app = page("Marker genes")
    figure = _figure(app)
    rows = list(figure.layout.yaxis.categoryarray)
    assert rows[0].endswith("· real") and rows[1].endswith("· generated")
    assert rows[0].split(" · ")[0] == rows[1].split(" · ")[0]
    assert "real against real" in texts(app)


def test_a_cell_is_chosen_and_its_neighbours_are_shown(page, job):
    app = page("Nearest real cells")
    said = "of held-out real cells are closer"
    assert said in texts(app) and "Cell 0:" in texts(app)
    next(one for one in app.button if one.label == "Closest to a training cell").click().run()
    chosen = app.number_input(key="cell").value
    assert f"Cell {chosen}:" in texts(app)
    table = app.dataframe[-1].value
    assert table["part"].tolist() == ["training"] * 5 + ["held-out (test)"] * 5
    assert table["distance"].head(5).is_monotonic_increasing


def test_settings_are_asked_for_before_anything_is_made(page):
    app = page("Other settings")
    assert [one.label for one in app.button] == ["Generate and evaluate"]
    assert not app.get("plotly_chart")
