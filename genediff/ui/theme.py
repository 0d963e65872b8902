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
