"""A region that the reader drew on a map: kept in the address, so that a link or a reload brings it back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st

from genediff.plots import embedding
from genediff.ui.kit import cell_filter

if TYPE_CHECKING:
    from genediff.data import Dataset

MAP = "region"  # the part of the address that holds a region drawn on the UMAP of a page's cells
Polygon = list[tuple[float, float]]
MOST_CORNERS = 40  # of a lasso, so that it fits into the address


def read(key: str) -> Polygon | None:
    """Return the region that the address holds under a key, None when it holds none that can be read."""
    try:
        corners = [
            (float(x), float(y))
            for x, y in (corner.split(",") for corner in st.query_params.get(key, "").split(";") if corner)
        ]
    except ValueError:
        return None
    return corners if len(corners) > 2 and np.isfinite(corners).all() else None


def remember(key: str, selection: dict[str, Any]) -> None:
    """Keep a drawn lasso or box in the address under a key."""
    for lasso in selection.get("lasso") or []:
        every = max(1, -(-len(lasso["x"]) // MOST_CORNERS))
        return _write(key, list(zip(lasso["x"], lasso["y"], strict=True))[::every])
    for box in selection.get("box") or []:
        (x0, x1), (y0, y1) = box["x"], box["y"]
        return _write(key, [(x0, y0), (x1, y0), (x1, y1), (x0, y1)])
    return None


def forget(key: str) -> None:
    """Clear a region from the address."""
    st.query_params.pop(key, None)


def clear_button(key: str) -> None:
    """Draw the button that clears a region."""
    st.button("Clear region", icon=":material/deselect:", key=f"clear-{key}", on_click=forget, args=(key,))


def inside(corners: Polygon, xy: np.ndarray) -> np.ndarray:
    """Return which cells at ``xy`` (cell, 2) lie in a region, bool (cell,)."""
    x, y = zip(*corners, strict=True)
    return embedding.inside({"x": x, "y": y}, xy)


def on_map(dataset: Dataset) -> np.ndarray | None:
    """Return which shown cells lie in the region drawn on the UMAP, bool (cell,); None without one, or where none does.

    Every plot of a page that shows cells has them as a group of their own.
    """
    corners = read(MAP) if dataset.info.has_umap else None
    if corners is None:
        return None
    chosen = inside(corners, dataset.umap)
    if (shown := cell_filter.shown(dataset)) is not None:
        chosen &= shown
    return chosen if chosen.any() else None


def say_selected(chosen: np.ndarray) -> None:
    """Say beside plots that cells selected on the map are among them, with a way to clear the region."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(
            f"{int(chosen.sum()):,} cells selected on the map are shown as a group of their own, in red.",
            width="content",
        )
        clear_button(MAP)


def _write(key: str, corners: Polygon) -> None:
    st.query_params[key] = ";".join(f"{x:.2f},{y:.2f}" for x, y in corners)
