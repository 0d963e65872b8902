"""Data: the map and its colours, quality, rename, delete and undo, and adding a file."""

from __future__ import annotations

import base64
import time

import anndata
import numpy as np
import pandas as pd
import plotly.io
import pytest
from scipy import sparse

from genediff.data import ImportConfig, import_cells
from genediff.data.importing.umap_drawing import draw_umap
from genediff.runs import ImportJob, submit
from genediff.ui.kit import obs_columns, selection_picker
from genediff.workspace import DEMO_DATASET, Workspace


def _figures(app):
    return [plotly.io.from_json(chart.proto.spec, skip_invalid=True) for chart in app.get("plotly_chart")]


def _said(app):
    parts = [*app.title, *app.subheader, *app.markdown, *app.caption, *app.error, *app.info, *app.success]
    return "\n".join(str(one.value) for one in parts)


def _button(app, label):
    return next(one for one in app.button if one.label == label)


def _wait_for(condition):
    end = time.monotonic() + 300
    while not condition():
        assert time.monotonic() < end, "what was waited for never came"
        time.sleep(0.1)


@pytest.fixture
def cells(tmp_path):
    """A file of 120 cells of two types and 30 genes."""
    draw = np.random.default_rng(0)
    kind = np.repeat(["one", "two"], 60)
    counts = draw.poisson(np.where(kind[:, None] == "one", 2.0, 0.5) * np.linspace(0.2, 3, 30), (120, 30))
    path = tmp_path / "mine.h5ad"
    anndata.AnnData(
        sparse.csr_matrix(counts.astype(np.float32)),
        obs=pd.DataFrame({"cell_type": kind}, index=[f"c{i}" for i in range(120)]),
        var=pd.DataFrame(index=[f"G{i}" for i in range(30)]),
    ).write_h5ad(path)
    return path


@pytest.fixture
def own(cells, workspace):
    """A data set of the user's own."""
    config = ImportConfig(name="Mine", label="cell_type", n_genes=20, umap=False, n_pcs=5, min_cells_per_gene=1)
    return import_cells(cells, config, workspace.datasets).info.id


def test_the_map_is_one_trace_of_all_cells_and_a_legend(open_page):
    figure = _figures(open_page("data", {"dataset": DEMO_DATASET}))[0]
    drawn = [trace for trace in figure.data if trace.type == "scattergl"]
    assert len(drawn) == 1
    assert len(base64.b64decode(drawn[0].x["bdata"])) == 4 * 2638  # 32-bit numbers, and no more of them
    assert any("CD4 T" in trace.name for trace in figure.data if trace.type == "scatter")


def test_genes_stand_side_by_side_in_one_figure(open_page):
    app = open_page("data", {"dataset": DEMO_DATASET})
    app.multiselect(key="genes").set_value(["CD3E", "LYZ", "MS4A1"]).run()
    assert not app.exception
    figure = _figures(app)[0]
    assert [note.text for note in figure.layout.annotations] == ["CD3E", "LYZ", "MS4A1"]
    assert len(figure.data) == 3


def test_the_address_chooses_the_genes(open_page):
    app = open_page("data", {"dataset": DEMO_DATASET, "genes": "LYZ"})
    assert app.multiselect(key="genes").value == ["LYZ"]
    assert "LYZ" in _figures(app)[0].data[0].marker.colorbar.title.text


def test_every_figure_says_how_to_read_it(open_page):
    app = open_page("data", {"dataset": DEMO_DATASET, "view": "Quality"})
    charts = app.get("plotly_chart")
    assert len(charts) == 5
    assert len([one for one in app.caption if len(one.value) > 60]) >= len(charts)


def test_an_own_data_set_is_renamed_deleted_and_brought_back(open_page, own, workspace):
    app = open_page("data", {"dataset": own, "view": "About"})
    app.text_input(key=f"name-dataset-{own}").set_value("Ours").run()
    _button(app, "Save name").click().run()
    assert "Ours" in [info.name for info in workspace.list_datasets()]
    _button(app, "Delete").click().run()
    assert not app.exception
    assert own not in [info.id for info in workspace.list_datasets()]
    _button(app, "Undo").click().run()
    assert not app.exception
    assert own in [info.id for info in workspace.list_datasets()]
    assert app.query_params["dataset"] in (own, [own])


def test_what_ships_cannot_be_deleted(open_page):
    app = open_page("data", {"dataset": DEMO_DATASET, "view": "About"})
    assert not [one for one in app.button if one.label == "Delete"]


def test_a_sent_file_is_reported_on_with_proposals(open_page, cells):
    app = open_page("data", {"add": "1"})
    app.file_uploader[0].upload("mine.h5ad", cells.read_bytes()).run()
    assert not app.exception
    assert {one.label: one.value for one in app.metric}["Cells"] == "120"
    app = open_page("data", {"file": "mine.h5ad"})  # the address that the page has gone on to
    label = next(one for one in app.selectbox if one.label == "Cell type or other label")
    assert label.value == "cell_type"
    assert [one for one in app.expander if one.label == "Import on a cluster instead"]
    assert _button(app, "Import these cells")  # pressed in the browser tests: AppTest loses clicks to the guard


def test_a_running_import_shows_its_progress_and_ends_in_the_workspace(open_page, cells, workspace):
    run = submit(ImportJob.of(cells, ImportConfig(name="mine", label="cell_type", umap=False)), workspace)
    assert "Importing mine" in _said(open_page("data", {"import": run.id})) or run.result.get("dataset_id")
    _wait_for(lambda: run.result.get("dataset_id"))
    run.cancel(wait=60)  # what is worked out ahead of the first model need not be waited for
    assert run.status.state == "finished", run.log_tail()
    assert "mine" in [info.name for info in workspace.list_datasets()]


def test_cells_are_shown_while_their_map_is_drawn_and_then_on_it(open_page, cells, workspace, monkeypatch):
    """The page of a data set opens when it is ready; a map that came later is there at the next look."""
    config = ImportConfig(name="mine", label="cell_type", n_genes=20, n_pcs=5, min_cells_per_gene=1)
    run = submit(ImportJob.of(cells, config), workspace)
    _wait_for(lambda: run.result.get("dataset_id"))
    app = open_page("data", {"import": run.id})
    assert "are ready as 'mine'" in _said(app) and not run.status.has_ended
    assert not _figures(app) and _button(app, "Cancel")
    _button(app, "Cancel").click().run()
    assert run.cancel(wait=300).state == "cancelled"
    app = open_page("data", {"dataset": run.result["dataset_id"]})
    assert "has not been computed yet" in _said(app) and _button(app, "Compute the UMAP")

    monkeypatch.setattr("genediff.data.cells.umap_space.MIN_FITTED", 1000)  # components stand in: nothing is compiled
    draw_umap(workspace.open_dataset(run.result["dataset_id"]))
    app = open_page("data", {"dataset": run.result["dataset_id"]})
    assert _figures(app) and "has not been computed yet" not in _said(app)


def test_an_import_that_failed_says_why_and_what_to_do(open_page, cells, workspace):
    run = submit(ImportJob.of(cells, ImportConfig(label="no such column")), workspace)
    _wait_for(lambda: run.status.has_ended)
    app = open_page("data", {"import": run.id})
    assert any("no such column" in one.value for one in app.error)
    assert _button(app, "Change the settings and try again")


@pytest.mark.parametrize(
    ("name", "content"),
    [("empty.h5ad", b""), ("text.h5ad", b"this is no HDF5"), ("one.csv", b"gene\n1\n"), ("broken.h5", b"\x89HDF\r\n")],
)
def test_a_bad_file_is_one_clear_sentence(open_page, workspace, name, content):
    app = open_page("data", {"add": "1"})
    app.file_uploader[0].upload(name, content).run()
    assert not app.exception
    stopped = [one.value for one in app.error] + [one.value for one in app.markdown if "Stops the import" in one.value]
    assert len(stopped) >= 1
    assert "Traceback" not in "".join(stopped)
    assert not [one for one in app.button if one.label == "Import these cells"]


def test_a_path_outside_the_allowed_folders_is_refused(open_page, monkeypatch, tmp_path):
    monkeypatch.setenv("GENEDIFF_ROOTS", str(tmp_path))
    app = open_page("data", {"file": "/etc/passwd"})
    assert any("outside the folders" in one.value for one in app.error)


def test_two_groups_of_real_cells_are_compared_gene_by_gene(open_page):
    """Marker genes of a selection were "a description, not a test": now effect, detection rates, p and FDR."""
    address = {"view": "Differential expression", "dataset": DEMO_DATASET, "de1": "cell_type_derived: B"}
    app = open_page("data", address)
    _wait_for(lambda: "tested genes differ" in _said(app.run()))
    said = _said(app).replace("\\", "")
    assert "tested genes differ between cell_type_derived: B (339 cells) and All other cells (2,299 cells)" in said
    assert "Cells of one donor are not independent" in said
    table = app.dataframe[0].value
    assert list(table.columns[:6]) == ["gene", "log2_fold", "detected_first", "detected_second", "p_value", "fdr"]
    assert table["gene"].iloc[0] == "CD79A" and table["log2_fold"].iloc[0] > 1 and table["fdr"].iloc[0] < 0.01
    app.query_params["de_gene"] = "LYZ"
    app.run()
    assert app.dataframe[0].value["gene"].iloc[0] == "LYZ"  # what was clicked stands first


def test_a_region_around_every_cell_has_nothing_to_be_compared_with(open_page):
    """In red: the second group has 0 cells, and a button to start again."""
    app = open_page("data", {"dataset": DEMO_DATASET, "region": "-99,-99;99,-99;99,99;-99,99"})
    assert "Marker genes need 5 cells inside the region and as many outside; there are 2,638 and 0." in _said(app)
    assert not app.error


def test_the_region_on_the_map_is_a_group_of_differential_expression(open_page):
    """“Keep the selection and open Differential expression”, it said; there the cells had to be saved first."""
    places = Workspace().open_dataset(DEMO_DATASET).umap
    middle = round(float(np.median(places[:, 0])), 2)  # as the address holds it
    corners = f"-99,-99;{middle},-99;{middle},99;-99,99"
    app = open_page("data", {"view": "Differential expression", "dataset": DEMO_DATASET, "region": corners})
    first = next(one for one in app.selectbox if one.label == "First group")
    assert first.value == selection_picker.REGION
    inside = int((places[:, 0] < middle).sum())
    _wait_for(lambda: f"the map ({inside:,} cells) and All other cells" in _said(app.run()))


def test_the_map_shows_only_the_classes_that_are_asked_for(open_page):
    """A map of all cells hides what one type of them looks like; other views keep to what is shown."""
    dataset = Workspace().open_dataset(DEMO_DATASET)
    label = dataset.obs["cell_type_derived"].astype(str).to_numpy()
    app = open_page("data", {"dataset": DEMO_DATASET})
    whole = _figures(app)[0]
    only = ["cell_type_derived: B", "cell_type_derived: NK", "split: test"]
    app.multiselect(key="cell-filter").set_value(only).run()
    assert not app.exception and app.query_params["only"] == only
    kept = np.isin(label, ["B", "NK"]) & (dataset.obs["split"].astype(str).to_numpy() == "test")
    figure = _figures(app)[0]
    assert _n_drawn(figure.data[0]) == kept.sum() and f"{kept.sum():,} of 2,638 cells shown" in _said(app)
    cloud = dataset.umap[:, 0]
    assert figure.layout.xaxis.range[0] <= cloud.min() and figure.layout.xaxis.range[1] >= cloud.max()
    assert _colours(figure)["B"] == _colours(whole)["B"] and set(_colours(figure)) == {"B", "NK"}
    middle = round(float(np.median(dataset.umap[kept, 0])), 2)  # as the address holds it
    inside = kept & (dataset.umap[:, 0] < middle)
    corners = f"-99,-99;{middle},-99;{middle},99;-99,99"
    address = {"dataset": DEMO_DATASET, "only": only, "region": corners}
    share = f"{inside.sum() / kept.sum():.1%} of those shown"
    assert f"**{inside.sum():,} cells selected** :gray[{share}]" in _said(open_page("data", address))
    view = open_page("data", {**address, "data_view": "Differential expression"})
    first, second = (next(one for one in view.selectbox if one.label == f"{n} group") for n in ("First", "Second"))
    assert (first.value, second.value) == (selection_picker.REGION, selection_picker.SHOWN)
    rest = kept.sum() - inside.sum()
    _wait_for(lambda: f"({inside.sum():,} cells) and Cells shown on the map ({rest:,} cells)" in _said(view.run()))
    app.button(key="show-all").click().run()
    assert _n_drawn(_figures(app)[0].data[0]) == 2638 and "only" not in app.query_params


def test_classes_of_an_address_that_are_not_here_are_left_out(open_page):
    one, other = (f"{column}: {level}" for column, level in (("cell_type_derived", "B"), ("split", "test")))
    app = open_page("data", {"dataset": DEMO_DATASET, "only": [one, other, "nothing: of the kind"]})
    assert not app.exception and app.multiselect(key="cell-filter").value == [one, other]


@pytest.mark.parametrize("query", [{}, {"genes": "LYZ"}, {"colour": "Counts per cell (all genes)"}])
def test_the_map_is_split_by_a_label_in_the_same_colours(open_page, query):
    app = open_page("data", {"dataset": DEMO_DATASET, "split": obs_columns.title("split"), **query})
    figure = _figures(app)[0]
    panels = [trace for trace in figure.data if trace.type == "scattergl"]
    assert sum(map(_n_drawn, panels)) == 2638 and len(panels) == 3
    assert [note.text.split(" · ")[0] for note in figure.layout.annotations] == ["test", "train", "validation"]
    assert len({(one.marker.cmin, one.marker.cmax, one.marker.size) for one in panels}) == 1
    assert sum(bool(one.marker.showscale) for one in panels) == bool(query)


def _n_drawn(trace):
    return len(base64.b64decode(trace.x["bdata"])) // 4


def _colours(figure):
    return {one.name.split(" · ")[0]: one.marker.color for one in figure.data if one.type == "scatter" and one.name}
