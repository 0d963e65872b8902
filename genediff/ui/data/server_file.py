"""Pick a file that lies on the server: walk through the folders that the app may read."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import streamlit as st

from genediff.core.errors import InputError
from genediff.data import check_path
from genediff.data.uploads.allowed_roots import allowed_roots
from genediff.data.uploads.browse import list_folder
from genediff.ui.kit import caching, explain

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from genediff.data.uploads.browse import Entry, Listing

FOLDER = "folder"  # the part of the address that names the folder on view
SHOWN = 60
FILTER = "server_filter"


def show() -> str | None:
    """Draw the folders and files; returns the path of the file that was picked, None while none was."""
    workspace = caching.workspace()
    roots = [root for root in allowed_roots(workspace.uploads) if root.is_dir()]
    named = st.query_params.get(FOLDER)
    if named is None:
        named = str(next((root for root in roots if root != workspace.uploads.resolve()), roots[0]))
    picked = _typed(workspace_roots=roots)
    try:
        listing = list_folder(named, workspace.uploads)
    except InputError as error:
        explain.show_input_error(error)
        listing = list_folder(roots[0], workspace.uploads)
    _way(listing, roots)
    return _entries(listing) or picked


def size_in_words(size: int) -> str:
    """Write a number of bytes as people say it."""
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= scale:
            return f"{size / scale:.1f} {unit}"
    return f"{size} bytes"


def _typed(workspace_roots: Sequence[Path]) -> str | None:
    with st.form("server-file", border=False), st.container(horizontal=True, vertical_alignment="bottom"):
        path = st.text_input("Path of a file", placeholder="/data/cells.h5ad")
        if st.form_submit_button("Look at this file"):
            try:
                return str(check_path(path, caching.workspace().uploads))
            except InputError as error:
                explain.show_input_error(error)
    return None


def _way(listing: Listing, roots: Sequence[Path]) -> None:
    """Draw the roots to choose from, and the folders on the way down to this one."""
    uploads = caching.workspace().uploads.resolve()
    words = {root: "Uploaded files" if root == uploads else str(root) for root in roots}
    if listing.root not in words:
        words[listing.root] = str(listing.root)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        # The widget follows the address, as a link may name any folder.
        st.session_state["server_root"] = listing.root
        st.selectbox(
            "Or find it below", list(words), format_func=lambda root: words[root], key="server_root", on_change=_to_root
        )
        st.text_input("Filter", key=FILTER, placeholder="part of a name", width=170)
    if len(listing.steps) > 1:
        with st.container(horizontal=True, gap="small"):
            for step in listing.steps[:-1]:
                name = words.get(step, step.name)
                st.button(f"{explain.plain(name)} /", key=f"step-{step}", type="tertiary", on_click=_go, args=(step,))
            st.markdown(f"**{explain.plain(listing.folder.name)}**", width="content")


def _entries(listing: Listing) -> str | None:
    wanted = str(st.session_state.get(FILTER, "")).casefold()
    found = [entry for entry in listing.entries if wanted in entry.name.casefold()]
    if not found:
        st.info(
            "No file or folder matches the filter." if wanted else "This folder has no readable files of cells: "
            ".h5ad, 10x .h5, .loom, .h5mu, .csv, .tsv, .txt, .gct (also .gz)."
        )  # fmt: skip
        return None
    picked = None
    with st.container(height=300 if len(found) > 7 else "content", border=False, gap=None):
        for entry in found[:SHOWN]:
            if _row(entry, deletable=listing.folder == caching.workspace().uploads.resolve()):
                picked = str(entry.path)
    if len(found) > SHOWN:
        st.caption(f"The first {SHOWN} of {len(found):,} names; use the filter to see others.")
    return picked


def _row(entry: Entry, *, deletable: bool) -> bool:
    """Draw one line; says whether it is a file that was picked now."""
    label = explain.plain(entry.name)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if entry.is_folder:
            st.button(
                label, key=f"go-{entry.path}-{entry.name}", icon=":material/folder:", type="tertiary", on_click=_go,
                args=(entry.path,),
            )  # fmt: skip
            return False
        picked = st.button(label, key=f"pick-{entry.path}-{entry.name}", icon=":material/description:", type="tertiary")
        when = time.strftime("%Y-%m-%d", time.localtime(entry.changed))
        st.caption(f"{size_in_words(entry.size)} · {when}", width="content")
        if deletable:
            st.button(
                "Delete", key=f"delete-{entry.path}", type="tertiary", icon=":material/delete:", on_click=_delete,
                args=(entry,), help="Data sets that were imported from it stay.",
            )  # fmt: skip
        return picked


def _go(folder: Path) -> None:
    st.query_params[FOLDER] = str(folder)
    st.session_state[FILTER] = ""


def _to_root() -> None:
    _go(st.session_state["server_root"])


def _delete(entry: Entry) -> None:
    # Only a file that was sent through the browser: it lies in the uploads, whatever was clicked.
    if entry.path.parent == caching.workspace().uploads.resolve():
        entry.path.unlink(missing_ok=True)
