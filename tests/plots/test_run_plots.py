"""Figures of runs and of generated cells: what they show follows from their arrays."""

from __future__ import annotations

import numpy as np
import pytest

from genediff.plots.generated import Cells, Colouring, inside, map_figure, map_publication
from genediff.plots.metrics import Dot, Strip, dot_ranges
from genediff.plots.training import Curve, live_losses, loss_curves, smooth, thin


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
    square = [(-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0)]
    np.testing.assert_array_equal(inside(points, square), (np.abs(points) < 1).all(axis=1))
    assert not inside(points, square[:2]).any()


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
    figure = map_figure(real, made, colouring=Colouring("Source", by_source=True), region=region)
    assert len(figure.layout.shapes) == 2
    for trace in (trace for trace in figure.data if trace.x[0] is not None):
        within = inside(np.column_stack([trace.x, trace.y]), region)
        opacity = np.asarray(trace.marker.opacity)
        assert opacity[within].min() > 3 * opacity[~within].max()


@pytest.mark.parametrize("side_by_side", [True, False])
def test_the_figure_for_paper_is_a_small_file(side_by_side):
    import io

    figure = map_publication(
        cells(20_000), cells(1000), colouring=Colouring("Source", by_source=True), side_by_side=side_by_side
    )
    content = io.BytesIO()
    figure.savefig(content, format="svg")
    assert content.tell() < 2_000_000


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
