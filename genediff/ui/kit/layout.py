"""What surrounds every page: the browser tab, the logo, the menu, the look, and the guard of the cold link."""

from __future__ import annotations

import os
import threading
from html import escape
from typing import TYPE_CHECKING

import streamlit as st

from genediff.core.installation import APP, ASSETS
from genediff.ui.kit import caching, explain, glossary, session_user, state, theme

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_OPENED = "opened_by_app"
_CURRENT = "current_page"
STORY_TO_BEGIN = "story_to_begin"
"""In the session: the id of a story that the bar above the page begins next."""

# The menu: pages that stand alone have no heading. Streamlit draws them first; app.css puts them back in this order.
GROUPS: dict[str, dict[str, str]] = {
    "": {"home": "Home", "data": "Data", "perturb": "Predict", "compare": "Compare", "learn": "Learn"},
    "Model": {"tokenize": "Tokenize", "train": "Train", "models": "Models"},
    "Explore": {"generate": "Generate", "tokens": "Inspect", "pathways": "Pathways", "regulation": "Regulation"},
}
TITLES = {name: title for group in GROUPS.values() for name, title in group.items()}
# One press of the browser's back button leaves a page, and the page before comes back as it was left. What a page
# writes into its address makes no entry of the history; and since Streamlit takes a page's choices out of its entry
# just before it goes on to the next page, the entry gets back the address that it had when the reader clicked.
_HISTORY = """<script>
if (!window.genediffHistory) {
  window.genediffHistory = true;
  const push = history.pushState.bind(history), replace = history.replaceState.bind(history);
  let left = location.href;
  for (const act of ["click", "keydown"]) addEventListener(act, () => { left = location.href; }, true);
  history.pushState = (state, title, url) => {
    const here = location.pathname;
    if (new URL(url, location.href).pathname === here) return replace(state, title, url);
    if (new URL(left).pathname === here) replace(history.state, "", left);
    return push(state, title, url);
  };
}
</script>"""


def exists(name: str) -> bool:
    """Say whether there is a page of this name: Learn need not be there."""
    return (APP / "pages" / f"{name}.py").exists()


def pages() -> dict[str, list[st.Page]]:
    """Return the menu: section heading to pages, in the order in which they are used."""
    menu = {heading: [page(name) for name in group if exists(name)] for heading, group in GROUPS.items()}
    # The first page has the address "/", whatever it is called: who types /home shall find it too.
    menu[""].append(st.Page(APP / "pages" / "home.py", title="Home", url_path="home", visibility="hidden"))
    return menu


def page(name: str) -> st.Page:
    """Return one page by the stem of its file, for links and switches.

    Its address is that stem: otherwise a cold link first shows a false "Page not found".
    """
    first = name == "home"
    address = "start" if first else name  # that of the first page is not used, but may not be another's either
    return st.Page(APP / "pages" / f"{name}.py", title=TITLES[name], url_path=address, default=first)


def open_page(*, above: Callable[[], None]) -> None:
    """Set up the frame, draw what stands above every page, and run the page that the address names (by app.py only)."""
    st.set_page_config(page_title="GeneDiff Explorer", page_icon=str(ASSETS / "logo.svg"), layout="wide")
    st.logo(str(ASSETS / "logo.svg"), size="large")
    theme.apply(ASSETS / "app.css")
    st.html(_HISTORY, unsafe_allow_javascript=True)
    glossary.watch()
    chosen = st.navigation(pages(), position="top")
    session_user.gate()
    _old_view(chosen.url_path or "home")
    state.read_url()
    warm_up()
    st.session_state[_OPENED] = True
    st.session_state[_CURRENT] = chosen.url_path or "home"
    try:
        above()
        chosen.run()
    except Exception as error:
        if not explain.show_expected_error(error):
            raise


def current_page() -> str:
    """Return the page that is open, by the stem of its file."""
    return st.session_state.get(_CURRENT, "home")


def view_key(name: str) -> str:
    """Return the part of the address that holds which view of a page is shown: one for each page.

    Under one name for all, the view of a page went along to the next, and the browser's back button lost it.
    """
    return f"{name}_view"


def _old_view(name: str) -> None:
    """Take the view from an address that calls it ``view``, as links did before each page had its own."""
    if "view" in st.query_params:
        query = {key: st.query_params.get_all(key) for key in st.query_params}
        query[view_key(name)] = query.pop("view")
        st.query_params.from_dict(query)  # at once: each change of its own would be an entry of the history
        st.session_state[view_key(name)] = st.query_params[view_key(name)]


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
    # Sections of a page are headings of the third level; for those who hear the page none is left out before them.
    st.html(f'<h2 class="gd-unseen">{escape(title)}: contents</h2>')
    with st.container(key="gd-lead", horizontal=True, vertical_alignment="top"):
        st.markdown(sentence, width="stretch")
        glossary.button()


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

    `label` may be a stored name: it is shown letter by letter. `extra` are further parts of the address that the other
    page knows.
    """
    ids = {**state.current().to_query(), **state.AppState(dataset, model, run).to_query()}
    query = {**ids, **(extra or {})}
    if name != current_page():
        st.page_link(page(name), label=explain.plain(label), icon=icon, query_params=query)
        return
    # A page link to the page itself leaves the browser's address as it was, and the next rerun forgets the query.
    st.button(
        explain.plain(label),
        icon=icon,
        type="tertiary",
        key=f"here-{label}-{sorted(query.items())}",
        on_click=st.query_params.from_dict,
        args=(query,),
    )


def go(name: str, *, dataset: str | None = None, model: str | None = None, run: str | None = None) -> None:
    """Leave for another page with these ids; does not return."""
    chosen = state.choose(dataset=dataset, model=model, run=run)
    st.switch_page(page(name), query_params=chosen.to_query())


def warm_up() -> None:
    """Start what places cells on a map in the background, once per server: whoever is first would wait for it."""
    if os.environ.get("GENEDIFF_WARM_UP", "1") != "0":
        _start_warming()


@st.cache_resource(show_spinner=False)
def _start_warming() -> threading.Thread:
    thread = threading.Thread(target=caching.warm_umap, name="warm-umap", daemon=True)
    thread.start()
    return thread


def on_phone() -> bool:
    """Say whether the reader's browser is that of a phone."""
    return "Mobi" in st.context.headers.get("User-Agent", "")
