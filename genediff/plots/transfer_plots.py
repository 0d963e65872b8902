"""Tokens before and after a transfer: how far each follows its name on two data sets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go

from genediff.plots import palettes
from genediff.plots.set_names import short_names
from genediff.plots.style import style

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["names_before_and_after"]

OWN, NEW, LOST = "#0072B2", "#E69F00", "#D55E00"
_ROW = 17


def names_before_and_after(tokens: pd.DataFrame, *, own: str, new: str, most: int = 50) -> go.Figure:
    """Draw each token's agreement with its set on a model's own cells and on others, joined by a line.

    Parameters
    ----------
    tokens
        Of ``inspection.transfer.Transfer``; tokens that were not asked are left out, and of very many those whose
        agreement fell or rose most are drawn.
    own, new
        Names of the two data sets.
    """
    shown = tokens[tokens["new"].notna()].copy()
    shown["change"] = (shown["new"] - shown["own"]).fillna(0.0)
    shown = shown.sort_values("change", ascending=False, kind="stable").reset_index(drop=True)
    if len(shown) > most:
        shown = shown.iloc[[*range(most // 2), *range(len(shown) - most // 2, len(shown))]].reset_index(drop=True)
    places = np.arange(len(shown), dtype=float)
    names = short_names(shown["token"])
    fig = go.Figure()
    x, y = (np.full(3 * len(shown), np.nan) for _ in range(2))
    x[0::3], x[1::3], y[0::3], y[1::3] = shown["own"], shown["new"], places, places
    fig.add_scatter(x=x, y=y, mode="lines", line={"color": palettes.GREY, "width": 1.5}, hoverinfo="skip",
                    showlegend=False)  # fmt: skip
    lost = (shown["outcome"] == "lost").to_numpy()
    series = (
        ("own", own, np.ones(len(shown), dtype=bool), OWN, "circle-open", 9),
        ("new", new, ~lost, NEW, "circle", 10),
        ("new", f"{new}: name lost", lost, LOST, "x", 10),
    )
    for column, title, mask, colour, symbol, size in series:
        some = mask & shown[column].notna().to_numpy()
        if not some.any():
            continue
        fig.add_scatter(
            x=shown.loc[some, column],
            y=places[some],
            text=[name for name, yes in zip(names, some, strict=True) if yes],
            customdata=shown.loc[some, f"{column}_chance"],
            mode="markers",
            name=title,
            marker={"symbol": symbol, "size": size, "color": colour, "line": {"width": 2, "color": colour}},
            hovertemplate="%{text}: r = %{x:.2f}<br>random sets reach %{customdata:.2f}<extra></extra>",
        )
    style(fig, height=110 + _ROW * max(len(shown), 6))
    fig.update_xaxes(
        title_text="Spearman's r over test cells, token against the score of its set", zeroline=True,
        zerolinecolor=palettes.GREY,
    )  # fmt: skip
    fig.update_yaxes(tickfont={"size": 11}, tickvals=places.tolist(), ticktext=names, range=[-0.7, len(shown) - 0.3])
    fig.update_layout(legend={"orientation": "h", "y": 1.0, "yanchor": "bottom", "x": 0}, margin={"t": 48})
    return fig
