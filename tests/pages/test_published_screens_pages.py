"""Published screens in the app: the import page shows how levels are read, and Perturb opens on what is imported."""

from __future__ import annotations

import threading

import pytest

from genediff.data import ImportConfig, import_cells
from genediff.data.importing.recipe import shipped_recipes
from tests.pages.conftest import texts
from tests.pages.test_perturb import settled
from tests.perturbation.test_published_screens import LAYOUTS, screen_file


@pytest.mark.parametrize("name", LAYOUTS)
def test_perturb_opens_on_a_published_screen(name, tmp_path, workspace, open_page):
    recipe = shipped_recipes()[name]
    config = ImportConfig(perturbation=recipe.columns[0], recipe=recipe, umap=False, n_genes=20, n_pcs=5, name=name)
    dataset = import_cells(screen_file(name, tmp_path), config, workspace.datasets).info.id
    first = min(LAYOUTS[name][1], key=len)
    app = settled(open_page("perturb", {"dataset": dataset, "gene" if recipe.kind != "drug" else "condition": first}))
    # Counts are random here, so a verdict that the prediction is wrong is right; no other error may stand.
    assert not [one.value for one in app.error if not one.value.startswith("Measured here")]
    assert "No perturbed cells yet" not in texts(app)
    assert app.get("plotly_chart"), texts(app)
    for thread in threading.enumerate():
        if thread.name == "background":
            thread.join(timeout=600)


@pytest.mark.parametrize("name", ["norman_2019", "sciplex_2020", "cellxgene_schema_7"])
def test_the_import_page_shows_the_reading(name, workspace, open_page):
    workspace.uploads.mkdir(parents=True, exist_ok=True)
    screen_file(name, workspace.uploads)
    app = open_page("data", {"file": f"{name}.h5ad"})
    assert not app.error, [one.value for one in app.error]
    recipe = shipped_recipes()[name]
    assert app.selectbox(key=f"perturbation-{recipe.columns[0]}").value == recipe.columns[0]
    assert "How the levels are read" in texts(app)
    table = next(one.value for one in app.dataframe if "level" in one.value)
    kinds = dict(zip(table["level"], table["means"], strict=True))
    if name == "norman_2019":
        assert kinds["CD74_NegCtrl0__CD74_NegCtrl0"] == "genes"
        assert kinds["NegCtrl0_NegCtrl0__NegCtrl0_NegCtrl0"] == "control"
    if name == "sciplex_2020":
        assert table.set_index("level").loc["(+)-JQ1 | 10", "dose"] == 10
    next(one for one in app.selectbox if one.label == "Published screen").select(recipe.title).run()
    assert not app.exception and not app.error
    shown = texts(app)
    assert recipe.source.replace(":", "\\:") in shown or not recipe.source


def test_a_correction_shows_in_the_summary(workspace, open_page):
    """Row 0 is a control: left out by the reader, it is counted so; a gene that is typed is looked up in the file."""
    workspace.uploads.mkdir(parents=True, exist_ok=True)
    screen_file("norman_2019", workspace.uploads)
    app = open_page("data", {"file": "norman_2019.h5ad"})
    [editor] = app.data_editor
    levels = list(editor.value["level"])
    assert levels[0].startswith("NegCtrl"), "controls come first: they are to be checked"
    single = levels.index("CD74_NegCtrl0__CD74_NegCtrl0")
    names = "genes, drug or kind of control"
    edits = {0: {"means": "left out"}, single: {names: "jun + FOO9"}}
    app.session_state[editor.key] = {"edited_rows": edits, "added_rows": [], "deleted_rows": []}
    app.run()
    shown = texts(app)
    assert "2 levels corrected" in shown and "**1** left out" in shown
    assert app.data_editor[0].value["measured"][single] == "no known gene: FOO9"
