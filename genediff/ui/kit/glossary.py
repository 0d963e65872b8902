"""Terms of art: underlined on every page with a card at the pointer, and listed in each page's Glossary."""

from __future__ import annotations

import json
import re
from functools import cache
from html import escape
from typing import Any

import streamlit as st

from genediff.core.installation import APP, ASSETS
from genediff.ui.kit import explain

PAGES = APP / "docs" / "explanation"
"""The pages of the documentation that explain how things work; terms link to them."""


@cache
def terms() -> dict[str, dict[str, Any]]:
    """Return what each term means (``text``), its other forms (``also``), and the page that explains it (``read``)."""
    return dict(json.loads((ASSETS / "glossary.json").read_text(encoding="utf-8")))


def watch() -> None:
    """Underline the terms of the page that is open and explain them at the pointer; called once, by the frame."""
    st.html(_script(), unsafe_allow_javascript=True)


@cache
def _script() -> str:
    known = [
        {"name": name, "forms": [name, *term.get("also", ())], "text": term["text"], "read": term.get("read")}
        for name, term in terms().items()
    ]
    script = (ASSETS / "glossary.js").read_text(encoding="utf-8").replace("__TERMS__", json.dumps(known))
    return f"<script>{script}</script>"


def button() -> None:
    """Draw the button that lists all terms: what keys and screen readers have instead of a pointer."""
    with st.popover("Glossary", icon=":material/menu_book:", type="tertiary", width="content"):
        show()


def show() -> None:
    """List all terms."""
    st.html(_listed())


@cache
def _listed() -> str:
    entries = "".join(
        f"<dt>{escape(name)}</dt><dd>{escape(term['text'])}{_link(name, term.get('read'))}</dd>"
        for name, term in terms().items()
    )
    return f'<div class="gd-glossary" tabindex="0" role="region" aria-label="Glossary"><dl>{entries}</dl></div>'


def _link(name: str, page: str | None) -> str:
    if page is None:
        return ""
    words = f"Read more<span class='gd-unseen'> about {escape(name)}</span>"
    return f" <a href='learn?learn_view=Background&amp;read={page}' target='_blank' rel='noopener'>{words}</a>"


def background_pages() -> dict[str, str]:
    """Return the titles of the explaining pages, by name, in the order of their table of contents."""
    listed = re.findall(r"^[a-z_-]+$", (PAGES / "index.md").read_text(encoding="utf-8"), re.MULTILINE)
    found = {name: PAGES / f"{name}.md" for name in listed if (PAGES / f"{name}.md").is_file()}
    return {name: path.read_text(encoding="utf-8").splitlines()[0].lstrip("# ") for name, path in found.items()}


def show_background(name: str) -> None:
    """Show one of the explaining pages as it stands in the documentation, without what only its builder understands."""
    text = (PAGES / f"{name}.md").read_text(encoding="utf-8")
    text = re.sub(r"^## [^\n]+\n+```\{include\}[^`]*```\n?", "", text, flags=re.MULTILINE)
    text = re.sub(r"\$\$(.+?)\$\$", r"$$\n\1\n$$", text, flags=re.DOTALL)  # of several lines: marks on their own
    text = re.sub(r"\{doc\}`([a-z_-]+)`", lambda page: f"*{background_pages()[page[1]]}*", text)
    lines = text.splitlines()
    st.subheader(explain.plain(lines[0].lstrip("# ")), anchor=False)
    st.markdown("\n".join(lines[1:]))
