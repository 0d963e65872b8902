"""Real cells read deeper: what was measured of a cell's genes, and what more reading may add."""

from __future__ import annotations

from typing import TYPE_CHECKING

import plotly.graph_objects as go

from genediff.plots.palettes import CATEGORICAL, GENERATED, GREY
from genediff.plots.style import style

if TYPE_CHECKING:
    import pandas as pd


def deeper_genes(table: pd.DataFrame) -> go.Figure:
    """Draw a bar for what was measured of each gene, and what is expected at the new depth with its spread.

    Parameters
    ----------
    table
        One row per gene in the order to be drawn: gene, measured, expected, low, high, closed_form (all counts).
    """
    genes = table["gene"].tolist()
    figure = go.Figure(
        go.Bar(
            y=genes,
            x=table["measured"],
            orientation="h",
            name="measured",
            marker_color=CATEGORICAL[0],
            hovertemplate="%{y}: %{x:,} measured<extra></extra>",
        )
    )
    figure.add_scatter(
        y=genes,
        x=table["closed_form"],
        mode="markers",
        name="expected, closed form",
        marker={"symbol": "line-ns-open", "size": 12, "color": GREY, "line": {"width": 2}},
        hovertemplate="%{y}: %{x:.1f} by the closed form<extra></extra>",
    )
    figure.add_scatter(
        y=genes,
        x=table["expected"],
        error_x={
            "type": "data",
            "symmetric": False,
            "array": table["high"] - table["expected"],
            "arrayminus": table["expected"] - table["low"],
            "thickness": 1.5,
        },
        mode="markers",
        name="expected, model",
        marker={"size": 9, "color": GENERATED},
        customdata=table[["low", "high"]],
        hovertemplate="%{y}: %{x:.1f} expected, %{customdata[0]:.0f} to %{customdata[1]:.0f} in draws<extra></extra>",
    )
    style(figure, height=80 + 19 * len(genes))
    figure.update_yaxes(autorange="reversed", tickfont={"size": 11}, showgrid=False)
    figure.update_xaxes(title_text="counts", rangemode="tozero")
    figure.update_layout(legend={"orientation": "h", "x": 0, "y": 1.01, "yanchor": "bottom"}, margin={"t": 48})
    return figure
