"""Clouds of very many dots as a picture: painted here with numpy, laid under the axes of a Plotly figure.

A browser without a strong graphics card needs seconds for 100,000 dots, at every change of a colour. The picture takes
a tenth of a second here and costs the browser what a photograph costs. Axes, legend, colour bar, zoom, lasso and box
stay Plotly's; which cells a lasso holds is asked of the coordinates, so it holds all of them.
"""

from __future__ import annotations

import base64
import io
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import plotly.graph_objects as go

from genediff.plots.style import HOVER_LIMIT

if TYPE_CHECKING:
    from numpy.typing import NDArray

SHARPNESS = 2  # pixels of the picture per pixel of the screen: still sharp at twofold zoom
GROUND = 1_000  # dots that answer to no pointer, such as real cells in grey below generated ones
HELD = 400  # dots that stay, unseen: they keep the axes' range, the colour bar and the lasso alive
WIDTH = 780  # pixels of a figure on the screen, unless told
_SHADES = 254  # of one picture; one more is empty ground
_FAINTEST = 0.12  # dots of a picture do not add up where they overlap, so the faintest ones are raised
_PAD = 0.03  # of the axis, around the cells


def with_pictures(fig: go.Figure, *, limit: int = HOVER_LIMIT, width: int = WIDTH) -> go.Figure:
    """Return a figure whose clouds of more than `limit` dots are pictures; the same figure where it has none.

    Parameters
    ----------
    fig
        Clouds are scatter or scattergl traces of markers alone, without a legend entry of their own; it stays as it is.
    limit
        A cloud of up to so many dots stays a trace; up to `GROUND` where it has no hover.
    width
        In pixels, about what the figure will have on the screen: dots are round at this width.
    """
    dense = [
        i
        for i, trace in enumerate(fig.data)
        if _is_cloud(trace) and len(trace.x) > (min(GROUND, limit) if trace.hoverinfo == "skip" else limit)
    ]
    if not dense:
        return fig
    panels: dict[tuple[str, str], list[int]] = {}
    for i in dense:
        panels.setdefault((fig.data[i].xaxis or "x", fig.data[i].yaxis or "y"), []).append(i)
    extents = {axes: _extent(fig, axes) for axes in panels}
    traces = []
    images: list[dict[str, Any]] = []
    for i, trace in enumerate(fig.data):
        if i not in dense:
            traces.append(trace)
            continue
        axes = trace.xaxis or "x", trace.yaxis or "y"
        low, high = extents[axes]
        shape = _pixels(fig, axes, width)
        # Plotly tells the images of a panel apart by their places, and draws one of those with the same: a hair wider.
        across = (high[0] - low[0]) * (1 + 1e-9 * len(images))
        images.append(
            {
                "source": _as_source(*paint(trace, low, high, shape)), "xref": axes[0], "yref": axes[1], "x": low[0],
                "y": high[1], "sizex": across, "sizey": high[1] - low[1], "sizing": "stretch",
                "layer": "below", "xanchor": "left", "yanchor": "top",
            }
        )  # fmt: skip
        traces.append(_lasso_points(trace))
    drawn = go.Figure(data=traces, layout=fig.layout, frames=fig.frames or None)
    drawn.layout.images = [*(drawn.layout.images or ()), *images]
    for (x_id, y_id), (low, high) in extents.items():
        for letter, axis_id, place in (("x", x_id, 0), ("y", y_id, 1)):
            axis = drawn.layout[f"{letter}axis{axis_id[1:]}"]
            if axis.range is None:
                axis.range = [float(low[place]), float(high[place])]
    return drawn


def paint(
    trace: Any, low: NDArray[Any], high: NDArray[Any], shape: tuple[int, int]
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Paint the dots of a trace; later ones lie on top, as in a browser.

    Parameters
    ----------
    trace
        Its marker has one size; a colour, or a number per dot with a colour scale; and one opacity, or one per dot.
    low, high
        Corners of the picture in the trace's coordinates, (2,).
    shape
        Its height and width in pixels.

    Returns
    -------
    tuple
        Which shade each pixel has, (height, width), 0 for empty; and the shades in red, green, blue and opacity,
        (shade, 4).
    """
    x, y = np.asarray(trace.x, dtype=float), np.asarray(trace.y, dtype=float)
    shades, palette = _shades(trace.marker, len(x))
    height, width = shape
    known = np.isfinite(x) & np.isfinite(y)
    column = np.rint((x[known] - low[0]) / (high[0] - low[0]) * (width - 1)).astype(np.int64)
    row = np.rint((high[1] - y[known]) / (high[1] - low[1]) * (height - 1)).astype(np.int64)
    down, right = _disc(float(trace.marker.size or 6) * SHARPNESS / 2)
    edge = int(down.max())
    canvas = np.zeros((height + 2 * edge, width + 2 * edge), dtype=np.uint8)
    seen = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    start = (row[seen] + edge) * canvas.shape[1] + column[seen] + edge
    pixels = start[:, None] + (down * canvas.shape[1] + right)[None, :]  # (dot, pixel of the disc)
    # Of several dots on one pixel the last one stays: numpy assigns in order.
    canvas.ravel()[pixels.ravel()] = np.repeat(shades[known][seen], len(down))
    return canvas[edge : edge + height, edge : edge + width], palette


def _is_cloud(trace: Any) -> bool:
    return (
        trace.type in ("scatter", "scattergl")
        and trace.mode == "markers"
        and trace.x is not None
        and trace.showlegend is False
        and np.ndim(trace.marker.size) == 0
        and trace.marker.symbol in (None, "circle")
    )


def _extent(fig: go.Figure, axes: tuple[str, str]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the corners of a panel: the range of its axes where that is set, else all of its dots and a margin."""
    own = [one for one in fig.data if (one.xaxis or "x", one.yaxis or "y") == axes and one.x is not None]
    corners = []
    for letter, axis_id in zip("xy", axes, strict=True):
        given = fig.layout[f"{letter}axis{axis_id[1:]}"].range
        if given is not None:
            corners.append((float(given[0]), float(given[1])))
            continue
        numbers = np.concatenate([np.asarray(one[letter], dtype=float).ravel() for one in own])
        numbers = numbers[np.isfinite(numbers)]
        least, most = (float(numbers.min()), float(numbers.max())) if numbers.size else (0.0, 1.0)
        pad = _PAD * (most - least) or 0.5
        corners.append((least - pad, most + pad))
    return np.array([corners[0][0], corners[1][0]]), np.array([corners[0][1], corners[1][1]])


def _pixels(fig: go.Figure, axes: tuple[str, str], width: int) -> tuple[int, int]:
    """Return about how many pixels a panel has on the screen, times the sharpness: height and width."""
    margin = fig.layout.margin
    across = width - (margin.l or 40) - (margin.r or 40)
    down = (fig.layout.height or 450) - (margin.t or 40) - (margin.b or 40)
    left, right = fig.layout[f"xaxis{axes[0][1:]}"].domain or (0.0, 1.0)
    bottom, top = fig.layout[f"yaxis{axes[1][1:]}"].domain or (0.0, 1.0)
    return (
        max(64, round(SHARPNESS * down * (top - bottom))),
        max(64, round(SHARPNESS * across * (right - left))),
    )


def _shades(marker: Any, n: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return the shade of each dot, (dot,) from 1 on, and the shades as (shade, 4), the first one empty."""
    opacity = marker.opacity if marker.opacity is not None else 1.0
    if np.ndim(opacity):
        told = np.clip(np.asarray(opacity, dtype=float), _FAINTEST, 1)
        levels, level = np.unique(np.round(told, 3), return_inverse=True)
    else:
        levels, level = np.array([float(opacity)]), np.zeros(n, dtype=np.int64)
    place, colours = _colours(marker, n, most=_SHADES // len(levels))
    palette = np.zeros((1 + len(levels) * len(colours), 4), dtype=np.uint8)
    palette[1:, :3] = np.tile(colours, (len(levels), 1))
    palette[1:, 3] = np.repeat(np.rint(255 * np.clip(levels, 0, 1)), len(colours))
    return (1 + level * len(colours) + place).astype(np.uint8), palette


def _colours(marker: Any, n: int, *, most: int) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Return which colour each dot has, (dot,), and the colours, (colour, 3); classes keep exactly their own."""
    if isinstance(marker.color, str) or marker.color is None:
        return np.zeros(n, dtype=np.int64), _rgb([marker.color or "#636EFA"])
    values = np.asarray(marker.color)
    if values.dtype.kind in "UO":  # a colour for each dot
        named, place = np.unique(values.astype(str), return_inverse=True)
        return place.astype(np.int64), _rgb(list(named))
    low = float(values.min()) if marker.cmin is None else float(marker.cmin)
    high = float(values.max()) if marker.cmax is None else float(marker.cmax)
    first, last = math.ceil(low), math.floor(high)
    whole = last - first < most and (values.dtype.kind in "iu" or bool(np.array_equal(values, np.rint(values))))
    if whole:
        place = np.clip(values.astype(np.int64), first, last) - first
        at = (np.arange(first, last + 1) - low) / (high - low or 1)
    else:
        share = np.clip((values.astype(np.float32) - low) / (high - low or 1), 0, 1)
        place = np.rint(np.nan_to_num(share) * (most - 1)).astype(np.int64)
        at = np.linspace(0, 1, most)
    stops = np.array([stop for stop, _ in marker.colorscale], dtype=float)
    known = _rgb([colour for _, colour in marker.colorscale])
    return place, np.rint(np.column_stack([np.interp(at, stops, known[:, i]) for i in range(3)])).astype(np.uint8)


def _rgb(colours: list[str]) -> NDArray[np.uint8]:
    from PIL import ImageColor

    return np.array([ImageColor.getrgb(colour)[:3] for colour in colours], dtype=np.uint8)


def _disc(radius: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    reach = math.ceil(radius)
    down, right = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    within = down**2 + right**2 <= (radius + 0.3) ** 2
    return down[within], right[within]


def _as_source(shades: NDArray[np.uint8], palette: NDArray[np.uint8]) -> str:
    from PIL import Image

    picture = Image.fromarray(shades)
    picture.putpalette(palette[:, :3].tobytes(), "RGB")
    file = io.BytesIO()
    picture.save(file, format="PNG", transparency=palette[:, 3].tobytes(), compress_level=3)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def _lasso_points(trace: Any) -> go.Scatter:
    """Return a few of a cloud's dots, unseen, with its colour bar: without any, Plotly offers no lasso."""
    some = np.linspace(0, len(trace.x) - 1, HELD).astype(int)
    told = trace.marker.to_plotly_json()
    marker = {name: told[name] for name in ("colorscale", "cmin", "cmax", "colorbar", "showscale") if name in told}
    if "colorbar" in marker or trace.marker.showscale:
        marker["color"] = np.asarray(trace.marker.color)[some].astype(np.float32)
    return go.Scatter(
        x=np.asarray(trace.x)[some], y=np.asarray(trace.y)[some], mode="markers", hoverinfo="skip", showlegend=False,
        xaxis=trace.xaxis, yaxis=trace.yaxis,
        marker={**marker, "opacity": 0, "size": 2},
        selected={"marker": {"opacity": 0}}, unselected={"marker": {"opacity": 0}},
    )  # fmt: skip
