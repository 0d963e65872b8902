"""The sentence under each plot: how to read it, and what it does not show."""

from __future__ import annotations

import re

import streamlit as st


def how_to_read(text: str) -> None:
    """Write the reading help under a figure."""
    st.caption(text)


def show_input_error(error: Exception) -> None:
    """Show an error that the reader can do something about, in its own words."""
    st.error(str(error), icon=":material/error:")


def plain(text: str) -> str:
    """Return text from a file (names of columns, levels, genes) so that Markdown shows it letter by letter."""
    return re.sub(r"([\\`*_{}\[\]()#$~:<>|!])", r"\\\1", text)
