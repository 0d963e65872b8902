"""Which comparison the page shows: the one the address names, else the newest of one's own, else what ships."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from genediff.comparison.comparison_store import Comparison, find_comparison, list_comparisons
from genediff.core.errors import InputError
from genediff.ui.kit import caching, explain
from genediff.ui.kit.library_list import LibraryList

if TYPE_CHECKING:
    from collections.abc import Sequence

NEW = "new"
"""In place of an id: the form for a new comparison."""


def library() -> LibraryList:
    """Return what can be done with comparisons; to be deleted they are listed by their id."""

    def forget(_: str) -> None:
        st.session_state.pop("comparison", None)
        st.query_params.pop("comparison", None)

    place = caching.workspace()
    return LibraryList(
        "comparison", "comparisons", place.delete_comparison, place.restore_comparison,
        when_deleted=forget, when_restored=_remember, note="Its models stay in the library.",
    )  # fmt: skip


def chosen() -> Comparison | None:
    """Draw the list of comparisons and return the chosen one; None where the form is wanted or there is none."""
    library().messages()
    known = list_comparisons(caching.workspace())
    wanted = st.query_params.get("comparison") or st.session_state.get("comparison")
    if wanted not in (None, NEW):
        try:
            found = find_comparison(caching.workspace(), str(wanted))
        except InputError as error:
            explain.show_input_error(error)
            wanted = None
        else:
            wanted = found.id
    if wanted is None:
        wanted = known[0].id if known else NEW
    _remember(str(wanted))
    if known:
        _picker(known, str(wanted))
    return next((one for one in known if one.id == wanted), None)


def _picker(known: Sequence[Comparison], wanted: str) -> None:
    place = caching.workspace()
    titles = {one.id: f"{one.title} · {place.origin(one.folder) if one.shipped else one.created[:10]}" for one in known}
    if st.session_state.get("cmp_picker") != wanted:
        st.session_state["cmp_picker"] = wanted
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.selectbox(
            "Comparison",
            [*titles, NEW],
            format_func=lambda one: titles.get(one, "A new comparison"),
            key="cmp_picker",
            on_change=lambda: _remember(st.session_state["cmp_picker"]),
            width=460,
        )
        if wanted != NEW:
            st.button("New comparison", icon=":material/add:", key="cmp_new", on_click=_remember, args=(NEW,))


def _remember(comparison_id: str) -> None:
    st.session_state["comparison"] = comparison_id
    st.query_params["comparison"] = comparison_id
