"""Generated cells looked at more closely: marker genes beside real ones, distances to real cells, several settings."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from genediff.plots.palettes import CATEGORICAL, GENERATED, GREY, for_levels
from genediff.plots.style import style

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

TRAINING, HELD_OUT = CATEGORICAL[0], CATEGORICAL[2]
MOST_GREY = 1500
ROW = 17  # pixels of a row of dots


def marker_dots(table: pd.DataFrame, *, colour_scale: str | list[str]) -> go.Figure:
    """Draw one dot per gene and type, generated below real: its size is a share of cells, its colour a mean.

    Parameters
    ----------
    table
        Columns source, type, gene, share (0 to 1), mean; rows in the order in which they are to be drawn.
    """
    rows = [f"{kind} · {source}" for kind in dict.fromkeys(table["type"]) for source in dict.fromkeys(table["source"])]
    genes = list(dict.fromkeys(table["gene"]))
    shown = table.dropna(subset=["share"])
    names = shown["type"] + " · " + shown["source"]
    figure = go.Figure(
        go.Scatter(
            x=shown["gene"],
            y=names,
            mode="markers",
            customdata=np.column_stack([shown["share"], shown["mean"], shown["cells"]]),
            hovertemplate="%{x} in %{y}<br>%{customdata[0]:.0%} of %{customdata[2]:,.0f} cells, "
            "mean %{customdata[1]:.2f}<extra></extra>",
            marker={
                "size": 3 + 13 * np.sqrt(shown["share"].clip(0, 1)),
                "color": shown["mean"],
                "colorscale": colour_scale,
                "cmin": 0,
                "cmax": float(shown["mean"].quantile(0.98)) if len(shown) else 1.0,
                "line": {"width": 0.5, "color": GREY},
                "colorbar": {"title": {"text": "Mean (log-normalised)", "side": "right"}, "thickness": 10, "len": 0.8},
            },
            showlegend=False,
        )
    )
    style(figure, height=110 + ROW * len(rows))
    figure.update_xaxes(categoryorder="array", categoryarray=genes, tickangle=-50, tickfont={"size": 11})
    figure.update_yaxes(
        categoryorder="array", categoryarray=rows, autorange="reversed", tickfont={"size": 11}, showgrid=False
    )
    each = len(dict.fromkeys(table["source"]))
    for start in range(0, len(rows), 2 * each):  # pairs stand together
        figure.add_hrect(y0=start - 0.5, y1=start + each - 0.5, fillcolor=GREY, opacity=0.09, line_width=0)
    figure.update_layout(dragmode=False)
    return figure


def nearest_distances(held_out: np.ndarray, generated: np.ndarray, chosen: float) -> go.Figure:
    """Draw how far cells lie from their nearest training cell: held-out real ones, generated ones, and the chosen."""
    top = float(np.quantile(np.concatenate([held_out, generated]), 0.995))
    edges = np.linspace(0, max(top, chosen) * 1.02, 45)
    figure = go.Figure()
    for name, values, colour in (
        ("held-out real cells", held_out, HELD_OUT),
        ("generated cells", generated, GENERATED),
    ):
        share = np.histogram(values, edges)[0] / max(len(values), 1)
        figure.add_trace(
            go.Scatter(
                x=(edges[:-1] + edges[1:]) / 2, y=share, mode="lines", name=name, line={"color": colour, "width": 2},
                line_shape="hvh", hovertemplate="%{x:.1f}: %{y:.1%}<extra>" + name + "</extra>",
            )
        )  # fmt: skip
    top_share = max(float(np.max(trace.y)) for trace in figure.data)
    figure.add_trace(
        go.Scatter(
            x=[chosen, chosen], y=[0, top_share], mode="lines", name="the chosen cell",
            line={"color": GREY, "dash": "dash", "width": 2}, hovertemplate="%{x:.2f}<extra>the chosen cell</extra>",
        )
    )  # fmt: skip
    style(figure, height=300)
    figure.update_xaxes(title_text="Distance to the nearest training cell (PCs)", rangemode="tozero")
    figure.update_yaxes(title_text="Share of cells", tickformat=".0%", rangemode="tozero")
    figure.update_layout(legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0}, dragmode=False)
    return figure


def neighbours_map(
    real: np.ndarray, chosen: np.ndarray, training: np.ndarray, held_out: np.ndarray, *, height: int = 340
) -> go.Figure:
    """Draw one generated cell and its neighbours over grey real ones; positions on the map, (cell, 2) each."""
    rows = np.random.default_rng(0).permutation(len(real))[:MOST_GREY]
    figure = go.Figure(
        go.Scatter(**_xy(real[rows]), mode="markers", marker={"size": 3.5, "color": GREY, "opacity": 0.35},
                   hoverinfo="skip", showlegend=False)
    )  # fmt: skip
    for name, positions, colour, symbol, size in (
        ("nearest training cells", training, TRAINING, "circle", 9),
        ("nearest held-out cells", held_out, HELD_OUT, "square", 9),
        ("the generated cell", chosen[None], GENERATED, "diamond", 13),
    ):
        figure.add_trace(
            go.Scatter(
                **_xy(positions), mode="markers", name=name, hovertemplate=f"{name}<extra></extra>",
                marker={"size": size, "color": colour, "symbol": symbol, "line": {"width": 1, "color": "white"}},
            )
        )  # fmt: skip
    style(figure, height=height)
    quiet = {"showticklabels": False, "showgrid": False, "showline": True, "mirror": True}
    figure.update_xaxes(title_text="UMAP 1", **quiet)
    figure.update_yaxes(title_text="UMAP 2", **quiet)
    figure.update_layout(
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0}, margin={"l": 36, "t": 30}, dragmode="pan"
    )
    return figure


def settings_maps(
    real: np.ndarray,
    generated: Mapping[str, tuple[np.ndarray, np.ndarray]],
    levels: Sequence[str],
    *,
    height: int = 330,
) -> go.Figure:
    """Draw the same map once per setting: generated cells in the colours of their types over grey real ones.

    Parameters
    ----------
    generated
        Title to positions (cell, 2) and level codes (cell,), -1 for none.
    """
    figure = make_subplots(1, len(generated), subplot_titles=list(generated), horizontal_spacing=0.02,
                           shared_xaxes="all", shared_yaxes="all")  # fmt: skip
    colours = [*for_levels(list(levels)).values(), GREY]
    rows = np.random.default_rng(0).permutation(len(real))[: 2 * MOST_GREY]
    for column, (xy, codes) in enumerate(generated.values(), start=1):
        ground = go.Scattergl(**_xy(real[rows]), mode="markers", hoverinfo="skip", showlegend=False,
                              marker={"size": 3, "color": GREY, "opacity": 0.3})  # fmt: skip
        figure.add_trace(ground, row=1, col=column)
        own = go.Scattergl(
            **_xy(xy), mode="markers", showlegend=False,
            marker={"size": float(np.clip(90 / math.sqrt(max(len(xy), 1)), 3, 6)), "opacity": 0.9,
                    "color": [colours[code] for code in codes]},
            text=[levels[code] if code >= 0 else "" for code in codes], hovertemplate="%{text}<extra></extra>",
        )  # fmt: skip
        figure.add_trace(own, row=1, col=column)
    for name, colour in zip(levels, colours, strict=False):
        figure.add_trace(go.Scatter(x=[None], y=[None], mode="markers", name=name, marker={"size": 9, "color": colour}))
    style(figure, height=height)
    figure.update_annotations(yshift=6)  # titles would stand on the frame
    low, high = real.min(0), real.max(0)
    pad = 0.04 * (high - low)
    figure.update_xaxes(range=[low[0] - pad[0], high[0] + pad[0]], showgrid=False, showticklabels=False, mirror=True)
    figure.update_yaxes(range=[low[1] - pad[1], high[1] + pad[1]], showgrid=False, showticklabels=False, mirror=True)
    figure.update_xaxes(showline=True)
    figure.update_yaxes(showline=True)
    figure.update_layout(
        legend={"orientation": "h", "y": -0.05, "yanchor": "top", "x": 0}, margin={"l": 8, "r": 8, "t": 30, "b": 20}
    )
    return figure


def _xy(positions: np.ndarray) -> dict[str, Any]:
    xy = np.asarray(positions, dtype=np.float32)
    return {"x": xy[:, 0], "y": xy[:, 1]}
