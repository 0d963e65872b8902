"""Clouds as pictures: every dot is in its place, in its colour, on top of earlier ones, and nothing else is lost."""

from __future__ import annotations

import base64
import io

import numpy as np
import plotly.graph_objects as go
import pytest
from PIL import Image

from genediff.plots import embedding
from genediff.plots.palettes import for_levels
from genediff.plots.picture import with_pictures

LEVELS = ("B cells", "T cells", "Monocytes")
RED, BLUE = (255, 0, 0), (0, 0, 255)


def _picture(fig: go.Figure, number: int = 0) -> np.ndarray:
    """Return a picture of a figure as red, green, blue and opacity, (row, column, 4)."""
    data = fig.layout.images[number].source.split(",", 1)[1]
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGBA"))


def _at(fig: go.Figure, x: float, y: float) -> tuple[int, ...]:
    """Return the colour at a place in the coordinates of the figure's cells, as a browser would lay the picture."""
    image, told = _picture(fig), fig.layout.images[0]
    column = round((x - told.x) / told.sizex * (image.shape[1] - 1))
    row = round((told.y - y) / told.sizey * (image.shape[0] - 1))
    return tuple(int(one) for one in image[row, column])


def _rgb(colour: str) -> tuple[int, ...]:
    return tuple(int(colour[i : i + 2], 16) for i in (1, 3, 5))


def test_few_dots_stay_as_they_are():
    fig = embedding.by_label(np.random.default_rng(0).normal(size=(200, 2)), np.zeros(200, int), LEVELS)
    assert with_pictures(fig) is fig


def test_every_dot_is_in_its_place_and_colour():
    rng = np.random.default_rng(1)
    xy, codes = rng.uniform(-30, 30, size=(60, 2)), rng.integers(3, size=60)
    gaps = np.linalg.norm(xy[:, None] - xy[None], axis=2) + 99 * np.eye(60)
    fig = with_pictures(embedding.by_label(xy, codes, LEVELS), limit=10)
    colours = [_rgb(one) for one in for_levels(LEVELS).values()]
    alone = np.flatnonzero(gaps.min(1) > 1.5)
    assert len(alone) > 20
    for i in alone:
        *seen, opacity = _at(fig, *xy[i])
        assert tuple(seen) == colours[codes[i]]
        assert opacity == round(255 * 0.85)


def test_ground_between_the_dots_stays_empty():
    xy = np.array([[0.0, 0.0], [10.0, 10.0]] * 20)
    image = _picture(with_pictures(embedding.by_label(xy, np.zeros(40, int), LEVELS), limit=10))
    assert 0 < (image[..., 3] > 0).mean() < 0.01


def test_later_dots_lie_on_top():
    fig = go.Figure(
        go.Scattergl(
            x=[0.0] * 30 + [1.0], y=[0.0] * 30 + [1.0], mode="markers", showlegend=False,
            marker={"size": 6, "color": [0.0] * 29 + [1.0, 0.0], "colorscale": [[0, "#FF0000"], [1, "#0000FF"]],
                    "cmin": 0, "cmax": 1},
        )
    )  # fmt: skip
    assert _at(with_pictures(fig, limit=10), 0.0, 0.0)[:3] == BLUE
    assert _at(with_pictures(fig, limit=10), 1.0, 1.0)[:3] == RED


def test_a_value_has_the_colour_of_the_scale_and_the_ends_hold_beyond_it():
    values = np.array([-9.0, 0.0, 0.25, 1.0, 9.0])
    fig = go.Figure(
        go.Scattergl(
            x=np.arange(5.0), y=np.arange(5.0), mode="markers", showlegend=False,
            marker={"size": 8, "color": values, "colorscale": [[0, "#FF0000"], [1, "#0000FF"]], "cmin": 0, "cmax": 1},
        )
    )  # fmt: skip
    drawn = with_pictures(fig, limit=2)
    expected = [RED, RED, (191, 0, 64), BLUE, BLUE]
    for i, colour in enumerate(expected):
        assert np.allclose(_at(drawn, i, i)[:3], colour, atol=2)


def test_each_dot_has_its_own_opacity():
    fig = go.Figure(
        go.Scattergl(
            x=[0.0, 1.0, 2.0], y=[0.0, 1.0, 2.0], mode="markers", showlegend=False,
            marker={"size": 8, "color": "#AA4466", "opacity": [0.2, 0.5, 0.85]},
        )
    )  # fmt: skip
    drawn = with_pictures(fig, limit=2)
    assert [_at(drawn, i, i)[3] for i in range(3)] == [round(255 * one) for one in (0.2, 0.5, 0.85)]


def test_legend_colour_bar_and_a_few_unseen_dots_stay():
    xy = np.random.default_rng(2).normal(size=(3000, 2))
    labels = with_pictures(embedding.by_label(xy, np.arange(3000) % 3, LEVELS), limit=100)
    assert [one.name for one in labels.data if one.name] == [f"{level} · 1,000" for level in LEVELS]
    value = with_pictures(embedding.by_value(xy, xy[:, 0], title="CD3E"), limit=100)
    assert value.data[0].marker.showscale and value.data[0].marker.colorbar.title.text == "CD3E"
    assert value.data[0].type == "scatter" and value.data[0].marker.opacity == 0
    assert 0 < len(value.data[0].x) < 1000


def test_panels_keep_a_picture_each_and_one_range():
    xy = np.random.default_rng(3).normal(size=(500, 2))
    fig = with_pictures(
        embedding.side_by_side(xy, {"A": xy[:, 0], "B": xy[:, 1], "C": xy[:, 0]}, unit="log"), limit=100
    )
    assert [(one.xref, one.yref) for one in fig.layout.images] == [("x", "y"), ("x2", "y2"), ("x3", "y3")]
    assert len({tuple(fig.layout[name].range) for name in ("xaxis", "xaxis2", "xaxis3")}) == 1


def test_the_figure_that_downloads_are_made_of_keeps_every_dot():
    xy = np.random.default_rng(4).normal(size=(500, 2))
    fig = embedding.by_value(xy, xy[:, 0], title="CD3E")
    with_pictures(fig, limit=100)
    assert len(fig.data[0].x) == 500 and not fig.layout.images


@pytest.mark.parametrize("hidden", [[np.nan, 0.0], [0.0, np.inf]])
def test_cells_without_a_place_are_not_drawn(hidden: list[float]):
    xy = np.array([[0.0, 0.0], [1.0, 1.0], hidden])
    fig = go.Figure(go.Scattergl(x=xy[:, 0], y=xy[:, 1], mode="markers", showlegend=False, marker={"color": "#FF0000"}))
    assert _at(with_pictures(fig, limit=1), 1.0, 1.0)[:3] == RED


def test_the_picture_is_small():
    rng = np.random.default_rng(5)
    xy = rng.normal(size=(100_000, 2))
    fig = with_pictures(embedding.by_value(xy, rng.normal(size=100_000), title="CD3E"))
    assert len(fig.to_json()) < 1_000_000


def test_a_colour_for_each_dot_stays_its_own():
    """Pathways' agreement of more than some hundred cells gives colours as words, and ended in a traceback."""
    xy = np.stack(np.meshgrid(np.arange(6), np.arange(6)), -1).reshape(-1, 2).astype(float)
    marker = {"size": 5, "color": ["#FF0000" if x < 3 else "#0000FF" for x, _ in xy]}
    cloud = go.Scattergl(x=xy[:, 0], y=xy[:, 1], mode="markers", marker=marker, hoverinfo="skip", showlegend=False)
    fig = with_pictures(go.Figure(cloud), limit=10)
    assert all(_at(fig, x, y)[:3] == (RED if x < 3 else BLUE) for x, y in xy)


def test_several_clouds_of_a_panel_are_each_drawn():
    """Of a map of 8,641 control, 200 predicted and 3,277 measured cells over all others, only the grey ones were seen.

    Plotly takes images with one place and size for one image.
    """
    xy = np.random.default_rng(0).normal(size=(60, 2))
    fig = go.Figure([go.Scattergl(x=xy[:, 0], y=xy[:, 1], mode="markers", showlegend=False) for _ in range(3)])
    images = with_pictures(fig, limit=10).layout.images
    assert len({(one.x, one.sizex, one.y, one.sizey) for one in images}) == 3
    assert max(one.sizex for one in images) == pytest.approx(min(one.sizex for one in images), rel=1e-6)
