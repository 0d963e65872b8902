"""Things of the workspace that cannot be read: each is one sentence and a button, and the rest of the page works."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from genediff.core.disk_errors import disk_errors
from genediff.core.errors import InputError
from genediff.ui.kit import caching
from genediff.ui.kit.explain import plain

if TYPE_CHECKING:
    from genediff.workspace import Kind


def show(*kinds: Kind) -> None:
    """List what is damaged of some kinds; nothing where nothing is."""
    for kind in kinds:
        for item_id, why in caching.workspace().damaged(kind).items():
            with st.container(border=True, horizontal=True, vertical_alignment="center"):
                st.markdown(f":orange[:material/warning:] {plain(why)}", width="stretch")
                st.button("Delete", key=f"damaged-{kind}-{item_id}", on_click=_delete, args=(kind, item_id))


def _delete(kind: Kind, item_id: str) -> None:
    try:
        with disk_errors():
            caching.workspace().delete_damaged(kind, item_id)
    except InputError as problem:
        st.toast(str(problem), icon=":material/error:")
