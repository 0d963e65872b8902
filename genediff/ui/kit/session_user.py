"""Whose workspace a page works in.

Usually there is one workspace for all who reach the server. With sign-in each user has one of their own below it, and
in a class each browser has: `workspace` is the only place where pages and routes learn of it.
"""

from __future__ import annotations

import fnmatch
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import streamlit as st

from genediff.core.errors import InputError
from genediff.core.installation import home
from genediff.core.users import Limits, user_root
from genediff.ui.kit import explain
from genediff.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

COOKIE = "genediff_browser"
"""By which the server of a class knows a browser again; a browser gets it with the first page."""
TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")
MOST_BROWSERS = 300
_OWNER = "session_owner"


@dataclass(frozen=True)
class Users:
    """How this server tells its users apart, and what each may take up.

    ``allowed`` are patterns of the e-mail addresses that may sign in, such as ``*@lab.example``; none: whoever the
    provider lets in. ``providers`` are those to choose from where there are several.
    """

    known_by: Literal["nothing", "sign-in", "browser"] = "nothing"
    limits: Limits = Limits()
    allowed: tuple[str, ...] = ()
    providers: tuple[str, ...] = ()
    code: str = ""
    """Opens the teacher's page of a class."""


_SERVER = [Users()]


def serve(users: Users) -> None:
    """Tell users apart so from now on."""
    _SERVER[0] = users


def users() -> Users:
    """Return how this server tells its users apart."""
    return _SERVER[0]


def workspace() -> Workspace:
    """Return the workspace of whoever opened this page.

    Raises
    ------
    InputError
        When nobody has signed in, or this is no page's own thread: a thread of its own must be given its workspace.
    """
    how = users()
    return Workspace() if how.known_by == "nothing" else Workspace(_own_root(how))


def account() -> str:
    """Return what the signed-in user is called; empty where nobody signs in."""
    if users().known_by != "sign-in":
        return ""
    known = st.user.to_dict()
    return str(known.get("email") or known.get("name") or known.get("sub") or "")


def _own_root(how: Users) -> Path:
    shared = home().resolve()
    if how.known_by == "browser":
        token = st.context.cookies.get(COOKIE, "")
        if not TOKEN.fullmatch(token):
            raise InputError("This browser sent no cookie of this server; allow cookies for it and reload the page.")
        return user_root(shared, "browser", token, how.limits, most=MOST_BROWSERS)
    known = st.user.to_dict()
    if not known.get("is_logged_in"):
        raise InputError("Sign in first.")
    who = str(known.get("email") or known.get("name") or "")
    return user_root(shared, "user", f"{known.get('iss')} {known['sub']}", how.limits, name=who)


def gate() -> None:
    """Let only those go on who have a workspace; others are asked to sign in, or told why not. Ends the page then."""
    how = users()
    if how.known_by == "nothing":
        return
    if how.known_by == "sign-in":
        _ask_to_sign_in(how)
    try:
        owner = str(workspace().root)
    except InputError as problem:
        st.title("GeneDiff Explorer", anchor=False)
        explain.show_input_error(problem)
        st.stop()
    if st.session_state.setdefault(_OWNER, owner) != owner:  # somebody else signed in, in another tab of this browser
        st.session_state.clear()
        st.session_state[_OWNER] = owner
        st.query_params.clear()
        st.rerun()


def _ask_to_sign_in(how: Users) -> None:
    known = st.user.to_dict()
    signed_in = bool(known.get("is_logged_in"))
    if signed_in and known.get("sub") and _is_allowed(known, how.allowed):
        return
    st.title("GeneDiff Explorer", anchor=False)
    if signed_in:
        st.error(
            f"{explain.plain(account())} may not use this server; ask whoever runs it, or sign in with another one.",
            icon=":material/lock:",
        )
        st.button("Sign out", icon=":material/logout:", on_click=st.logout)
    else:
        st.markdown("Diffusion models of single cells. Sign in to open your workspace on this server.")
        for provider in how.providers or ("",):
            label = f"Sign in with {explain.plain(provider)}" if provider else "Sign in"
            st.button(label, type="primary", icon=":material/login:", on_click=st.login, args=(provider or None,))
    st.stop()


def _is_allowed(known: Mapping[str, object], allowed: tuple[str, ...]) -> bool:
    """Whether one of the patterns fits the e-mail address, which the provider must not call unconfirmed."""
    if not allowed:
        return True
    address = str(known.get("email") or "").casefold()
    confirmed = str(known.get("email_verified", True)).casefold() != "false"
    return confirmed and any(fnmatch.fnmatchcase(address, pattern.casefold()) for pattern in allowed)
