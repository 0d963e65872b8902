"""Deleting gene sets and networks of one's own, with the way back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from genediff.errors import InputError
from genediff.ui import choices, undo

if TYPE_CHECKING:
    from genediff.knowledge import Library
    from genediff.knowledge.library import Kind

_DELETED, _PROBLEM = "deleted_knowledge", "delete_knowledge_problem"


def button(library: Library, kind: Kind, chosen: str) -> None:
    """Offer to delete the chosen one where it is the reader's own, and to undo the last deletion of this kind."""
    if problem := st.session_state.pop(_PROBLEM, None):
        st.error(problem)
    item = next((one for one in library.list(kind) if one.id == chosen and not one.shipped), None)
    if item is not None:
        st.button(
            f"Delete “{item.title}”", icon=":material/delete:", type="tertiary", key=f"delete-{kind}",
            on_click=_delete, args=(library, kind, item.id, item.title),
            help="Models that were trained on it keep their copy.",
        )  # fmt: skip
    deleted = st.session_state.get(_DELETED)
    if deleted is not None and deleted[0] == kind:
        undo.offer(deleted[2], _restore, library, *deleted, key=f"undo-{kind}")


def _delete(library: Library, kind: Kind, item_id: str, title: str) -> None:
    try:
        library.delete(item_id)
    except (InputError, OSError) as error:
        st.session_state[_PROBLEM] = f"“{title}” could not be deleted: {error}"
        return
    st.session_state[_DELETED] = (kind, item_id, title)
    choices.forget(kind)
    st.query_params.pop(kind, None)


def _restore(library: Library, kind: Kind, item_id: str, title: str) -> None:
    try:
        library.restore(item_id)
    except (InputError, OSError) as error:
        st.session_state[_PROBLEM] = f"“{title}” could not be brought back: {error}"
        return
    st.session_state.pop(_DELETED, None)
    choices.choose(kind, item_id)
