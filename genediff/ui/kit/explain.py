"""Words on a page: the sentence under each plot, an error, and text from outside shown letter by letter.

Titles, labels, names of files, genes and columns, errors, model cards and parts of addresses are written by others. As
Markdown they could hold links and images, and an image makes the reader's browser ask another host. So nothing stored
reaches ``st.markdown`` and its like, or the label of a widget, except through `plain` (one line) or `card` (a text).
"""

from __future__ import annotations

import re

import streamlit as st

from genediff.core.disk_errors import disk_error
from genediff.core.errors import InputError

_MARKUP = re.compile(r"([\\`*_{}\[\]#$~:<>|!&])")  # parentheses mean nothing once the brackets before them do not
_LIST = re.compile(r"^(\d*)([-+.)])(?=\s)")
# Streamlit turns bare addresses into links after it has read the escapes: an unseen word joiner breaks them.
_ADDRESS = re.compile(r"\b(https?|ftp|mailto|www)(?=\\?[:.])", re.IGNORECASE)
_JOINER = "\u2060"
_LINKS = re.compile(r"([\[\]()$~:<>!&])")  # of a text whose headings, lists, tables and emphasis may stay


def how_to_read(text: str) -> None:
    """Write the reading help under a figure."""
    st.caption(text)


def show_input_error(error: Exception | str) -> None:
    """Show an error that the reader can do something about, in its own words."""
    st.error(plain(error), icon=":material/error:")


def show_expected_error(error: Exception) -> bool:
    """Show a damaged item, or what a full or read-only disk brought about, as a sentence; False for other errors."""
    if (problem := error if isinstance(error, InputError) else disk_error(error)) is None:
        return False
    show_input_error(problem)
    return True


def plain(text: object) -> str:
    """Return text that Markdown shows letter by letter: no emphasis, link, image, icon or formula comes of it.

    Parameters
    ----------
    text
        Anything; its ``str`` is taken. Line breaks become spaces, so that no list or heading begins.
    """
    line = _MARKUP.sub(r"\\\1", " ".join(str(text).split()))
    return _without_addresses(_LIST.sub(r"\1\\\2", line))


def card(text: str) -> str:
    """Return the Markdown of a model's card with its headings, lists, tables and code, and without links and images."""
    pieces = re.split(r"(`[^`\n]*`)", text)  # what stands between backticks is shown letter by letter anyway
    return _without_addresses("".join(one if i % 2 else _LINKS.sub(r"\\\1", one) for i, one in enumerate(pieces)))


def _without_addresses(text: str) -> str:
    return _ADDRESS.sub(rf"\1{_JOINER}", text).replace("@", f"@{_JOINER}")
