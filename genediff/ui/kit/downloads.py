"""Files to take away: figures as SVG and PNG, their numbers as CSV. Made when the reader asks, not before."""

from __future__ import annotations

import io
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from genediff.ui.kit import persistent_download

if TYPE_CHECKING:
    from collections.abc import Callable

    import matplotlib.figure
    import pandas as pd
    import plotly.graph_objects as go


def figure_downloads(
    fig: go.Figure,
    *,
    name: str,
    table: pd.DataFrame | Callable[[], pd.DataFrame] | None = None,
    publication: Callable[[], matplotlib.figure.Figure] | None = None,
    key: str | None = None,
) -> None:
    """Offer a figure as SVG, PNG and CSV behind one small button.

    Parameters are those of :func:`genediff.ui.kit.figures.show_figure`.
    """
    key = key or name

    def picture(kind: str) -> bytes:
        from genediff.plots import publication as paper

        drawn = publication() if publication is not None else paper.from_plotly(fig)
        return paper.to_bytes(drawn, kind)

    def numbers() -> bytes:
        from genediff.plots import publication as paper

        made = table() if callable(table) else table
        return to_csv(paper.table_of(fig) if made is None else made)

    with st.popover("Save", icon=":material/download:", type="tertiary", help="Download this figure or its numbers"):
        download("Figure as SVG", lambda: picture("svg"), f"{name}.svg", key=f"{key}-svg")
        download("Figure as PNG", lambda: picture("png"), f"{name}.png", key=f"{key}-png")
        download("Numbers as CSV", numbers, f"{name}.csv", key=f"{key}-csv")


def download(label: str, make: Callable[[], bytes], file_name: str, *, key: str, narrow: bool = False) -> None:
    """Draw one download button whose file is made when it is clicked; as wide as its place, or `narrow`."""
    mime = _MIME[file_name.rsplit(".", 1)[-1]]

    def made() -> bytes:
        return persistent_download.until_fetched(make(), mime, file_name)

    st.download_button(
        label,
        made,
        file_name=file_name,
        mime=mime,
        key=f"download-{key}",
        on_click="ignore",
        width="content" if narrow else "stretch",
    )
    persistent_download.still_pressable(key, made)


def written(name: str, write: Callable[[Path], object]) -> bytes:
    """Return what ``write`` puts into a file, for libraries that write to a path alone."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        write(path)
        return path.read_bytes()


def to_csv(table: pd.DataFrame) -> bytes:
    """Return a table as UTF-8 CSV, with its index only where that has a name."""
    buffer = io.StringIO()
    table.to_csv(buffer, index=table.index.name is not None)
    return buffer.getvalue().encode()


_MIME = {
    "svg": "image/svg+xml",
    "png": "image/png",
    "csv": "text/csv",
    "json": "application/json",
    "zip": "application/zip",
    "md": "text/markdown",
    "yaml": "application/yaml",
    "h5ad": "application/x-hdf5",
}
