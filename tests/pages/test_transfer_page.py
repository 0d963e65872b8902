"""Models, "Use it on other cells": the question, another species noticed, and the answer."""

from __future__ import annotations

import time

import anndata
import pytest

from genediff.data import ImportConfig, import_cells
from genediff.knowledge.orthologs import shipped_orthologs
from genediff.ui.kit import caching
from genediff.workspace import DEMO_DATASET, Workspace
from tests.pages.conftest import texts

MODEL = "pbmc3k-pathway"


@pytest.fixture
def mouse(own_workspace, tmp_path, monkeypatch):
    """Held-out cells of the shipped data under the names of mouse genes, in a workspace with all that ships."""
    place = Workspace(own_workspace)
    monkeypatch.setattr(caching, "workspace", lambda: place)
    own = place.open_dataset(DEMO_DATASET)
    table = shipped_orthologs()
    names = table.names_for(own.genes, [pair[1] for pair in table.pairs])
    cells = anndata.AnnData(own.counts("test")[:, [own.genes.index(gene) for gene in names]])
    cells.var_names, cells.obs_names = list(names.values()), [f"m{i}" for i in range(cells.n_obs)]
    cells.write_h5ad(tmp_path / "mouse.h5ad")
    return import_cells(tmp_path / "mouse.h5ad", ImportConfig(name="Mouse blood", umap=False), place.datasets)


def test_another_species_is_noticed_and_what_is_lost_is_said(mouse, open_page):
    app = open_page("models", {"model": MODEL, "other": mouse.info.id})
    how = next(box for box in app.selectbox if box.label == "Genes are matched")
    assert how.value == "shipped"
    app.button(key="transfer_start").click().run()
    for _ in range(60):
        if "one-to-one pairs" in texts(app):
            break
        time.sleep(1)
        app.run()
    said = texts(app)
    assert not app.exception
    assert "Use it on other cells" in said and "through the table of orthologs" in said and "one-to-one pairs" in said
    assert any("reader" in frame.value for frame in app.dataframe)
    how = next(box for box in app.selectbox if box.label == "Genes are matched")
    how.set_value("names").run()
    app.button(key="transfer_start").click().run()
    for _ in range(60):
        refused = [one.value for one in app.error if "another species" in one.value]
        if refused:
            break
        time.sleep(0.5)
        app.run()
    assert "the shipped table of orthologs would find 1," in refused[0]  # in words, with the way out


def test_the_pages_that_look_inside_show_another_species_under_the_names_of_the_model(mouse, open_page):
    app = open_page("pathways", {"model": MODEL, "cells": mouse.info.id})
    for _ in range(60):
        if "tokens of" in texts(app):
            break
        time.sleep(0.5)
        app.run()
    assert "genes of another species" in texts(app)
    assert not app.exception and not app.error, [one.value for one in app.error]
