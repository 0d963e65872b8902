"""Cells coming out of noise: map, token space and a heat map of scores, driven together by one slider in the browser.

Every frame travels with the figure, so nothing is asked of the server while the slider is dragged. The heat map is
made of square markers, which the browser recolours without drawing all of the figure again: five times as fast.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from genediff.plots.palettes import DIVERGING, GREY
from genediff.plots.style import style

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MOST_GREY = 900  # real cells beneath: they are drawn as SVG, which keeps the slider smooth and needs no WebGL
LONGEST = 26  # letters of a row's name


def scrubber(
    frames: Sequence[str],
    xy: np.ndarray | None,
    tokens: np.ndarray,
    scores: np.ndarray,
    *,
    codes: np.ndarray,
    groups: Sequence[str],
    colours: Mapping[str, str],
    rows: Sequence[str],
    real_xy: np.ndarray | None,
    real_tokens: np.ndarray,
    explained: np.ndarray,
    unit: str,
    height: int = 520,
) -> go.Figure:
    """Draw all frames; the last one is shown first.

    Parameters
    ----------
    frames
        Names, in order.
    xy, tokens
        Positions on the map and in token space, (frame, cell, 2); without a map `xy` is None.
    scores
        (frame, row, group).
    codes
        Group of each cell as a place in ``groups``, (cell,).
    colours
        Of each group: those of the data set, whichever groups are present.
    real_xy, real_tokens
        Real cells beneath, (real cell, 2).
    explained
        Share of variance on the axes of token space, (2,).
    unit
        Of the scores.
    """
    places = [] if xy is None else [("map", xy, real_xy)]
    places.append(("tokens", tokens, real_tokens))
    titles = {"map": "On the map of real cells (grey)", "tokens": "In token space, real cells grey"}
    n_columns = len(places) + 1
    figure = make_subplots(1, n_columns, subplot_titles=[*(titles[name] for name, _, _ in places), ""])
    shades = [colours.get(group, GREY) for group in groups]
    own = [shades[code] for code in codes]
    for column, (_, _, real) in enumerate(places, start=1):
        if real is not None:
            figure.add_trace(_grey(real), row=1, col=column)
    moving = []
    for column, (_, positions, _) in enumerate(places, start=1):
        moving.append(len(figure.data))
        figure.add_trace(
            go.Scatter(
                **_points(positions[-1]), mode="markers", showlegend=False, marker={"size": 5, "color": own},
                text=[groups[code] for code in codes], hovertemplate="%{text}<extra></extra>",
            ),
            row=1, col=column,
        )  # fmt: skip
    moving.append(len(figure.data))
    limit = float(np.quantile(np.abs(scores[1:]), 0.99)) or 1.0
    figure.add_trace(
        go.Scatter(
            x=list(groups) * len(rows), y=np.repeat(_short_names(rows), len(groups)).tolist(), mode="markers",
            marker={"symbol": "square", "size": 12, "color": _rounded(scores[-1]), "colorscale": DIVERGING,
                    "cmin": -limit, "cmax": limit, "line": {"width": 0},
                    "colorbar": {"thickness": 10, "len": 0.8, "title": {"text": ""}}},
            hovertemplate="%{y}<br>%{x}: %{marker.color:.2f}<extra></extra>", showlegend=False,
        ),
        row=1, col=n_columns,
    )  # fmt: skip
    figure.frames = [
        go.Frame(
            name=name,
            data=[
                *(go.Scatter(**_points(positions[i])) for _, positions, _ in places),
                go.Scatter(marker={"color": _rounded(scores[i])}),
            ],
            traces=moving,
        )
        for i, name in enumerate(frames)
    ]
    style(figure, height=height)
    for column, (_, positions, real) in enumerate(places, start=1):
        everything = positions.reshape(-1, 2) if real is None else np.concatenate([positions.reshape(-1, 2), real])
        _fix_axes(figure, everything, column)
    where = len(places)
    figure.update_xaxes(title_text=f"PC 1 ({explained[0]:.0%})", row=1, col=where)
    figure.update_yaxes(title_text=f"PC 2 ({explained[1]:.0%})", title_standoff=2, row=1, col=where)
    if xy is not None:
        figure.update_xaxes(title_text="UMAP 1", row=1, col=1)
        figure.update_yaxes(title_text="UMAP 2", title_standoff=2, row=1, col=1)
    figure.update_yaxes(autorange="reversed", dtick=1, tickfont={"size": 10}, showgrid=False, row=1, col=n_columns)
    figure.update_xaxes(dtick=1, tickangle=-40, tickfont={"size": 11}, showgrid=False, row=1, col=n_columns)
    for name, colour in zip(groups, shades, strict=True):
        figure.add_trace(
            go.Scatter(x=[None], y=[None], mode="markers", name=name, marker={"size": 9, "color": colour}),
            row=1, col=1,
        )  # fmt: skip
    _arrange(figure, len(places), f"Mean {unit} by group")
    figure.update_layout(
        sliders=[_slider(frames)],
        updatemenus=[_buttons(frames)],
        legend={
            "orientation": "h",
            "y": 1.17,
            "yanchor": "bottom",
            "x": 0,
            "itemclick": False,
            "itemdoubleclick": False,
        },
        margin={"l": 30, "r": 10, "t": 84, "b": 120},
        dragmode=False,
    )
    return figure


def _points(positions: np.ndarray) -> dict[str, Any]:
    rounded = np.round(positions.astype(float), 3)
    return {"x": rounded[:, 0].tolist(), "y": rounded[:, 1].tolist()}


def _rounded(scores: np.ndarray) -> list[float]:
    """Return scores (row, group) as the colours of the squares, row by row."""
    found: list[float] = np.round(scores.astype(float).ravel(), 3).tolist()
    return found


def _grey(real: np.ndarray) -> go.Scatter:
    rows = np.random.default_rng(0).permutation(len(real))[:MOST_GREY]
    return go.Scatter(
        **_points(real[rows]), mode="markers", showlegend=False, hoverinfo="skip",
        marker={"size": 4, "color": GREY, "opacity": 0.3},
    )  # fmt: skip


def _fix_axes(figure: go.Figure, positions: np.ndarray, column: int) -> None:
    """Keep the axes still while cells move; a few far ones may leave the picture."""
    low, high = np.quantile(positions, 0.002, axis=0), np.quantile(positions, 0.998, axis=0)
    pad = 0.06 * (high - low) + 1e-6
    quiet = {"showticklabels": False, "showgrid": False, "showline": True, "mirror": True}
    figure.update_xaxes(range=[low[0] - pad[0], high[0] + pad[0]], **quiet, row=1, col=column)
    figure.update_yaxes(range=[low[1] - pad[1], high[1] + pad[1]], **quiet, row=1, col=column)


def _arrange(figure: go.Figure, n_maps: int, title: str) -> None:
    """Leave room for the rows' names between the maps and the heat map."""
    width, between = (0.29, 0.045) if n_maps == 2 else (0.5, 0.0)
    for column in range(n_maps):
        left = column * (width + between)
        figure.update_xaxes(domain=[left, left + width], row=1, col=column + 1)
        figure.layout.annotations[column].update(x=left + width / 2, font={"size": 13})
    figure.update_xaxes(domain=[0.815 if n_maps == 2 else 0.74, 1.0], row=1, col=n_maps + 1)
    figure.add_annotation(text=title, x=1.0, xanchor="right", y=1.0, yanchor="bottom", xref="paper", yref="paper",
                          showarrow=False, font={"size": 13})  # fmt: skip
    figure.update_xaxes(title_font_size=12)
    figure.update_yaxes(title_font_size=12)


def _slider(frames: Sequence[str]) -> dict[str, Any]:
    at_once = {"mode": "immediate", "frame": {"duration": 0, "redraw": False}, "transition": {"duration": 0}}
    return {
        "active": len(frames) - 1,
        "steps": [{"label": name, "method": "animate", "args": [[name], at_once]} for name in frames],
        "x": 0.12,
        "len": 0.88,
        "y": -0.22,
        "pad": {"t": 20, "b": 6},
        "currentvalue": {"visible": False},
        "transition": {"duration": 0},
        "font": {"size": 11},
    }


def _buttons(frames: Sequence[str]) -> dict[str, Any]:
    play = {"frame": {"duration": 280, "redraw": False}, "fromcurrent": False, "transition": {"duration": 0}}
    stop = {"mode": "immediate", "frame": {"duration": 0, "redraw": False}, "transition": {"duration": 0}}
    return {
        "type": "buttons",
        "direction": "left",
        "showactive": False,
        "x": 0.0,
        "xanchor": "left",
        "y": -0.27,
        "yanchor": "top",
        "pad": {"t": 18, "r": 6},
        "font": {"size": 13, "color": "#6B7683"},
        "bgcolor": "rgba(0,0,0,0)",
        "buttons": [
            {"label": "▶", "method": "animate", "args": [list(frames), play]},
            {"label": "❚❚", "method": "animate", "args": [[None], stop]},
        ],
    }


def _short_names(names: Sequence[str]) -> list[str]:
    """Return names that fit beside the heat map; what would be the same name twice keeps its length."""
    plain = [name.removeprefix("HALLMARK_").replace("_", " ") for name in names]
    short = [name if len(name) <= LONGEST else name[: LONGEST - 1] + "…" for name in plain]
    return [name if short.count(name) == 1 else plain[i] for i, name in enumerate(short)]
