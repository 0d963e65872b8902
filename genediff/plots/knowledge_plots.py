"""How much of a data set a collection of gene sets or a network speaks about."""

from __future__ import annotations

from dataclasses import dataclass

import plotly.graph_objects as go

from genediff.plots import palettes
from genediff.plots.style import style

__all__ = ["Share", "coverage_bars"]

# Used, known but of no use, unknown: dark to grey, told apart by lightness alone.
_COLOURS = ("#0072B2", "#7FB3D0", palettes.GREY)
_INK = ("#FFFFFF", "#10202E", "#10202E")


@dataclass(frozen=True)
class Share:
    """One bar: what is counted, and its parts as (words, count), from what is used to what is not."""

    title: str
    parts: tuple[tuple[str, int], ...]


def coverage_bars(shares: list[Share]) -> go.Figure:
    """Draw one bar per share, its parts as shares of 100%, each with its count and words where there is room."""
    fig = go.Figure()
    for row, share in enumerate(shares):
        total = sum(count for _, count in share.parts)
        for place, (words, count) in enumerate(share.parts):
            part = 100 * count / total if total else 0.0
            colour = place if place < len(share.parts) - 1 else len(_COLOURS) - 1
            fig.add_bar(
                x=[part],
                y=[row],
                orientation="h",
                name=f"{share.title}: {words}",
                marker={"color": _COLOURS[colour], "line": {"width": 0}},
                text=f"{count:,} {words}" if part > 18 else (f"{count:,}" if part > 4 else ""),
                textposition="inside",
                insidetextanchor="middle",
                textangle=0,
                textfont={"color": _INK[colour], "size": 12},
                hovertemplate=f"{count:,} {words} ({part:.0f}%)<extra></extra>",
            )
    style(fig, height=58 + 40 * len(shares))
    fig.update_layout(barmode="stack", showlegend=False, bargap=0.25, margin={"l": 8, "r": 12, "t": 6, "b": 34})
    fig.update_xaxes(range=[0, 100], ticksuffix=" %", fixedrange=True, nticks=6)
    fig.update_yaxes(
        tickvals=list(range(len(shares))),
        ticktext=[share.title for share in shares],
        autorange="reversed",
        showgrid=False,
        fixedrange=True,
    )
    return fig
