"""The look of the app beyond .streamlit/config.toml, and whether the reader sees it light or dark."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

if TYPE_CHECKING:
    from pathlib import Path


def apply(css: Path) -> None:
    """Add the app's own style sheet to the page."""
    st.html(css)


def is_dark() -> bool:
    """Say whether the reader's theme is the dark one (light when the browser has not told yet)."""
    return st.context.theme.type == "dark"


def picture(path: Path, *, alt: str) -> None:
    """Show one of the app's own SVG pictures, drawn in the text colour of the reader's theme.

    Parameters
    ----------
    path
        An SVG file that uses ``currentColor``; Streamlit shows it as an image, where that would be black.
    alt
        What the picture shows, for readers who do not see it.
    """
    ink = st.get_option(f"theme.{'dark' if is_dark() else 'light'}.textColor")
    st.image(path.read_text(encoding="utf-8").replace("currentColor", ink), width="stretch", alt=alt)
