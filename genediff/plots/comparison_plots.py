"""Strategies side by side: one line per row across all figures, and one curve per figure over a swept option."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from genediff.plots.palettes import GREY, categorical
from genediff.plots.style import style

if TYPE_CHECKING:
    from collections.abc import Sequence

DASHES = ("solid", "dash", "dot", "dashdot")
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "x", "star", "hexagon")
FLOOR, FLAT = "#009E73", GREY


@dataclass(frozen=True)
class Line:
    """A row of a leaderboard: its height (0 worst, 1 best) and spread on each axis, and the value in words.

    ``quiet`` rows (floor, baselines) are grey and dotted. An axis that the row lacks is None.
    """

    name: str
    heights: tuple[float | None, ...]
    spreads: tuple[float, ...]
    words: tuple[str, ...]
    quiet: bool = False


@dataclass(frozen=True)
class Curve:
    """One figure over a swept option, each ``(value,)``, with the floor and the flat vector where they are known."""

    title: str
    x: tuple[float, ...]
    mean: tuple[float, ...]
    spread: tuple[float, ...]
    floor: float | None = None
    flat: float | None = None


@dataclass(frozen=True)
class IntervalCurve:
    """A value and its interval at several places, each ``(place,)``: numbers on a log axis, or names.

    ``kind`` is "strategy", "control" (dashed, in the colour of its strategy before it) or "baseline" (grey).
    """

    name: str
    x: tuple[float, ...] | tuple[str, ...]
    y: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    kind: str = "strategy"


def with_intervals(curves: Sequence[IntervalCurve], *, x_title: str, y_title: str, height: int = 400) -> go.Figure:
    """Draw curves side by side with their intervals, over numbers on a log axis or over names."""
    figure = go.Figure()
    colours = iter(categorical(sum(curve.kind == "strategy" for curve in curves)))
    places = list(dict.fromkeys(place for curve in curves for place in curve.x))
    named = any(isinstance(place, str) for place in places)
    colour, number = GREY, -1
    for place, curve in enumerate(curves):
        if curve.kind == "strategy":
            colour, number = next(colours), number + 1
        beside = place - (len(curves) - 1) / 2  # bars side by side
        at = [places.index(one) + 0.12 * beside if named else one * 1.03**beside for one in curve.x]
        figure.add_scatter(
            x=at,
            y=list(curve.y),
            error_y={
                "type": "data",
                "symmetric": False,
                "array": [high - y for high, y in zip(curve.high, curve.y, strict=True)],
                "arrayminus": [y - low for low, y in zip(curve.low, curve.y, strict=True)],
                "thickness": 1,
                "width": 3,
            },
            name=curve.name,
            mode="markers" if named else "lines+markers",
            line={
                "color": GREY if curve.kind == "baseline" else colour,
                "width": 2,
                "dash": {"control": "dash", "baseline": "dot"}.get(curve.kind, "solid"),
            },
            marker={
                "size": 8,
                "symbol": SYMBOLS[number % len(SYMBOLS)] + ("-open" if curve.kind == "control" else ""),
            },
            customdata=[
                (one if isinstance(one, str) else f"{one:,.0f} {x_title}", low, high)
                for one, low, high in zip(curve.x, curve.low, curve.high, strict=True)
            ],
            hovertemplate=f"{curve.name}<br>%{{customdata[0]}}: %{{y:+.3g}} "
            "[%{customdata[1]:+.3g}, %{customdata[2]:+.3g}]<extra></extra>",
        )
    figure.add_hline(y=0, line={"color": GREY, "width": 1})
    style(figure, height=height)
    if named:
        figure.update_xaxes(tickvals=list(range(len(places))), ticktext=places, title_text=x_title)
    else:
        numbers = sorted(float(one) for one in places)
        figure.update_xaxes(type="log", tickvals=numbers, ticktext=[f"{n:,.0f}" for n in numbers], title_text=x_title)
    figure.update_yaxes(title_text=y_title)
    figure.update_layout(margin={"t": 16, "b": 56}, legend={"orientation": "v", "x": 1.01, "y": 1})
    return figure


def parallel(axes: Sequence[str], lines: Sequence[Line], *, height: int = 420) -> go.Figure:
    """Draw one line per row across the axes, better is higher.

    Rows are told apart by colour, symbol and dash, so that none of the three is needed alone.
    """
    figure = go.Figure()
    colours = iter(categorical(sum(not line.quiet for line in lines)))
    for number, line in enumerate(lines):
        colour = GREY if line.quiet else next(colours)
        figure.add_scatter(
            x=list(axes),
            y=list(line.heights),
            error_y=None if line.quiet else {"type": "data", "array": list(line.spreads), "thickness": 1, "width": 3},
            name=line.name,
            mode="lines+markers",
            connectgaps=True,
            line={"color": colour, "width": 1.5 if line.quiet else 2.5, "dash": "dot" if line.quiet else _dash(number)},
            marker={"size": 7 if line.quiet else 10, "symbol": SYMBOLS[number % len(SYMBOLS)]},
            customdata=list(line.words),
            hovertemplate=f"{line.name}<br>%{{x}}: %{{customdata}}<extra></extra>",
        )
    style(figure, height=height)
    figure.update_xaxes(showgrid=True, tickfont={"size": 12}, range=[-0.3, len(axes) - 0.7])
    figure.update_yaxes(range=[-0.12, 1.12], tickvals=[0, 1], ticktext=["worst", "best"])
    figure.update_layout(margin={"t": 16, "b": 56}, legend={"orientation": "v", "x": 1.01, "y": 1})
    return figure


def sweep(curves: Sequence[Curve], *, x_title: str, height: int = 265) -> go.Figure:
    """Draw one panel per figure: mean and spread over the option (a log axis), floor green, the flat vector grey."""
    columns = min(max(len(curves), 1), 3)
    n_rows = -(-len(curves) // columns) or 1
    figure = make_subplots(
        n_rows,
        columns,
        subplot_titles=[curve.title for curve in curves],
        horizontal_spacing=0.08,
        vertical_spacing=0.36 / n_rows,
    )
    for number, curve in enumerate(curves):
        where = {"row": number // columns + 1, "col": number % columns + 1}
        figure.add_scatter(
            x=list(curve.x),
            y=list(curve.mean),
            error_y={"type": "data", "array": list(curve.spread), "thickness": 1.5, "width": 4},
            mode="lines+markers",
            line={"color": "#0072B2", "width": 2.5},
            marker={"size": 9},
            showlegend=False,
            hovertemplate=f"%{{x}} {x_title}: %{{y:.4g}} ± %{{error_y.array:.2g}}<extra></extra>",
            **where,
        )
        for level, colour, name in ((curve.floor, FLOOR, "real vs. real"), (curve.flat, FLAT, "MLP")):
            if level is not None:
                line = {"color": colour, "dash": "dot", "width": 1.5}
                note = {"annotation_text": name, "annotation_font_size": 11, "annotation_font_color": colour}
                figure.add_hline(y=level, line=line, **note, **where)
        figure.update_xaxes(type="log", tickvals=list(curve.x), ticktext=[f"{v:g}" for v in curve.x], **where)
        figure.update_xaxes(title={"text": x_title, "font": {"size": 12}, "standoff": 4}, **where)
    style(figure, height=n_rows * height)
    figure.update_layout(margin={"t": 34, "b": 44})
    figure.update_annotations(selector={"yref": "paper"}, font_size=13)
    return figure


def _dash(number: int) -> str:
    return DASHES[(number // 3) % len(DASHES)]
