"""A model in count space in a real browser: new cells from it, and real cells read deeper by it."""

from __future__ import annotations

import anndata
import numpy as np
import pytest

from genediff.data import ImportConfig, import_cells
from genediff.runs.kinds.train_run import publish
from genediff.training.presets import preset_run
from genediff.training.train import Training
from genediff.workspace import Workspace

from .conftest import real_cells

pytestmark = [pytest.mark.browser, pytest.mark.slow]
LONG = 420_000  # ms: judging on two busy cores


def test_cells_are_generated_in_count_space_and_read_deeper(own_server, open_browser, tmp_path):
    workspace = Workspace(own_server.home)
    choices = ImportConfig.parse({"name": "300 blood cells", "label": "cell_type", "umap": False})
    cells = import_cells(real_cells(tmp_path / "mine.h5ad"), choices, workspace.datasets)
    run = preset_run("quick", cells.info, space="counts", title="Few steps")
    run = run.model_copy(update={"train": run.train.model_copy(update={"steps": 5}), "device": "cpu"})
    for _ in Training(run, cells, folder=tmp_path / "training", model_id="counts").run():
        pass
    publish(tmp_path / "training" / "model", workspace.models / "counts")

    page = open_browser(f"{own_server.url}/generate?model=counts&n=80", height=1400)
    page.get_by_role("button", name="Generate", exact=True).click()
    page.get_by_text("80 generated cells", exact=True).wait_for(timeout=LONG)

    page = open_browser(f"{own_server.url}/generate?model=counts&deep_n=20&deep_times=2", height=1400)
    page.get_by_text("Real cells, read deeper").click()
    page.get_by_text("20 held-out cells read 2 times deeper").wait_for(timeout=LONG)
    page.get_by_text("molecules and restored: the model is", exact=False).wait_for(timeout=LONG)  # measured just now
    page.get_by_text("expected, closed form").first.wait_for(timeout=LONG)
    page.wait_for_timeout(2000)  # the page draws itself once more when the figure is there, and would miss the click
    with page.expect_download() as file:
        page.get_by_role("button", name="Cells (h5ad)").click()
    deeper = anndata.read_h5ad(file.value.path())
    measured = deeper.layers["measured"].toarray()
    assert (deeper.X.toarray() >= measured).all()
    np.testing.assert_array_equal(np.asarray(deeper.X.sum(1)).ravel(), 2 * measured.sum(1))
