"""One look for every Plotly figure: no ground of its own, quiet grid, legend that does not cover data."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import plotly.graph_objects as go

HOVER_LIMIT = 20_000  # points: above, finding the one below the pointer makes the browser stutter
_TAG = re.compile(r"<(?!/?(?:br|b|i|em|sub|sup|extra)\b ?/?>)")  # any other tag: a link above all
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


def arrow_between(start: tuple[float, float], end: tuple[float, float], **look: Any) -> dict[str, Any]:
    """Return the annotation that draws an arrow between two places of a plot; `look` as Plotly has it."""
    places = {"x": end[0], "y": end[1], "ax": start[0], "ay": start[1]}
    axes = {"xref": "x", "yref": "y", "axref": "x", "ayref": "y"}
    return {**places, **axes, "showarrow": True, "text": "", "arrowhead": 2, **look}


def shortened(name: str, *, most: int = 32) -> str:
    """Return a name from a file as a legend or a title takes it: not too long, and every letter drawn as it is."""
    return (name if len(name) <= most else f"{name[: most - 1].rstrip()}…").replace("<", "&lt;")


def without_links(fig: go.Figure) -> go.Figure:
    """Take links out of the texts of a figure, in place: Plotly reads a few tags, and names come from files of others.

    Line breaks, emphasis, sub- and superscripts stay, since our own labels use them.
    """

    def clean(value: Any) -> Any:
        if isinstance(value, str):
            return _TAG.sub("&lt;", value)
        if isinstance(value, dict):
            return {name: clean(one) for name, one in value.items()}
        if isinstance(value, list | tuple):
            return [clean(one) for one in value]
        if isinstance(value, np.ndarray) and value.dtype.kind in "OU":
            return np.array([clean(one) for one in value.ravel()], dtype=object).reshape(value.shape)
        return value

    for trace in fig.data:
        for name in ("name", "text", "hovertext", "x", "y", "labels"):
            if name in trace and trace[name] is not None:
                trace[name] = clean(trace[name])
    for note in fig.layout.annotations:
        note.text = clean(note.text)
    for axis in fig.select_xaxes():
        axis.title.text = clean(axis.title.text)
    for axis in fig.select_yaxes():
        axis.title.text = clean(axis.title.text)
    fig.layout.title.text = clean(fig.layout.title.text)
    return fig


def _clicks(fig: go.Figure) -> dict[str, bool]:
    """Return whether entries of the legend answer to clicks: not where all are empty traces, which only name colours.

    Classes that share a trace have such a legend; a click would fade the entry and leave the dots.
    """
    named = [trace for trace in fig.data if trace.showlegend is not False and "x" in trace]
    empty = bool(named) and all(trace.x is not None and len(trace.x) == 1 and trace.x[0] is None for trace in named)
    return {"itemclick": False, "itemdoubleclick": False} if empty else {}
