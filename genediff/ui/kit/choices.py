"""A choice among things that have an id: the reader sees titles, the address holds the id."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from genediff.ui.kit import explain

if TYPE_CHECKING:
    from collections.abc import Mapping


def select(label: str, options: Mapping[str, str], *, key: str, default: str | None = None, help: str = "") -> str:
    """Draw a select box of titles and return the id that is chosen.

    Parameters
    ----------
    options
        Title by id, at least one.
    key
        The part of the address that holds the id; a link may name it.
    default
        Where the address names none: the first of the options where this is None.
    """
    ids = list(options)
    current = st.query_params.get(key, st.session_state.get(_kept(key), default or ids[0]))
    if current not in options:
        if key in st.query_params:
            st.warning(f"There is no {label.lower()} “{explain.plain(current)}” here; “{options[ids[0]]}” is shown.")
        current = default if default in options else ids[0]
    # The widget follows the address: a link to another id must not be overruled by what the widget remembers.
    st.session_state[_kept(key)] = st.session_state[_widget(key)] = current
    chosen: str = st.selectbox(
        label,
        ids,
        format_func=lambda one: options.get(one, one),
        key=_widget(key),
        help=help or None,
        on_change=lambda: choose(key, st.session_state[_widget(key)]),
    )
    return chosen


def choose(key: str, chosen: str) -> None:
    """Choose an id, as a click would: in the session and in the address."""
    st.session_state[_kept(key)] = chosen
    st.query_params[key] = chosen


def forget(key: str) -> None:
    """Forget what the session remembers of a choice, so that its default comes back."""
    st.session_state.pop(_kept(key), None)


def _kept(key: str) -> str:
    return f"kept-{key}"


def _widget(key: str) -> str:
    return f"select-{key}"
