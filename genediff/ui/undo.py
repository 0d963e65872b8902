"""The way back from a deletion, as every list offers it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from genediff.ui import explain

if TYPE_CHECKING:
    from collections.abc import Callable


def offer(title: str, restore: Callable[..., None], *args: Any, key: str) -> None:
    """Say what was deleted, with a button that calls ``restore(*args)``."""
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        st.markdown(f"“{explain.plain(title)}” was deleted.", width="stretch")
        st.button("Undo", icon=":material/undo:", key=key, on_click=restore, args=args)
