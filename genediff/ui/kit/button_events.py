"""A press of a button that acts on the form as it is, not as it was last drawn.

A callback is given its arguments when the button is drawn, so a number typed just before the press would be lost while
the page redraws. A button's own answer is lost where a page starts over before it reaches the button. A note in the
session is neither.
"""

from __future__ import annotations

import streamlit as st


def note(name: str) -> None:
    """Remember that a button was pressed (its ``on_click``)."""
    st.session_state[f"pressed-{name}"] = True


def pop_press(name: str) -> bool:
    """Say whether the button was pressed since this was last asked."""
    return bool(st.session_state.pop(f"pressed-{name}", False))
