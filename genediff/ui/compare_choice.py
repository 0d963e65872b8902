"""Which comparison the page shows: the one the address names, else the newest of one's own, else what ships."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from genediff.comparison.store import Comparison, find_comparison, list_comparisons
from genediff.errors import InputError
from genediff.ui import caching, explain

if TYPE_CHECKING:
    from collections.abc import Sequence

NEW = "new"
"""In place of an id: the form for a new comparison."""


def chosen() -> Comparison | None:
    """Draw the list of comparisons and return the chosen one; None where the form is wanted or there is none."""
    _undo()
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
    titles = {one.id: f"{one.title} · {'shipped' if one.shipped else one.created[:10]}" for one in known}
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


def _undo() -> None:
    deleted = st.session_state.get("cmp_deleted")
    if deleted is None:
        return
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        st.markdown(f"“{explain.plain(deleted[1])}” was deleted. Its models stay in the library.", width="stretch")
        st.button("Undo", icon=":material/undo:", key="cmp_undo", on_click=_restore, args=(deleted[0],))


def _restore(comparison_id: str) -> None:
    st.session_state.pop("cmp_deleted", None)
    try:
        caching.workspace().restore_comparison(comparison_id)
    except InputError as error:
        st.session_state["cmp_problem"] = str(error)
        return
    _remember(comparison_id)


def _remember(comparison_id: str) -> None:
    st.session_state["comparison"] = comparison_id
    st.query_params["comparison"] = comparison_id
