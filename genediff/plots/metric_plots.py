"""Metrics as dots with their spread: the model between what is perfect and what is simple."""

from __future__ import annotations

from dataclasses import dataclass

import plotly.graph_objects as go
from plotly.subplots import make_subplots

__all__ = ["COLOURS", "Dot", "Strip", "dot_ranges"]

COLOURS = {"model": "#D55E00", "floor": "#009E73", "baseline": "#C277A6", "copies": "#B58900", "other": "#8A8F98"}
ROW_HEIGHT, STRIP_EXTRA = 21, 50


@dataclass(frozen=True)
class Dot:
    """One value with its standard deviation over draws; `kind` is a key of `COLOURS`, `text` the value in words."""

    name: str
    mean: float
    sd: float
    kind: str = "other"
    text: str = ""


@dataclass(frozen=True)
class Strip:
    """One metric: its title, how to read it in a few words, its ideal value where it has one, and its dots."""

    title: str
    hint: str
    ideal: float | None
    dots: tuple[Dot, ...]


def dot_ranges(strips: list[Strip]) -> go.Figure:
    """Draw one strip per metric and in it one row per dot: mean, bar of one standard deviation, value in words.

    The dotted line is the ideal value; the green band runs from it to the floor (real cells against other real cells),
    so a model whose dot lies in the band does as well as real cells do.
    """
    most = max((len(strip.dots) for strip in strips), default=1)
    height = len(strips) * (most * ROW_HEIGHT + STRIP_EXTRA) + 16
    figure = make_subplots(
        max(len(strips), 1),
        1,
        subplot_titles=[f"<b>{strip.title}</b>  <span style='opacity:.7'>{strip.hint}</span>" for strip in strips],
        vertical_spacing=min(STRIP_EXTRA / height, 0.9 / max(len(strips) - 1, 1)),
    )
    for row, strip in enumerate(strips, start=1):
        low, high = _extent(strip)
        figure.update_xaxes(
            range=[low, high], nticks=4, zeroline=False, tickfont={"size": 10}, row=row, col=1, fixedrange=True
        )
        figure.update_yaxes(
            categoryorder="array",
            categoryarray=[dot.name for dot in reversed(strip.dots)],
            showgrid=False,
            zeroline=False,
            tickfont={"size": 11.5},
            automargin=True,
            row=row,
            col=1,
        )
    # All at once: Plotly checks the whole figure anew whenever something is added.
    figure.add_traces([trace for row, strip in enumerate(strips, start=1) for trace in _traces(strip, row)])
    figure.layout.shapes = [shape for row, strip in enumerate(strips, start=1) for shape in _shapes(strip, row)]
    figure.update_annotations(font_size=12.5, x=0, xref="paper", xanchor="left", align="left")
    figure.update_layout(height=height, margin={"l": 8, "r": 12, "t": 26, "b": 6}, showlegend=False)
    return figure


def _traces(strip: Strip, row: int) -> list[go.Scatter]:
    """Return a trace per dot, since a trace's bars have one colour, and one of all the values in words."""
    low, high = _extent(strip)
    axes = {"xaxis": f"x{row}", "yaxis": f"y{row}", "cliponaxis": False}
    dots = [
        go.Scatter(
            x=[dot.mean],
            y=[dot.name],
            error_x={"type": "data", "array": [dot.sd], "color": _colour(dot), "thickness": 2, "width": 0},
            mode="markers",
            marker={"size": 12 if dot.kind == "model" else 9, "color": _colour(dot)},
            hovertemplate=f"{dot.name}: {dot.text or _short(dot.mean)} ± {_short(dot.sd)}<extra></extra>",
            **axes,
        )
        for dot in strip.dots
    ]
    right = [dot.mean < low + 0.75 * (high - low) for dot in strip.dots]
    words = go.Scatter(
        x=[dot.mean + (dot.sd if to_right else -dot.sd) for dot, to_right in zip(strip.dots, right, strict=True)],
        y=[dot.name for dot in strip.dots],
        mode="text",
        text=[f"   {dot.text or _short(dot.mean)}   " for dot in strip.dots],
        textposition=["middle right" if to_right else "middle left" for to_right in right],
        textfont={"size": 11.5},
        hoverinfo="skip",
        **axes,
    )
    return [*dots, words]


def _shapes(strip: Strip, row: int) -> list[dict[str, object]]:
    """Return the dotted line at the ideal value, and the band between it and the floor."""
    if strip.ideal is None:
        return []
    axis = "" if row == 1 else str(row)
    place = {"xref": f"x{axis}", "yref": f"y{axis} domain", "y0": 0, "y1": 1}
    line = {"dash": "dot", "width": 1.2, "color": COLOURS["other"]}
    shapes: list[dict[str, object]] = [{"type": "line", "x0": strip.ideal, "x1": strip.ideal, "line": line, **place}]
    floor = next((dot.mean for dot in strip.dots if dot.kind == "floor"), None)
    if floor is not None and floor != strip.ideal:
        x0, x1 = sorted((strip.ideal, floor))
        band = {"fillcolor": COLOURS["floor"], "opacity": 0.14, "line": {"width": 0}}
        shapes.append({"type": "rect", "x0": x0, "x1": x1, **band, **place})
    return shapes


def _colour(dot: Dot) -> str:
    return COLOURS.get(dot.kind, COLOURS["other"])


def _extent(strip: Strip) -> tuple[float, float]:
    ends = [dot.mean - dot.sd for dot in strip.dots] + [dot.mean + dot.sd for dot in strip.dots]
    ends += [] if strip.ideal is None else [strip.ideal]
    low, high = (min(ends), max(ends)) if ends else (0.0, 1.0)
    pad = 0.12 * (high - low or max(abs(high), 1.0))
    return low - pad, high + pad


def _short(value: float) -> str:
    size = abs(value)
    return f"{value:.0f}" if size >= 100 else f"{value:.1f}" if size >= 10 else f"{value:.2f}"
