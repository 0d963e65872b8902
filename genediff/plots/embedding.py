"""Maps of cells: a UMAP coloured by classes, by a value, or by several genes side by side.

Every panel is one scattergl trace of 32-bit numbers; a browser takes 100,000 cells of it. Several panels share one
figure, because a page may hold few WebGL charts. Legend entries are traces without points.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from genediff.plots import palettes
from genediff.plots.style import HOVER_LIMIT, shortened, style

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

AXES = ("UMAP 1 (arbitrary unit)", "UMAP 2 (arbitrary unit)")


def by_label(
    xy: NDArray[np.floating[Any]],
    codes: ArrayLike,
    levels: Sequence[str],
    *,
    colours: Mapping[str, str] | None = None,
    highlight: Sequence[str] = (),
    shuffle: bool = True,
    axes: tuple[str, str] = AXES,
    height: int = 500,
) -> go.Figure:
    """Draw cells in the colours of their classes.

    Parameters
    ----------
    xy
        Positions, (cell, 2).
    codes
        Class of each cell as a place in `levels`, (cell,); -1 means no label.
    levels
        Names of the classes.
    colours
        Colour per class; by default those of :func:`genediff.plots.palettes.for_levels`.
    highlight
        Classes to show in colour while the others turn grey; all when empty.
    shuffle
        Draw in random order (always the same one), so that no class hides another; else in the order given.
    axes
        Titles of the axes.
    height
        Pixels.
    """
    codes = np.asarray(codes)  # (cell,)
    names = list(levels)
    if (codes < 0).any():
        names.append(palettes.NO_LABEL)
        codes = np.where(codes < 0, len(names) - 1, codes)
    colours = dict(colours or palettes.for_levels(names))
    shown = {name: colours[name] if not highlight or name in highlight else palettes.GREY for name in names}
    order = _drawing_order(codes, names, highlight, shuffle=shuffle)  # (cell,)
    fig = go.Figure(_label_trace(xy[order], codes[order], names, list(shown.values())))
    counts = np.bincount(codes, minlength=len(names))
    for name, count in zip(names, counts, strict=True):
        if count:
            fig.add_trace(_legend_entry(f"{shortened(name)} · {count:,}", shown[name]))
    return _map_axes(style(fig, height=height), axes)


def by_value(
    xy: NDArray[np.floating[Any]],
    values: ArrayLike,
    *,
    title: str,
    quantiles: tuple[float, float] = (0.0, 0.99),
    colour_scale: str | Sequence[str] = "Cividis",
    axes: tuple[str, str] = AXES,
    height: int = 500,
) -> go.Figure:
    """Draw cells in the colour of one value; the highest values are drawn last, so on top.

    Parameters
    ----------
    xy
        Positions, (cell, 2).
    values
        One number per cell, (cell,); cells without one are left out.
    title
        What the value is, with its unit; it stands at the colour bar.
    quantiles
        Share of cells below the lowest and highest colour, 0 to 1.
    colour_scale
        Name of a Plotly colour scale, or its colours from low to high.
    axes
        Titles of the axes.
    height
        Pixels.
    """
    trace = _value_trace(xy, values, title, quantiles, colour_scale)
    trace.marker.update(
        showscale=True,
        colorbar={"title": {"text": title, "side": "right", "font": {"size": 12}}, "thickness": 12, "len": 0.75},
    )
    return _map_axes(style(go.Figure(trace), height=height), axes)


def side_by_side(
    xy: NDArray[np.floating[Any]],
    values: Mapping[str, ArrayLike],
    *,
    unit: str,
    quantiles: tuple[float, float] = (0.0, 0.99),
    colour_scale: str | Sequence[str] = "Cividis",
    panel_height: int = 330,
) -> go.Figure:
    """Draw the same map once per value, each with a colour range of its own; zooming one zooms all.

    Parameters
    ----------
    xy
        Positions, (cell, 2).
    values
        Name of each panel (a gene) to one number per cell, (cell,).
    unit
        What the values are.
    quantiles
        Share of cells below the lowest and highest colour of a panel, 0 to 1.
    colour_scale
        Name of a Plotly colour scale, or its colours from low to high.
    panel_height
        Pixels of one row of panels.
    """
    fig = _panels(
        {n: _value_trace(xy, numbers, n, quantiles, colour_scale) for n, numbers in values.items()}, panel_height
    )
    for trace in fig.data:
        x_axis, y_axis = (fig.layout[f"{one[0]}axis{one[1:]}"] for one in (trace.xaxis, trace.yaxis))
        low, high = y_axis.domain
        trace.marker.update(
            showscale=True,
            colorbar={"x": x_axis.domain[1] + 0.004, "y": (low + high) / 2, "len": 0.8 * (high - low), "thickness": 8,
                      "tickfont": {"size": 10}, "nticks": 4, "title": {"text": ""}},
        )  # fmt: skip
    fig.update_layout(margin={"l": 12, "r": 36, "t": 40, "b": 14}, meta={"unit": unit})
    return fig


def split(
    whole: go.Figure, parts: Mapping[str, go.Figure], *, panel_height: int = 330, columns: int | None = None
) -> go.Figure:
    """Draw the map of each group of cells in a panel of its own, in the colours of the whole; zooming one zooms all.

    Parameters
    ----------
    whole
        The map of all cells, by :func:`by_label` or :func:`by_value`.
    parts
        Name of each group to the map of its cells, drawn in the same way.
    panel_height
        Pixels of one row of panels.
    columns
        Of panels; two or three where None.
    """
    cloud, *legend = whole.data
    fig = _panels({name: part.data[0] for name, part in parts.items()}, panel_height, columns)
    for i, trace in enumerate(fig.data):
        trace.marker.update(size=cloud.marker.size, cmin=cloud.marker.cmin, cmax=cloud.marker.cmax,
                            showscale=i == 0 and cloud.marker.showscale, colorbar=cloud.marker.colorbar)  # fmt: skip
    fig.add_traces(legend)
    if not legend:  # room for the colour bar instead
        fig.update_layout(margin={"r": 80})
    return keep_extent(fig, np.column_stack([cloud.x, cloud.y]))


def keep_extent(fig: go.Figure, xy: NDArray[np.floating[Any]]) -> go.Figure:
    """Let every panel of a map show where all of some cells lie, (cell, 2), though it draws fewer."""
    fig.update_xaxes(range=_extent(xy[:, 0]))
    fig.update_yaxes(range=_extent(xy[:, 1]))
    return fig


def inside(lasso: Mapping[str, Sequence[float]], xy: NDArray[np.floating[Any]]) -> NDArray[np.bool_]:
    """Return which cells lie inside a lasso or box.

    Testing on the server keeps the browser from sending every selected point back (11 MB for 100,000 cells).

    Parameters
    ----------
    lasso
        Corners of the outline, ``{"x": […], "y": […]}``, as Plotly reports a selection. Two corners are those of a box.
    xy
        Positions, (cell, 2).

    Returns
    -------
    ndarray
        (cell,)
    """
    from matplotlib.path import Path

    x, y = list(lasso["x"]), list(lasso["y"])
    if len(x) == 2:  # a box is told by two opposite corners
        (x0, x1), (y0, y1) = sorted(x), sorted(y)
        x, y = [x0, x1, x1, x0], [y0, y0, y1, y1]
    return Path(np.column_stack([x, y])).contains_points(np.asarray(xy, dtype=float))


def with_region(fig: go.Figure, corners: Sequence[tuple[float, float]], *, faded: float = 0.1) -> go.Figure:
    """Outline a region in every panel of a map, in place, fade the cells outside it, and return the figure.

    Parameters
    ----------
    fig
        One map, or several with the same coordinates.
    corners
        Of the region, in order.
    faded
        Share of its opacity that a cell outside keeps.
    """
    x, y = zip(*corners, strict=True)
    clouds = [one for one in fig.data if one.mode == "markers" and one.x is not None and one.showlegend is False]
    for trace in clouds:
        kept = inside({"x": x, "y": y}, np.column_stack([trace.x, trace.y]))  # (cell,)
        opacity = 1.0 if trace.marker.opacity is None else np.asarray(trace.marker.opacity, dtype=np.float32)
        trace.marker.opacity = np.where(kept, opacity, faded * opacity).astype(np.float32)
    for x_axis, y_axis in dict.fromkeys((one.xaxis or "x", one.yaxis or "y") for one in clouds):
        for letter, axis in (("x", x_axis), ("y", y_axis)):
            _keep_range(fig, letter, axis, clouds)
        fig.add_scatter(
            x=[*x, x[0]], y=[*y, y[0]], mode="lines", hoverinfo="skip", showlegend=False, name="region",
            line={"color": palettes.SELECTED_COLOUR, "width": 2, "dash": "dash"}, xaxis=x_axis, yaxis=y_axis,
        )  # fmt: skip
    return fig


def _keep_range(fig: go.Figure, letter: str, axis: str, clouds: Sequence[Any]) -> None:
    """Let the cells decide what an axis shows: a region may be far larger."""
    place = fig.layout[f"{letter}axis{axis[1:]}"]
    if place.range is None:
        own = [np.asarray(one[letter], dtype=float) for one in clouds if (one[f"{letter}axis"] or letter) == axis]
        place.range = _extent(np.concatenate(own))


def _extent(values: NDArray[Any]) -> list[float]:
    low, high = float(np.min(values)), float(np.max(values))
    pad = 0.04 * (high - low) or 0.5
    return [low - pad, high + pad]


def _panels(traces: Mapping[str, go.Scattergl], panel_height: int, columns: int | None = None) -> go.Figure:
    n_columns = columns or (2 if len(traces) in (2, 4) else min(3, len(traces)))
    n_rows = math.ceil(len(traces) / n_columns)
    fig = make_subplots(
        rows=n_rows, cols=n_columns, subplot_titles=list(traces), horizontal_spacing=0.06,
        vertical_spacing=45 / (panel_height * n_rows) if n_rows > 1 else 0.0,  # room for a title
    )  # fmt: skip
    for i, trace in enumerate(traces.values()):
        fig.add_trace(trace, row=i // n_columns + 1, col=i % n_columns + 1)
    style(fig, height=panel_height * n_rows + 30)
    fig.update_xaxes(matches="x", title_text=None)
    fig.update_yaxes(matches="y", title_text=None)
    fig.update_annotations(yshift=4)
    fig.update_layout(margin={"l": 12, "t": 40, "b": 14})
    return _map_axes(fig, ("", ""))


def _label_trace(xy: NDArray[Any], codes: NDArray[Any], names: Sequence[str], colours: Sequence[str]) -> go.Scattergl:
    small = np.asarray(codes, dtype=np.uint8 if len(names) < 256 else np.uint16)
    edges = np.arange(len(names) + 1) / len(names)
    steps = [[float(edge), colour] for i, colour in enumerate(colours) for edge in edges[i : i + 2]]
    trace = _dots(xy)
    trace.marker.update(color=small, colorscale=steps, cmin=-0.5, cmax=len(names) - 0.5, showscale=False)
    if len(xy) <= HOVER_LIMIT:
        trace.update(text=np.asarray(names, dtype=object)[codes], hovertemplate="%{text}<extra></extra>")
    return trace


def _value_trace(
    xy: NDArray[Any], values: ArrayLike, name: str, quantiles: tuple[float, float], colour_scale: str | Sequence[str]
) -> go.Scattergl:
    numbers = np.asarray(values, dtype=np.float32)  # (cell,)
    order = np.argsort(numbers, kind="stable")
    order = order[np.isfinite(numbers[order])]
    low, high = colour_range(numbers, quantiles)
    trace = _dots(np.asarray(xy)[order])
    trace.marker.update(color=numbers[order], colorscale=colour_scale, cmin=low, cmax=high)
    if len(order) <= HOVER_LIMIT:
        trace.update(hovertemplate=name.replace("%", "%%") + ": %{marker.color:.4~g}<extra></extra>")
    return trace


def colour_range(values: ArrayLike, quantiles: tuple[float, float]) -> tuple[float, float]:
    """Return the values at two quantiles, widened where they are the same (a gene seen in few cells).

    Parameters
    ----------
    values
        Numbers, NaN allowed.
    quantiles
        Two shares between 0 and 1, the lower one first.
    """
    numbers = np.asarray(values, dtype=float)
    numbers = numbers[np.isfinite(numbers)]
    if not numbers.size:
        return 0.0, 1.0
    low, high = (float(one) for one in np.quantile(numbers, quantiles))
    if high <= low:
        high = float(numbers.max())
    return (low, high) if high > low else (low, low + 1.0)


def _dots(xy: NDArray[Any]) -> go.Scattergl:
    xy = np.asarray(xy, dtype=np.float32)
    size = float(np.clip(260 / math.sqrt(max(len(xy), 1)), 2.0, 7.0))
    few = len(xy) <= HOVER_LIMIT
    return go.Scattergl(
        x=xy[:, 0], y=xy[:, 1], mode="markers", marker={"size": size, "opacity": 0.85, "line": {"width": 0}},
        showlegend=False, hoverinfo=None if few else "skip",
        selected={"marker": {"opacity": 0.95}}, unselected={"marker": {"opacity": 0.15}},
    )  # fmt: skip


def _legend_entry(name: str, colour: str) -> go.Scatter:
    return go.Scatter(x=[None], y=[None], mode="markers", name=name, hoverinfo="skip",
                      marker={"size": 9, "color": colour})  # fmt: skip


def _drawing_order(
    codes: NDArray[Any], names: Sequence[str], highlight: Sequence[str], *, shuffle: bool
) -> NDArray[Any]:
    order = np.random.default_rng(0).permutation(len(codes)) if shuffle else np.arange(len(codes))
    if highlight:
        on_top = np.isin(codes, [i for i, name in enumerate(names) if name in highlight])
        order = order[np.argsort(on_top[order], kind="stable")]
    return order


def _map_axes(fig: go.Figure, axes: tuple[str, str]) -> go.Figure:
    """Hide the ticks: distances and directions on such a map have no unit."""
    quiet = {"showticklabels": False, "showgrid": False, "ticks": "", "showline": True, "mirror": True}
    fig.update_xaxes(**quiet)
    fig.update_yaxes(**quiet)
    if axes[0]:
        fig.update_xaxes(title_text=axes[0])
        fig.update_yaxes(title_text=axes[1])
    return fig
