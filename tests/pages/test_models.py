"""The Models page: the library, and what can be done with a model."""

from __future__ import annotations

import io
import pickle
import zipfile

import pandas as pd

from genediff.models.archive import export_model
from genediff.models.model_info import ModelInfo
from genediff.ui.models import model_table
from tests.pages.conftest import texts


def test_without_models_it_says_what_to_do(no_data, open_page):
    assert "No model yet" in texts(open_page("models"))


def test_a_model_is_listed_with_its_card(model_id, open_page):
    app = open_page("models")
    said = texts(app)
    assert "A tiny model" in said and "Not for clinical use" in said
    assert app.dataframe[0].value["model"].tolist() == ["A tiny model"]


def test_rename_delete_and_undo(model_id, workspace, open_page):
    app = open_page("models", {"model": model_id})
    app.text_input(key=f"name-model-{model_id}").set_value("My cells").run()
    app.button(key=f"save-model-{model_id}").click().run()
    assert workspace.list_models()[0].title == "My cells"
    app.button(key=f"delete-model-{model_id}").click().run()
    assert workspace.list_models() == []
    assert "was deleted" in texts(app)
    app.button(key="undo-model").click().run()
    assert [info.id for info in workspace.list_models()] == [model_id]
    assert not app.exception


def test_an_empty_name_is_refused_in_words(model_id, workspace, open_page):
    app = open_page("models", {"model": model_id})
    app.text_input(key=f"name-model-{model_id}").set_value("   ").run()
    app.button(key=f"save-model-{model_id}").click().run()
    assert "letters" in app.error[0].value
    assert workspace.list_models()[0].title == "A tiny model"


def test_an_exported_model_can_be_uploaded_again(model_id, workspace, open_page, tmp_path):
    packed = export_model(workspace.model_folder(model_id), tmp_path / "tiny.zip").read_bytes()
    app = _upload(open_page("models"), "tiny.zip", packed)
    assert len(workspace.list_models()) == 2
    assert "is in the library" in texts(app)


def test_pickles_are_refused(model_id, workspace, open_page):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("model/model.pt", pickle.dumps({"weights": 1}))
    for name, given in (("model.pt", pickle.dumps([1])), ("model.zip", content.getvalue())):
        app = _upload(open_page("models"), name, given)
        assert "refused" in app.error[0].value
    assert len(workspace.list_models()) == 1
    assert [path.name for path in workspace.models.iterdir()] == [model_id]


def test_constant_columns_hide_and_the_best_is_marked_within_a_data_set(model_id, workspace):
    base = ModelInfo.read(workspace.model_folder(model_id))

    def like(name: str, data: str, **metrics: float) -> ModelInfo:
        return base.model_copy(update={"id": name, "dataset_id": data, "metrics": metrics, "preset": name})

    models = [
        like("a", "x", c2st_pcs=0.45, recall=0.7),
        like("b", "x", c2st_pcs=0.6, recall=0.9),
        like("c", "y", c2st_pcs=0.5, recall=0.99),
    ]
    assert model_table.varying(model_table.facts(models)) == ["preset"]
    marks = model_table.best(model_table.figures(models), pd.Series(["x", "x", "y"], index=["a", "b", "c"]))
    pcs, recall = model_table.heading("c2st_pcs"), model_table.heading("recall")
    assert marks[pcs].tolist() == [True, False, False]  # 0.45 is nearer to 0.5 than 0.6; a lone model wins nothing
    assert marks[recall].tolist() == [False, True, False]
    assert pcs.endswith("→ 0.5") and recall.endswith("↑")


def _upload(app, name: str, content: bytes):
    app.file_uploader[0].upload(name, content).run()
    next(button for button in app.button if button.label == "Add to the library").click().run()
    return app
