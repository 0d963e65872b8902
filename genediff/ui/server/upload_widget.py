"""Send a large file in chunks from the browser: progress, pause, and going on where a lost connection broke it off.

Only the server of `genediff.ui.server.server_setup` has the routes that take the chunks. Under ``streamlit run app.py``
there are none, and pages fall back to Streamlit's own uploader.
"""

from __future__ import annotations

import functools
from typing import Any

import streamlit as st

from genediff.core.installation import ASSETS
from genediff.data import SUFFIXES
from genediff.ui.kit import caching
from genediff.ui.server.upload_tokens import TOKENS

_FILES = ASSETS / "upload"
_TOKEN = "upload_token"
_ROUTES: list[str] = []
"""What this server answers to beside its pages."""


def has_routes(*routes: str) -> None:
    """Let pages know that this server answers to these routes."""
    _ROUTES[:] = routes


def is_possible() -> bool:
    """Say whether this server takes large files from the browser."""
    return bool(_ROUTES)


def address(route: str) -> str:
    """Return the address of a route of this server."""
    base = str(st.get_option("server.baseUrlPath") or "").strip("/")
    return f"/{base}{route}" if base else route


def token() -> str:
    """Return the token of this page's session, which the routes ask for."""
    known, root = st.session_state.get(_TOKEN), caching.workspace().root
    if TOKENS.root(known) != root:
        known = st.session_state[_TOKEN] = TOKENS.issue(root)
    return str(known)


def show(route: str) -> str | None:
    """Draw the uploader; returns the name of a file among the uploads once it has arrived, and None before.

    Parameters
    ----------
    route
        Where the server takes chunks.
    """
    data = {"url": address(route), "token": token(), "endings": list(SUFFIXES)}
    found: Any = _component()(data=data, key="chunked_upload", height="content", on_done_change=lambda: None)
    return str(found.done) if found.done else None


@functools.cache
def _component() -> Any:
    html, css, js = ((_FILES / f"upload.{kind}").read_text(encoding="utf-8") for kind in ("html", "css", "js"))
    return st.components.v2.component("genediff.upload", html=html, css=css, js=js)
