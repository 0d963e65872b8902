"""Maps and quality figures: small for the browser, honest in their numbers, and the same again for print."""

from __future__ import annotations

import numpy as np
import pytest

from genediff.plots import embedding, palettes, publication, quality_plots

LEVELS = ("B cell", "NK", "T cell")


@pytest.fixture
def cells():
    draw = np.random.default_rng(0)
    codes = np.repeat([0, 1, 2], 100)
    codes[::25] = -1
    return draw.normal(codes[:, None], 0.2, (300, 2)), codes


def test_a_hundred_thousand_cells_stay_small_for_the_browser():
    xy = np.random.default_rng(0).normal(size=(100_000, 2))
    codes = np.arange(100_000) % 3
    figure = embedding.by_label(xy, codes, LEVELS)
    assert len(figure.to_json()) < 2.0e6  # 8 bytes of place and 1 of colour per cell, in base64
    assert figure.data[0].hoverinfo == "skip"


def test_classes_keep_their_colours_and_cells_without_one_are_grey(cells):
    figure = embedding.by_label(*cells, LEVELS)
    legend = {trace.name.split(" · ")[0]: trace.marker.color for trace in figure.data[1:]}
    assert legend == palettes.for_levels([*LEVELS, palettes.NO_LABEL])
    assert legend[palettes.NO_LABEL] == palettes.GREY
    assert [trace.name.split(" · ")[1] for trace in figure.data[1:]] == ["96", "96", "96", "12"]


def test_high_values_are_drawn_last_and_cells_without_a_value_not_at_all(cells):
    values = np.arange(300, dtype=float)
    values[7] = np.nan
    drawn = embedding.by_value(cells[0], values, title="value").data[0]
    assert len(drawn.x) == 299
    assert (np.diff(np.asarray(drawn.marker.color)) >= 0).all()


def test_the_colour_range_leaves_out_extremes_but_is_never_empty():
    values = np.r_[np.zeros(99), 1000.0]
    assert embedding.colour_range(values, (0, 0.5)) == (0.0, 1000.0)
    low, high = embedding.colour_range(np.arange(101.0), (0.1, 0.9))
    assert (low, high) == (10, 90)
    assert embedding.colour_range(np.zeros(5), (0, 1)) == (0.0, 1.0)


def test_a_lasso_and_a_box_hold_the_cells_inside():
    xy = np.array([[0.0, 0.0], [2.0, 0.0], [0.4, 0.4]])
    triangle = {"x": [-1, 1, 0, -1], "y": [-1, -1, 1, -1]}
    assert embedding.inside(triangle, xy).tolist() == [True, False, False]
    assert embedding.inside({"x": [1, -1], "y": [1, -1]}, xy).tolist() == [True, False, True]


def test_a_histogram_counts_every_cell_once():
    values = np.random.default_rng(0).lognormal(7, 1, 500)
    for log in (False, True):
        assert sum(quality_plots.histogram(values, title="counts", log=log).data[0].y) == 500


def test_boxes_are_the_quantiles_of_their_class(cells):
    values = np.random.default_rng(1).normal(size=300)
    figure = quality_plots.per_label(values, cells[1], LEVELS, title="value")
    box = next(trace for trace in figure.data if trace.name == "NK")
    own = values[cells[1] == 1]
    assert box.median[0] == pytest.approx(np.median(own))
    assert box.q1[0] == pytest.approx(np.quantile(own, 0.25))


def test_bars_add_up_to_the_cells_of_a_class(cells):
    split = np.random.default_rng(0).choice(["train", "validation", "test"], 300)
    figure = quality_plots.cells_per_label(cells[1], LEVELS, split)
    totals = sum(np.asarray(trace.x) for trace in figure.data)
    assert sorted(totals) == [12, 96, 96, 96]


@pytest.mark.parametrize("n", [0, 5, 12, 40])
def test_colours_differ(n):
    colours = palettes.categorical(n)
    assert len(set(colours)) == n


def test_unknown_colour_scales_are_named():
    with pytest.raises(ValueError, match="Cividis"):
        palettes.sequential("Rainbow")


@pytest.mark.parametrize("kind", ["svg", "png"])
def test_every_figure_is_drawn_again_for_print(cells, kind):
    values = np.random.default_rng(1).gamma(1, 1, 300)
    figures = [
        embedding.by_label(*cells, LEVELS),
        embedding.by_value(cells[0], values, title="value"),
        embedding.side_by_side(cells[0], {"A": values, "B": values}, unit="x"),
        quality_plots.histogram(values, title="value", log=True),
        quality_plots.per_label(values, cells[1], LEVELS, title="value"),
        quality_plots.cells_per_label(cells[1], LEVELS, np.repeat("train", 300)),
    ]
    for figure in figures:
        file = publication.to_bytes(publication.from_plotly(figure), kind)
        assert file.startswith(b"<?xml" if kind == "svg" else b"\x89PNG")


def test_print_keeps_text_as_text_and_points_as_a_bitmap():
    xy = np.random.default_rng(0).normal(size=(50_000, 2))
    file = publication.to_bytes(publication.from_plotly(embedding.by_label(xy, np.zeros(50_000, int), ("B",))), "svg")
    assert b"<text" in file
    assert b"<image" in file
    assert len(file) < 2_000_000


def test_the_table_of_a_figure_holds_its_points_and_no_legend(cells):
    table = publication.table_of(embedding.by_label(*cells, LEVELS))
    assert len(table) == 300
    assert set(table.columns) == {"trace", "x", "y", "value"}
