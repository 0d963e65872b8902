"""A figure on a page: the plot, the sentence that says how to read it, and its downloads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import streamlit as st

from genediff.plots import picture, screen
from genediff.plots.style import without_links
from genediff.ui.kit import downloads, explain, layout

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import matplotlib.figure
    import pandas as pd
    import plotly.graph_objects as go

_BUTTONS_AWAY = ["select2d", "lasso2d", "autoScale2d", "toImage"]


def show_figure(
    fig: go.Figure,
    *,
    how_to_read: str,
    name: str,
    table: pd.DataFrame | Callable[[], pd.DataFrame] | None = None,
    publication: Callable[[], matplotlib.figure.Figure] | None = None,
    select: Sequence[Literal["points", "box", "lasso"]] = (),
    when_selected: Callable[[dict[str, Any]], None] | None = None,
    key: str | None = None,
    width: int = picture.WIDTH,
) -> dict[str, Any]:
    """Draw a figure with its reading help below it and its downloads (SVG, PNG, CSV) beside that.

    Clouds of very many dots reach the browser as a picture; downloads hold every dot.

    Parameters
    ----------
    fig
        The figure to show. Never take it from ``st.cache_data`` when `select` is given: the first selection is lost.
    how_to_read
        One or two sentences: how to read the figure, and what it does not show.
    name
        Stem of the downloaded files, and the figure's key on the page: must be unique there.
    table
        What the CSV holds, or a function that makes it on demand. By default the points of the figure's traces.
    publication
        Makes the figure of the SVG and PNG with matplotlib. By default the Plotly figure is drawn again.
    select
        Ways of selecting that the figure offers; any of them makes the page run again upon a selection.
    when_selected
        Called with a new selection before the page runs again, once for each: what it keeps may then be cleared.
    key
        Key of the chart, `name` by default.
    width
        About what the figure has on the page, in pixels: matters to clouds that reach the browser as a picture.

    Returns
    -------
    dict
        The selection as Plotly tells it (``{"points": …, "box": …, "lasso": …}``); empty lists without one.
    """
    chart_key = key or name
    config = {
        "displaylogo": False,
        "scrollZoom": False,  # a wheel over a figure scrolls the page; the toolbar zooms
        "displayModeBar": True if select else "hover",
        "modeBarButtonsToRemove": [button for button in _BUTTONS_AWAY if not (select and "2d" in button[:8])],
    }
    selection: dict[str, Any] = {"points": [], "box": [], "lasso": []}
    alt = f"{name.replace('-', ' ')}. {how_to_read}".replace("*", "")
    fig = without_links(_below_toolbar(fig))
    whole = fig  # for the downloads
    if layout.on_phone():
        fig = screen.for_phone(fig)
    if select:
        fig.update_layout(dragmode=select[0] if select[0] != "points" else "pan")
        told: Any = "rerun"
        if when_selected is not None:
            told = lambda: when_selected(st.session_state[chart_key]["selection"])  # noqa: E731
        shown = screen.few_as_svg(fig) if "points" in select else screen.for_screen(fig, width=width)
        event: Any = st.plotly_chart(shown, key=chart_key, on_select=told, selection_mode=tuple(select), config=config,
                                     alt=alt)  # fmt: skip
        selection.update(event["selection"] if event else {})
    else:
        st.plotly_chart(screen.for_screen(fig, width=width), key=chart_key, config=config, alt=alt)
    with st.container(horizontal=True, wrap=False, gap="small"):
        explain.how_to_read(how_to_read)
        downloads.figure_downloads(whole, name=name, table=table, publication=publication, key=chart_key)
    return selection


def _below_toolbar(fig: go.Figure) -> go.Figure:
    """Leave room above what stands at the top of a figure, where Plotly's toolbar would lie over it."""
    titled = fig.layout.title.text or any(
        note.yref == "paper" and round(note.y or 0, 6) >= 1 for note in fig.layout.annotations
    )
    fig.layout.margin.t = max(fig.layout.margin.t or 0, 60 if titled else 36)
    return fig
