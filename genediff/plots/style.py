"""One look for every Plotly figure: no ground of its own, quiet grid, legend that does not cover data."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import plotly.graph_objects as go

HOVER_LIMIT = 20_000  # points: above, finding the one below the pointer makes the browser stutter
_LINE = "rgba(128, 138, 150, 0.35)"  # visible on light and dark ground


def style(fig: go.Figure, *, height: int = 380) -> go.Figure:
    """Give a figure the app's look, in place, and return it.

    Parameters
    ----------
    fig
        Any Plotly figure. Text and ground colours are left to the reader's theme.
    height
        Pixels.
    """
    fig.update_layout(
        height=height,
        margin={"l": 56, "r": 16, "t": 40 if fig.layout.title.text else 20, "b": 48},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"size": 13},
        legend={"itemsizing": "constant", "font": {"size": 12}, "tracegroupgap": 2, **_clicks(fig)},
        modebar={"bgcolor": "rgba(0,0,0,0)", "color": "#8A94A0", "activecolor": "#1E90A3"},
        dragmode="pan",
    )
    fig.update_xaxes(gridcolor=_LINE, linecolor=_LINE, zeroline=False, automargin=True)
    fig.update_yaxes(gridcolor=_LINE, linecolor=_LINE, zeroline=False, automargin=True)
    return fig


def _clicks(fig: go.Figure) -> dict[str, bool]:
    """Return whether entries of the legend answer to clicks: not where all are empty traces, which only name colours.

    Classes that share a trace have such a legend; a click would fade the entry and leave the dots.
    """
    named = [trace for trace in fig.data if trace.showlegend is not False and "x" in trace]
    empty = bool(named) and all(trace.x is not None and len(trace.x) == 1 and trace.x[0] is None for trace in named)
    return {"itemclick": False, "itemdoubleclick": False} if empty else {}
