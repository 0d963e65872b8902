"""Where a new data set comes from: a file sent through the browser, or one that lies on the server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from genediff.data import MAX_UPLOAD_BYTES, check_path, save_upload
from genediff.errors import InputError
from genediff.ui import add_server_file, caching, explain, upload_widget

if TYPE_CHECKING:
    from pathlib import Path

FILE = "file"  # the part of the address that names the file to import
UPLOADS = "/api/uploads"
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
        sent = _in_chunks() if upload_widget.is_possible() else _at_once()
        if sent is not None:
            _choose(sent)
    with server, st.container(border=True, height="stretch"):
        st.markdown("**Use a file on the server**")
        picked = add_server_file.show()
        st.caption("Files of any size, read where they lie. Whoever runs the server sets the folders: GENEDIFF_ROOTS.")
        if picked is not None:
            _choose(picked)


def _in_chunks() -> str | None:
    """Offer the uploader for files of any size; returns the name of what has arrived."""
    arrived = upload_widget.show(UPLOADS)
    st.caption(
        "It is sent in pieces, each of them checked. After a lost connection it goes on by itself, and after a reload "
        "when the same file is chosen again. You can look at other pages meanwhile; closing the tab stops it."
    )
    return arrived


def _at_once() -> str | None:
    """Offer Streamlit's uploader, which holds a file in memory; returns the name of what has arrived."""
    sent = st.file_uploader(
        f"h5ad, 10x .h5, CSV or TSV (also .gz), up to {MAX_UPLOAD_BYTES >> 20} MB", type=_TYPES, key="upload"
    )
    st.caption(
        "For larger files start the app by `python -m genediff app` or `make app`: it then sends them in pieces, and "
        "goes on after a lost connection."
    )
    if sent is None:
        return None
    try:
        return save_upload(sent, sent.name, caching.workspace()).name
    except InputError as error:
        explain.show_input_error(error)
        return None


def _choose(name: str) -> None:
    st.query_params.pop(add_server_file.FOLDER, None)
    st.query_params[FILE] = name
    st.rerun()
