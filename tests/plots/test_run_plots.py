"""Figures of runs and of generated cells: what they show follows from their arrays."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from PIL import Image

from genediff.plots.embedding import by_label, inside, with_region
from genediff.plots.generated_plots import Cells, Colouring, map_figure
from genediff.plots.metric_plots import Dot, Strip, dot_ranges
from genediff.plots.publication import from_plotly, to_bytes
from genediff.plots.screen import for_screen
from genediff.plots.style import without_links
from genediff.plots.training_plots import Curve, live_losses, loss_curves, overlaid_curves, smooth, thin


def cells(n: int, *, values=None, seed: int = 0) -> Cells:
    return Cells(np.random.default_rng(seed).normal(size=(n, 2)).astype(np.float32), values)


def curve(n: int) -> Curve:
    steps = np.arange(n)
    return Curve("Flow", steps, 1.0 / (1.0 + steps), steps[::10], 1.1 / (1.0 + steps[::10]), total_steps=2 * n)


def test_smoothing_keeps_level_and_takes_the_mean_of_a_window():
    np.testing.assert_allclose(smooth(np.full(50, 3.0)), 3.0)
    np.testing.assert_allclose(smooth(np.array([1.0, 2.0, 6.0]), window=2), [1.0, 1.5, 4.0])


@pytest.mark.parametrize("n", [0, 1, 599, 600, 601, 50_000])
def test_thinning_keeps_the_ends_and_the_order(n):
    kept = thin(n)
    assert len(kept) <= 600 and (np.diff(kept) > 0).all()
    if n:
        assert kept[0] == 0 and kept[-1] == n - 1


@pytest.mark.parametrize("n", [1, 3, 2000])
def test_losses_are_drawn_the_same_live_and_for_download(n):
    live, figure = live_losses([curve(n), curve(n)]), loss_curves([curve(n), curve(n)])
    assert len(live["series"]) == 6 and len(figure.data) == 6
    assert live["xAxis"][1]["max"] == 2 * n == figure.layout.xaxis2.range[1]
    last = live["series"][0]["data"][-1]
    assert last[0] == n - 1 == figure.data[0].x[-1]


def test_the_polygon_test_agrees_with_a_box():
    points = np.random.default_rng(1).uniform(-2, 2, size=(500, 2))
    square = {"x": [-1.0, 1.0, 1.0, -1.0], "y": [-1.0, -1.0, 1.0, 1.0]}
    np.testing.assert_array_equal(inside(square, points), (np.abs(points) < 1).all(axis=1))


def test_every_cell_is_drawn_once_in_each_panel_and_both_move_together():
    real, made = cells(300, values=np.arange(300) % 3), cells(40, values=np.arange(40) % 3, seed=1)
    figure = map_figure(real, made, colouring=Colouring("type", levels=("a", "b", "c")))
    drawn = [trace for trace in figure.data if trace.x[0] is not None]
    assert [len(trace.x) for trace in drawn] == [300, 300, 40]  # real left; real in grey and generated right
    assert figure.layout.xaxis2.matches == "x" and figure.layout.yaxis2.matches == "y"
    assert [trace.name for trace in figure.data if trace.x[0] is None] == ["a", "b", "c"]
    assert drawn[0].x.dtype == np.float32


def test_colours_follow_their_cells_when_the_drawing_order_changes():
    values = np.random.default_rng(2).gamma(1.0, size=200)
    real = cells(200, values=values)
    figure = map_figure(real, cells(5, values=np.ones(5)), colouring=Colouring("CD3E", unit="log1p"))
    drawn = figure.data[0]
    place = {(float(x), float(y)): v for (x, y), v in zip(real.xy, values, strict=True)}
    for x, y, colour in zip(drawn.x, drawn.y, drawn.marker.color, strict=True):
        assert colour == pytest.approx(place[(float(x), float(y))], rel=1e-5)


def test_a_region_dims_what_lies_outside_it_in_both_panels():
    real, made = cells(300), cells(100, seed=1)
    region = [(0.0, 0.0), (9.0, 0.0), (9.0, 9.0), (0.0, 9.0)]
    figure = map_figure(real, made, colouring=Colouring("Source", by_source=True))
    before = [trace.x is not None and len(trace.x) for trace in figure.data]
    with_region(figure, region)
    assert len(figure.data) == len(before) + 2  # an outline in each panel
    for trace in (trace for trace in figure.data if trace.x[0] is not None and trace.mode == "markers"):
        x, y = zip(*region, strict=True)
        within = inside({"x": x, "y": y}, np.column_stack([trace.x, trace.y]))
        opacity = np.asarray(trace.marker.opacity)
        assert opacity[within].min() > 3 * opacity[~within].max()


@pytest.mark.parametrize("side_by_side", [True, False])
def test_the_figure_for_paper_is_a_small_file(side_by_side):
    figure = map_figure(
        cells(20_000), cells(1000), colouring=Colouring("Source", by_source=True), side_by_side=side_by_side
    )
    assert len(to_bytes(from_plotly(figure), "svg")) < 2_000_000


def test_dots_stand_at_their_values_with_the_model_on_top():
    dots = (Dot("Generated", 0.6, 0.02, "model"), Dot("Two real samples", 0.49, 0.01, "floor"))
    figure = dot_ranges([Strip("Classifier", "0.5", 0.5, dots)])
    assert [(trace.x[0], trace.y[0]) for trace in figure.data if trace.mode == "markers"] == [
        (0.6, "Generated"),
        (0.49, "Two real samples"),
    ]
    assert figure.layout.yaxis.categoryarray[-1] == "Generated"
    low, high = figure.layout.xaxis.range
    assert low < 0.48 and high > 0.62


def test_runs_are_overlaid_stage_by_stage_in_one_colour_each():
    """Losses of two runs could only be compared by opening one after the other."""
    figure = overlaid_curves({"A": [curve(100)], "B": [curve(50)]})
    colours = {trace.name: {one.line.color for one in figure.data if one.name == trace.name} for trace in figure.data}
    assert list(colours) == ["A", "B"] and all(len(one) == 1 for one in colours.values())
    assert colours["A"] != colours["B"]
    assert [trace.name for trace in figure.data if trace.showlegend] == ["A", "B"]


def test_the_region_fades_cells_of_a_map_that_is_sent_as_a_picture():
    """Above 20,000 cells a map is a picture, which Plotly's own selection does not fade."""
    xy = np.random.default_rng(0).uniform(-1, 1, (30_000, 2))
    corners = [(0.0, -2.0), (2.0, -2.0), (2.0, 2.0), (0.0, 2.0)]
    (image,) = for_screen(with_region(by_label(xy, np.zeros(len(xy), int), ["B"]), corners)).layout.images
    picture = Image.open(io.BytesIO(base64.b64decode(image.source.partition(",")[2]))).convert("RGBA")
    opacity = np.asarray(picture)[..., 3].astype(int)
    left, right = opacity[:, : opacity.shape[1] // 2 - 8], opacity[:, opacity.shape[1] // 2 + 8 :]
    assert right[right > 0].min() > 2 * left.max() > 0


def test_names_of_others_make_no_links_in_a_figure():
    """Plotly reads tags in names and labels: a cell type called <a href=…> was a link."""
    figure = by_label(np.zeros((2, 2)), [0, 1], ['<a href="https://evil.example">T</a>', "B<br>cell"])
    said = without_links(figure).to_json()
    assert "<a " not in said and "\\u003ca " not in said
    assert "B<br>cell" in said or "B\\u003cbr\\u003ecell" in said
