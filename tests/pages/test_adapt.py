"""The other way of the Train page: a model of the library is adapted to the data set."""

from __future__ import annotations

from genediff.core.installation import ASSETS
from genediff.runs import list_runs
from genediff.ui.train.adapt_form import ADAPT
from genediff.workspace import DEMO_MODEL
from tests.pages.conftest import texts


def test_a_model_is_adapted_from_the_page(workspace, open_page):
    (workspace.models / DEMO_MODEL).symlink_to(ASSETS / "models" / DEMO_MODEL)
    app = open_page("train", {"way": ADAPT, "adapt-rank": "2", "adapt-steps": "50000"})
    said = texts(app)
    assert "genes were found in the new data by name" in said and "no label" in said
    next(b for b in app.button if b.label == "Start adapting").click().run()
    assert not app.exception
    run = list_runs(workspace)[0]
    assert run.kind == "adapt" and run.config["rank"] == 2 and run.config["steps"] == 50000
    assert app.query_params["run"] == run.id
    run.cancel(wait=300)
    assert not (workspace.models / run.id).exists()
    app.run()
    assert not app.exception
