"""What surrounds every page: the browser tab, the logo, the menu, the look, and the guard of the cold link."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from genediff.ui import caching, state, theme

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).resolve().parents[2]
ASSETS = ROOT / "assets"
_OPENED = "opened_by_app"

# url_path equals the file's stem: otherwise a cold link first shows a false "Page not found".
TITLES = {
    "home": "Home",
    "data": "Data",
    "tokenize": "Tokenize",
    "train": "Train",
    "models": "Models",
    "generate": "Generate",
    "tokens": "Tokens",
    "pathways": "Pathways",
    "regulation": "Regulation",
    "perturb": "Perturb",
    "compare": "Compare",
}


def pages() -> dict[str, list[st.Page]]:
    """Return the menu: section heading to pages, in the order in which they are used."""
    return {"": [page(name) for name in TITLES if (ROOT / "pages" / f"{name}.py").exists()]}


def page(name: str) -> st.Page:
    """Return one page by the stem of its file, for links and switches."""
    return st.Page(ROOT / "pages" / f"{name}.py", title=TITLES[name], url_path=name, default=name == "home")


def open_page() -> None:
    """Set up the frame and run the page that the address names (called by app.py only)."""
    st.set_page_config(page_title="GeneDiff Explorer", page_icon=str(ASSETS / "logo.svg"), layout="wide")
    st.logo(str(ASSETS / "logo.svg"), size="large")
    theme.apply(ASSETS / "app.css")
    chosen = st.navigation(pages(), position="top")
    state.read_url()
    warm_up()
    st.session_state[_OPENED] = True
    chosen.run()


def guard() -> None:
    """Open the frame first where a page was run without it. Every page's first line.

    A cold server that is sent a deep link runs ``pages/x.py`` on its own, without ``app.py``: no menu, no state. Naming
    the menu and starting over sends the same address through ``app.py``.
    """
    if not st.session_state.pop(_OPENED, False):
        st.navigation(pages(), position="top")
        st.rerun()


def header(title: str, sentence: str) -> None:
    """Write a page's heading and the one sentence that says what the page is for."""
    st.title(title, anchor=False)
    with st.container(key="gd-lead"):
        st.markdown(sentence)


def link(
    name: str,
    label: str,
    *,
    icon: str | None = None,
    dataset: str | None = None,
    model: str | None = None,
    run: str | None = None,
    extra: Mapping[str, str] | None = None,
) -> None:
    """Draw a link to another page that carries ids in its address (those not given stay as they are).

    `extra` are further parts of the address that the other page knows.
    """
    ids = {**state.current().to_query(), **state.AppState(dataset, model, run).to_query()}
    st.page_link(page(name), label=label, icon=icon, query_params={**ids, **(extra or {})})


def go(name: str, *, dataset: str | None = None, model: str | None = None, run: str | None = None) -> None:
    """Leave for another page with these ids; does not return."""
    chosen = state.choose(dataset=dataset, model=model, run=run)
    st.switch_page(page(name), query_params=chosen.to_query())


def warm_up() -> None:
    """Compile UMAP in the background, once per server: its first call takes some ten seconds otherwise."""
    if os.environ.get("GENEDIFF_WARM_UP", "1") != "0":
        _start_warming()


@st.cache_resource(show_spinner=False)
def _start_warming() -> threading.Thread:
    thread = threading.Thread(target=caching.warm_umap, name="warm-umap", daemon=True)
    thread.start()
    return thread
