"""Where a new data set comes from: a file sent through the browser, or one that lies on the server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from genediff.data import MAX_UPLOAD_BYTES, allowed_roots, check_path, save_upload
from genediff.errors import InputError
from genediff.ui import caching, explain

if TYPE_CHECKING:
    from pathlib import Path

FILE = "file"  # the part of the address that names the file to import
_TYPES = ["h5ad", "h5", "csv", "tsv", "txt", "gz"]


def chosen_file() -> Path | None:
    """Return the file that the address names, or None (and say why) where it may not or cannot be read."""
    named = st.query_params.get(FILE)
    if not named:
        return None
    workspace = caching.workspace()
    uploaded = workspace.uploads / named
    try:
        return check_path(uploaded if "/" not in named and uploaded.is_file() else named, workspace)
    except InputError as error:
        explain.show_input_error(error)
        return None


def show() -> None:
    """Offer the two ways; a file that was chosen goes into the address and the page starts over."""
    st.markdown(
        "First you see what the file holds and what is wrong with it, then you say what its columns mean, then it is "
        "imported: genes are chosen, cells are split for training and testing, and a map is drawn. "
        "The file itself stays as it is."
    )
    upload, server = st.columns(2, gap="large")
    with upload, st.container(border=True, height="stretch"):
        st.markdown("**Send a file from your computer**")
        sent = st.file_uploader(
            f"h5ad, 10x .h5, CSV or TSV (also .gz), up to {MAX_UPLOAD_BYTES >> 20} MB", type=_TYPES, key="upload"
        )
        if sent is not None:
            try:
                kept = save_upload(sent, sent.name, caching.workspace())
            except InputError as error:
                explain.show_input_error(error)
            else:
                _choose(kept.name)
    with server, st.container(border=True, height="stretch"), st.form("server-file", border=False):
        st.markdown("**Use a file on the server**")
        path = st.text_input("Path (for files of any size)", placeholder="/data/cells.h5ad")
        if st.form_submit_button("Look at this file"):
            try:
                _choose(str(check_path(path, caching.workspace())))
            except InputError as error:
                explain.show_input_error(error)
        roots = ", ".join(f"`{root}`" for root in allowed_roots(caching.workspace())[1:]) or "no folder"
        st.caption(f"Files may lie in {roots}. Whoever runs the server sets this with GENEDIFF_ROOTS.")


def _choose(name: str) -> None:
    st.query_params[FILE] = name
    st.rerun()
