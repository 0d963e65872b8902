"""One cell as each strategy sees it: token numbers, pathway scores, a network's neighbourhood, ranks, a flat vector."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go

from genediff.plots import palettes
from genediff.plots.set_names import short_name
from genediff.plots.style import style

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

__all__ = ["attention_heat", "cost_bars", "flat", "gene_dots", "neighbourhood", "ranks", "scores", "token_heat"]

HEIGHT = 380
MOST_ROWS = 24
WIDTHS = 4  # of a network's lines
SIGN_COLOURS = {1: "#0072B2", -1: "#D55E00", 0: palettes.GREY}
SIGN_WORDS = {1: "activates", -1: "represses", 0: "acts on (sign unknown)"}
_ABOVE, _BELOW = "#D55E00", "#0072B2"
_RANGE = 3.0  # standard deviations at the ends of diverging colours


def token_heat(names: Sequence[str], tokens: np.ndarray, *, height: int = HEIGHT) -> go.Figure:
    """Draw tokens (token, channel) as a heat map; of many tokens the most unusual, in their own order.

    Parameters
    ----------
    tokens
        In standard deviations from the mean of other cells.
    """
    shown = np.sort(np.argsort(-np.abs(tokens).max(1), kind="stable")[:MOST_ROWS])
    fig = go.Figure(
        go.Heatmap(
            z=tokens[shown].astype(np.float32),
            x=[f"{channel + 1}" for channel in range(tokens.shape[1])],
            y=[short_name(names[i]) for i in shown],
            colorscale=palettes.DIVERGING,
            zmin=-_RANGE,
            zmax=_RANGE,
            xgap=1,
            ygap=1,
            colorbar={"title": {"text": "SD from other cells", "side": "right"}, "thickness": 10, "len": 0.9},
            hovertemplate="%{y}, number %{x}: %{z:.2f} SD<extra></extra>",
        )
    )
    style(fig, height=height)
    fig.update_xaxes(title_text="numbers of the token", showgrid=False, type="category", nticks=16)
    fig.update_yaxes(autorange="reversed", showgrid=False, type="category", tickfont={"size": 10}, dtick=1)
    return fig


def attention_heat(places: Sequence[str], weights: np.ndarray, *, height: int = HEIGHT) -> go.Figure:
    """Draw attention weights (place, place): a row for each that attends; rows sum to one."""
    fig = go.Figure(
        go.Heatmap(
            z=weights.astype(np.float32),
            x=[short_name(name) for name in places],
            y=[short_name(name) for name in places],
            colorscale="Cividis",
            zmin=0,
            xgap=1,
            ygap=1,
            colorbar={"title": {"text": "weight", "side": "right"}, "thickness": 10, "len": 0.9},
            hovertemplate="%{y} attends to %{x}: %{z:.2f}<extra></extra>",
        )
    )
    style(fig, height=height)
    fig.update_xaxes(title_text="is attended to", showgrid=False, type="category", tickfont={"size": 10})
    fig.update_yaxes(title_text="attends", autorange="reversed", showgrid=False, type="category", tickfont={"size": 10})
    return fig


def gene_dots(genes: Sequence[str], values: Mapping[str, np.ndarray], *, height: int = HEIGHT) -> go.Figure:
    """Draw the expression of some genes in several versions of a cell: a row for each gene, a mark for each version."""
    looks = (("circle", "#0072B2"), ("diamond", "#D55E00"), ("x-thin-open", "#009E73"))
    fig = go.Figure()
    for (name, of), (symbol, colour) in zip(values.items(), looks, strict=False):
        fig.add_scatter(
            x=of.astype(np.float32), y=list(genes), name=name, mode="markers",
            marker={"symbol": symbol, "color": colour, "size": 9, "line": {"width": 2, "color": colour}},
            hovertemplate=f"%{{y}}, {name}: %{{x:.2f}}<extra></extra>",
        )  # fmt: skip
    style(fig, height=height)
    fig.update_xaxes(title_text="log-normalised expression", rangemode="tozero")
    fig.update_yaxes(autorange="reversed", type="category", dtick=1)
    fig.update_layout(legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0})
    return fig


def scores(table: pd.DataFrame, *, most: int = 12, height: int = HEIGHT) -> go.Figure:
    """Draw the gene sets that stand out most, up or down.

    Parameters
    ----------
    table
        From ``genediff.inspection.one_cell.pathway_scores.score_table``.
    """
    order = table["deviation"].abs().sort_values(ascending=False, kind="stable").index[:most]
    shown = table.loc[order].sort_values("deviation", kind="stable")
    fig = go.Figure(
        go.Bar(
            x=shown["deviation"],
            y=[short_name(name) for name in shown["set"]],
            orientation="h",
            marker={"color": [_ABOVE if value > 0 else _BELOW for value in shown["deviation"]]},
            customdata=np.column_stack([shown["score"], 100 * shown["below"], shown["genes"]]),
            hovertemplate="%{y}<br>score %{customdata[0]:.2f}, above %{customdata[1]:.0f}% of cells, "
            "%{customdata[2]} genes<extra></extra>",
        )
    )
    style(fig, height=height)
    fig.update_xaxes(title_text="score (SD from the mean of other cells)", zeroline=True, zerolinecolor=palettes.GREY)
    fig.update_yaxes(showgrid=False, type="category", tickfont={"size": 11}, dtick=1)
    return fig


def neighbourhood(edges: pd.DataFrame, *, height: int = HEIGHT) -> go.Figure:
    """Draw edges from regulators on the left to targets on the right; wide lines score high.

    Parameters
    ----------
    edges
        From ``genediff.inspection.one_cell.neighbourhood.strongest_edges``.
    """
    left = _column(edges.groupby("source")["score"].sum(), edges["source"])
    y_left = {gene: _spread(i, len(left)) for i, gene in enumerate(left)}
    # Targets stand at the mean height of their regulators, so that lines cross as little as they can.
    height_of = edges["source"].map(y_left).groupby(edges["target"]).mean().sort_values(ascending=False, kind="stable")
    y_right = {gene: _spread(i, len(height_of)) for i, gene in enumerate(height_of.index)}
    fig = go.Figure()
    top = max(float(edges["score"].max()), 1e-9) if len(edges) else 1.0
    for sign, colour in SIGN_COLOURS.items():
        some = edges[edges["sign"] == sign]
        if len(some):
            fig.add_scatter(x=[None], y=[None], mode="lines", name=SIGN_WORDS[sign], line={"color": colour, "width": 3})
        # A trace for lines of about one width, not for each line: Plotly takes its time over every trace.
        for level, alike in some.groupby(np.ceil(WIDTHS * some["score"].clip(lower=0) / top)):
            ends = zip(alike["source"].map(y_left), alike["target"].map(y_right), strict=True)
            fig.add_scatter(
                x=[0, 1, None] * len(alike),
                y=[y for start, end in ends for y in (start, end, None)],
                mode="lines",
                line={"color": colour, "width": 1 + 3 * level / WIDTHS},
                opacity=0.35 + 0.55 * level / WIDTHS,
                showlegend=False,
                hoverinfo="skip",
            )
    values = (
        dict(zip(edges["source"], edges["source_x"], strict=True)),
        dict(zip(edges["target"], edges["target_x"], strict=True)),
    )
    for x, places, known, side in ((0, y_left, values[0], "left"), (1, y_right, values[1], "right")):
        fig.add_scatter(
            x=[x] * len(places),
            y=list(places.values()),
            mode="markers+text",
            text=list(places),
            textposition=f"middle {side}",
            textfont={"size": 11},
            marker={"size": [6 + 3 * known[gene] for gene in places], "color": "#44AA99"},
            hovertext=[f"{gene}: {known[gene]:.2f} (log-normalised)" for gene in places],
            hoverinfo="text",
            showlegend=False,
            cliponaxis=False,
        )
    style(fig, height=height)
    fig.update_xaxes(range=[-0.45, 1.45], visible=False, fixedrange=True)
    fig.update_yaxes(range=[-0.06, 1.06], visible=False, fixedrange=True)
    fig.update_layout(
        legend={"orientation": "h", "y": 1.04, "yanchor": "bottom"}, margin={"l": 4, "r": 4, "b": 4, "t": 34}
    )
    return fig


def ranks(genes: Sequence[str], values: Sequence[float], *, most: int = MOST_ROWS, height: int = HEIGHT) -> go.Figure:
    """Draw the first genes of a cell's sequence with their expression, the first on top."""
    names = [f"{rank + 1}. {gene}" for rank, gene in enumerate(genes[:most])]
    fig = go.Figure(
        go.Bar(
            x=list(values[:most]),
            y=names,
            orientation="h",
            marker={"color": "#0072B2"},
            hovertemplate="%{y}: %{x:.2f}<extra></extra>",
        )
    )
    style(fig, height=height)
    fig.update_xaxes(title_text="log-normalised expression")
    fig.update_yaxes(autorange="reversed", showgrid=False, type="category", tickfont={"size": 10}, dtick=1)
    return fig


def flat(values: np.ndarray, names: Sequence[str], *, title: str, height: int = HEIGHT) -> go.Figure:
    """Draw a vector (number,) as tiles, row by row from the top left."""
    n_columns = math.ceil(math.sqrt(1.6 * len(values)))
    n_rows = math.ceil(len(values) / n_columns)
    tiles = np.full(n_rows * n_columns, np.nan, dtype=np.float32)
    tiles[: len(values)] = values
    texts = np.array([*names, *[""] * (len(tiles) - len(names))], dtype=object)
    fig = go.Figure(
        go.Heatmap(
            z=tiles.reshape(n_rows, n_columns),
            text=texts.reshape(n_rows, n_columns),
            colorscale=palettes.DIVERGING,
            zmin=-_RANGE,
            zmax=_RANGE,
            colorbar={"title": {"text": title, "side": "right"}, "thickness": 10, "len": 0.9},
            hovertemplate="%{text}: %{z:.2f}<extra></extra>",
        )
    )
    style(fig, height=height)
    fig.update_xaxes(visible=False)
    fig.update_yaxes(visible=False, autorange="reversed")
    return fig


def cost_bars(table: pd.DataFrame) -> go.Figure:
    """Draw operations per cell and step, of attention and of all else, on a logarithmic axis.

    Parameters
    ----------
    table
        Columns ``strategy``, ``attention`` and ``products`` (floating point operations).
    """
    fig = go.Figure()
    for column, words, symbol, colour in (
        ("attention", "attention", "circle", "#D55E00"),
        ("products", "all other matrix products", "diamond", "#0072B2"),
    ):
        shown = table[table[column] > 0]
        fig.add_scatter(
            x=shown[column] / 1e6,
            y=shown["strategy"],
            mode="markers",
            name=words,
            marker={"size": 12, "symbol": symbol, "color": colour},
            hovertemplate="%{y}: %{x:.3~g} million<extra></extra>",
        )
    style(fig, height=90 + 30 * len(table))
    fig.update_xaxes(type="log", title_text="million operations per cell and step (log scale)", dtick=1)
    fig.update_yaxes(categoryorder="array", categoryarray=list(table["strategy"])[::-1], type="category", showgrid=True)
    fig.update_layout(legend={"orientation": "h", "y": 1.02, "yanchor": "bottom"}, margin={"t": 36})
    return fig


def _column(totals: pd.Series, order: pd.Series) -> list[str]:
    first = {gene: place for place, gene in enumerate(dict.fromkeys(order))}
    return sorted(totals.index, key=lambda gene: (-totals[gene], first[gene]))


def _spread(place: int, n: int) -> float:
    """Return heights from 1 (the first) to 0, a lone one in the middle."""
    return 1 - (place + 0.5) / n
