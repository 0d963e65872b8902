"""A region that is drawn on a page's map stays, and its cells are a group of their own in the page's other plots."""

from __future__ import annotations

import numpy as np
import plotly.io
import pytest

from genediff.plots import palettes, quality_plots
from tests.pages.conftest import ready, texts


def figures(app):
    return [plotly.io.from_json(chart.proto.spec, skip_invalid=True) for chart in app.get("plotly_chart")]


def traces(app, name=palettes.SELECTED):
    return [trace for figure in figures(app) for trace in figure.data if trace.name == name]


@pytest.fixture
def corners(workspace):
    """A box around a third of the shipped cells."""
    xy = workspace.open_dataset("pbmc3k").umap
    left, right, low, high = *np.quantile(xy[:, 0], [0, 0.33]), xy[:, 1].min(), xy[:, 1].max()
    return ";".join(f"{x:.2f},{y:.2f}" for x, y in ((left, low), (right, low), (right, high), (left, high)))


def test_quality_shows_the_cells_selected_on_the_map(workspace, open_page, corners):
    app = open_page("data", {"dataset": "pbmc3k", "data_view": "Quality", "region": corners})
    assert "cells selected on the map are shown as a group of their own, in red" in texts(app)
    assert len(traces(app)) == 4  # three histograms, and a box beside those of the classes
    app.button(key="clear-region").click().run()
    assert not app.exception and not traces(app) and "region" not in app.query_params


def test_a_region_on_the_map_of_tokens_stays_with_another_token_and_view(model_id, open_page, corners):
    """A lasso was gone as soon as another token was chosen."""
    address = {"model": model_id, "tokens_view": "One token", "region": corners}
    app = ready(open_page("tokens", address))
    assert "cells selected" in texts(app)
    assert traces(app, "region") and traces(app)  # the outline, and a box beside those of the groups
    next(box for box in app.selectbox if box.label == "Token").select_index(1).run()
    assert traces(ready(app), "region") and traces(app)
    cells = ready(
        open_page("tokens", {**address, "tokens_view": "Cells by tokens", "cells_colour": "Selected on the UMAP"})
    )
    assert any(palettes.SELECTED in (trace.name or "") for figure in figures(cells) for trace in figure.data)


def test_a_histogram_counts_selected_cells_in_the_bins_of_all():
    values = np.arange(1, 501, dtype=float)
    for log in (False, True):
        whole, part = quality_plots.histogram(values, title="counts", log=log, selected=values[:50]).data[:2]
        assert sum(whole.y) == 500 and sum(part.y) == 50
        assert (np.array(part.y) <= np.array(whole.y)).all() and (part.x == whole.x).all()
