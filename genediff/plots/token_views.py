"""Tokens of a trained model: as points, by groups of cells, by the genes that they drive, and beside their controls."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import plotly.graph_objects as go

from genediff.plots import embedding, palettes
from genediff.plots.set_names import short_name
from genediff.plots.style import style

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = [
    "cells_in_space", "control_bars", "drive_bars", "group_boxes", "group_heat", "links_heat", "part_bars",
    "signed_map", "token_points",
]  # fmt: skip

UP, DOWN = "#D55E00", "#0072B2"
MOST_LABELS = 40
MOST_ROWS = 40
MOST_IN_3D = 20_000


def token_points(
    positions: NDArray[Any],
    explained: NDArray[Any],
    names: Sequence[str],
    hover: Sequence[str],
    kinds: Sequence[str],
    *,
    colours: dict[str, str],
    height: int = 460,
) -> go.Figure:
    """Draw tokens on two or three principal axes.

    Parameters
    ----------
    positions
        (token, 2 or 3)
    explained
        Share of the variance along each axis, (axis,).
    names
        Of the tokens; written beside the points where there are up to 40.
    hover
        What is said of each token.
    kinds
        Class of each token, a key of ``colours``.
    """
    flat = positions.shape[1] < 3
    fig = go.Figure()
    for kind, colour in colours.items():
        these = [i for i, one in enumerate(kinds) if one == kind]
        if not these:
            continue
        own: dict[str, Any] = {
            "mode": "markers+text" if len(names) <= MOST_LABELS else "markers",
            "text": [names[i] for i in these],
            "textposition": "top center",
            "textfont": {"size": 11},
            "hovertext": [hover[i] for i in these],
            "hoverinfo": "text",
            "name": f"{kind} · {len(these):,}",
            "marker": {"size": 10 if flat else 5, "color": colour, "line": {"width": 0}, "opacity": 0.9},
        }
        xs = [positions[these, axis] for axis in range(positions.shape[1])]
        if flat:
            fig.add_scatter(x=xs[0], y=xs[1] if len(xs) > 1 else np.zeros(len(these)), cliponaxis=False, **own)
        else:
            fig.add_scatter3d(x=xs[0], y=xs[1], z=xs[2], **own)
    style(fig, height=height)
    _name_axes(fig, explained, flat=flat)
    fig.update_layout(legend={"orientation": "h", "y": 1.02, "yanchor": "bottom"}, margin={"t": 40})
    return fig


def cells_in_space(
    positions: NDArray[Any],
    explained: NDArray[Any],
    colours: Sequence[str] | NDArray[Any],
    *,
    colour_scale: str | Sequence[str] | None = None,
    limits: tuple[float, float] | None = None,
    title: str = "",
    legend: dict[str, str] | None = None,
    height: int = 560,
) -> go.Figure:
    """Draw cells on three principal axes, to be turned; of more than 20,000 a fixed random sample.

    Parameters
    ----------
    positions
        (cell, 3)
    explained
        Share of the variance along each axis, (axis,).
    colours
        A colour name, or a number where ``colour_scale`` is given, per cell.
    legend
        Name of each class to its colour.
    """
    some = np.arange(len(positions))
    if len(positions) > MOST_IN_3D:
        some = np.sort(np.random.default_rng(0).choice(len(positions), MOST_IN_3D, replace=False))
    marker: dict[str, Any] = {"size": 2.2, "opacity": 0.8, "line": {"width": 0}, "color": np.asarray(colours)[some]}
    if colour_scale is not None and limits is not None:
        bar = {"title": {"text": title, "side": "right", "font": {"size": 12}}, "thickness": 12, "len": 0.7}
        marker |= {"colorscale": colour_scale, "cmin": limits[0], "cmax": limits[1], "colorbar": bar, "showscale": True}
    x, y, z = (np.asarray(positions[some, axis], dtype=np.float32) for axis in range(3))
    fig = go.Figure(go.Scatter3d(x=x, y=y, z=z, mode="markers", marker=marker, hoverinfo="skip", showlegend=False))
    for name, colour in (legend or {}).items():
        fig.add_scatter3d(x=[None], y=[None], z=[None], mode="markers", name=name, marker={"size": 8, "color": colour})
    style(fig, height=height)
    _name_axes(fig, explained, flat=False)
    return fig


def signed_map(
    xy: NDArray[Any],
    values: NDArray[Any],
    *,
    title: str,
    dark: bool,
    axes: tuple[str, str] = embedding.AXES,
    height: int = 500,
) -> go.Figure:
    """Draw cells in the colour of a number around zero; the range holds 98% of the cells, the same on both sides."""
    fig = embedding.by_value(
        xy, values, title=title, colour_scale=palettes.diverging(dark=dark), axes=axes, height=height
    )
    top = signed_range(values)
    fig.data[0].marker.update(cmin=-top, cmax=top)
    return fig


def signed_range(values: NDArray[Any]) -> float:
    """Return the size below which 98% of the numbers lie, above zero.

    What is active in few cells only (a gene of one kind of cell) has a range that its active cells still fill.
    """
    sizes = np.abs(values)
    usual, high = np.quantile(sizes, [0.98, 0.999])
    return max(float(usual), 0.5 * float(high), 1e-6)


def group_heat(
    names: Sequence[str], groups: Sequence[str], values: NDArray[Any], *, dark: bool, kept_order: bool = False
) -> go.Figure:
    """Draw mean activities (token, group) as a heat map; of many tokens those that differ most between groups.

    Rows and columns are ordered so that alike ones stand together, unless the order is to be kept.
    """
    shown = np.arange(len(names))
    if len(names) > MOST_ROWS:
        spread = np.nanstd(values, axis=1)
        shown = np.sort(np.argsort(-spread, kind="stable")[:MOST_ROWS])
    table = np.nan_to_num(values[shown])
    rows = shown if kept_order else shown[_alike(table)]
    columns = np.arange(len(groups)) if kept_order else _alike(table.T)
    top = max(1.0, float(np.nanquantile(np.abs(values[shown]), 0.98))) if values.size else 1.0
    fig = go.Figure(
        go.Heatmap(
            z=values[np.ix_(rows, columns)].astype(np.float32),
            x=[groups[int(i)] for i in columns],
            y=[short_name(names[int(i)]) for i in rows],
            colorscale=palettes.diverging(dark=dark),
            zmin=-top,
            zmax=top,
            xgap=1,
            ygap=1,
            colorbar={
                "title": {"text": "mean activity (SD)", "side": "right", "font": {"size": 12}},
                "thickness": 10,
                "len": 0.9,
            },
            hovertemplate="%{y} in %{x}: %{z:.2f} SD<extra></extra>",
        )
    )
    style(fig, height=max(260, 150 + 19 * len(rows)))
    fig.update_xaxes(showgrid=False, type="category", tickangle=-35, dtick=1)
    fig.update_yaxes(showgrid=False, type="category", autorange="reversed", dtick=1, tickfont={"size": 11})
    return fig


def drive_bars(
    genes: Sequence[str],
    change: NDArray[Any],
    *,
    most: int = 12,
    height: int = 500,
    title: str = "change per SD of activity (log-normalised)",
) -> go.Figure:
    """Draw the genes that rise and fall most with a token.

    Parameters
    ----------
    change
        Change of expected log-normalised expression, (gene,): per standard deviation unless ``title`` says otherwise.
    most
        Genes at either end.
    """
    order = np.argsort(-change, kind="stable")
    ups = [i for i in order[:most] if change[i] > 0]
    downs = [i for i in order[::-1][:most] if change[i] < 0][::-1]
    shown = [*ups, *downs]
    fig = go.Figure()
    for these, colour, words in ((ups, UP, "rise"), (downs, DOWN, "fall")):
        fig.add_bar(
            x=change[these],
            y=[genes[i] for i in these],
            orientation="h",
            name=words,
            marker={"color": colour},
            hovertemplate="%{y}: %{x:+.3f}<extra></extra>",
        )
    style(fig, height=max(height, 90 + 17 * len(shown)))
    fig.update_xaxes(title_text=title, zeroline=True, zerolinecolor=palettes.GREY)
    fig.update_yaxes(
        showgrid=False, type="category", dtick=1, tickfont={"size": 11},
        categoryorder="array", categoryarray=[genes[i] for i in shown][::-1],
    )  # fmt: skip
    fig.update_layout(showlegend=False, barmode="overlay", bargap=0.25)
    return fig


def group_boxes(
    values: NDArray[Any], codes: NDArray[Any], groups: Sequence[str], *, colours: dict[str, str], height: int = 340
) -> go.Figure:
    """Draw the activity of a token in each group: median, quartiles, and whiskers to the 5th and 95th percentile.

    Parameters
    ----------
    values, codes
        Activity and group (-1 for none) of each cell, (cell,).
    """
    order = [(float(np.median(values[codes == i])), i) for i in range(len(groups)) if (codes == i).any()]
    fig = go.Figure()
    for _, i in sorted(order, reverse=True):
        low, first, middle, third, high = np.quantile(values[codes == i], [0.05, 0.25, 0.5, 0.75, 0.95])
        fig.add_box(
            x=[groups[i]], lowerfence=[low], q1=[first], median=[middle], q3=[third], upperfence=[high],
            name=groups[i], marker={"color": colours.get(groups[i], palettes.GREY)}, showlegend=False,
        )  # fmt: skip
    style(fig, height=height)
    fig.update_yaxes(title_text="activity", zeroline=True, zerolinecolor=palettes.GREY)
    fig.update_xaxes(type="category", tickangle=-35, dtick=1, showgrid=False)
    return fig


def control_bars(names: Sequence[str], named: Sequence[int], totals: Sequence[int], *, height: int = 260) -> go.Figure:
    """Draw which share of some gene lists gets a name, with 95% intervals; the first bar is the one in question."""
    shares = np.array([100 * a / max(n, 1) for a, n in zip(named, totals, strict=True)])
    bounds = np.array([_wilson(a, n) for a, n in zip(named, totals, strict=True)]) * 100
    fig = go.Figure(
        go.Bar(
            x=shares,
            y=list(names),
            orientation="h",
            marker={"color": [UP, *[palettes.GREY] * (len(names) - 1)]},
            error_x={
                "type": "data", "array": bounds[:, 1] - shares, "arrayminus": shares - bounds[:, 0], "thickness": 1.6,
                "color": "#5C6773",
            },
            customdata=[f"{a:,} of {n:,}" for a, n in zip(named, totals, strict=True)],
            hovertemplate="%{y}: %{customdata} lists named<extra></extra>",
        )
    )  # fmt: skip
    style(fig, height=height)
    fig.update_xaxes(title_text="gene lists that get a name (%)", range=[0, 104])
    fig.update_yaxes(autorange="reversed", showgrid=False, type="category", dtick=1)
    return fig


def part_bars(titles: Sequence[str], shares: Sequence[float], *, height: int = 190) -> go.Figure:
    """Draw the share of the decoded variance that each part of a hybrid explains."""
    colours = palettes.categorical(len(titles))
    fig = go.Figure()
    for title, share, colour in zip(titles, shares, colours, strict=True):
        fig.add_bar(
            x=[100 * share], y=[title], orientation="h", marker={"color": colour}, showlegend=False,
            text=[f"{100 * share:.1f}%"], textposition="auto", hoverinfo="skip",
        )  # fmt: skip
    style(fig, height=height)
    fig.update_xaxes(title_text="decoded variance between cells (%)")
    fig.update_yaxes(showgrid=False, type="category", autorange="reversed")
    return fig


def links_heat(names: Sequence[str], gates: NDArray[Any], *, dark: bool, height: int = 420) -> go.Figure:
    """Draw how open each token is to each other one, (token, token) in 0 to 1."""
    shown = gates.astype(np.float32).copy()
    np.fill_diagonal(shown, np.nan)
    fig = go.Figure(
        go.Heatmap(
            z=shown,
            x=list(names),
            y=list(names),
            colorscale=palettes.sequential("Grey to blue", dark=dark),
            zmin=0,
            zmax=1,
            xgap=1,
            ygap=1,
            colorbar={
                "title": {"text": "openness", "side": "right", "font": {"size": 12}},
                "thickness": 10,
                "len": 0.9,
            },
            hovertemplate="%{y} attends to %{x}: %{z:.2f}<extra></extra>",
        )
    )
    style(fig, height=height)
    fig.update_xaxes(title_text="speaks", showgrid=False, type="category")
    fig.update_yaxes(title_text="listens", showgrid=False, type="category", autorange="reversed")
    return fig


def _name_axes(fig: go.Figure, explained: NDArray[Any], *, flat: bool) -> None:
    titles = [f"axis {i + 1} ({100 * share:.0f}%)" for i, share in enumerate(explained)]
    if flat:
        fig.update_xaxes(title_text=titles[0], zeroline=True, zerolinecolor="rgba(128,138,150,0.35)")
        fig.update_yaxes(title_text=titles[1] if len(titles) > 1 else "", zeroline=True)
        fig.update_yaxes(zerolinecolor="rgba(128,138,150,0.35)")
        return
    quiet = {"backgroundcolor": "rgba(0,0,0,0)", "gridcolor": "rgba(128,138,150,0.35)", "showticklabels": False}
    scene = {f"{axis}axis": {**quiet, "title": {"text": title}} for axis, title in zip("xyz", titles, strict=False)}
    fig.update_layout(scene={**scene, "dragmode": "turntable"}, margin={"l": 0, "r": 0, "b": 0, "t": 30})


def _alike(table: NDArray[Any]) -> NDArray[Any]:
    """Return an order of the rows in which alike ones stand together."""
    if len(table) < 3:
        return np.arange(len(table))
    from scipy.cluster.hierarchy import leaves_list, linkage

    return np.asarray(leaves_list(linkage(table, "average", optimal_ordering=True)))


def _wilson(hits: int, n: int) -> tuple[float, float]:
    """Return the 95% interval of a share (Wilson 1927)."""
    if not n:
        return 0.0, 0.0
    z, p = 1.96, hits / n
    middle, width = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return max(0.0, (middle - width) / (1 + z * z / n)), min(1.0, (middle + width) / (1 + z * z / n))
