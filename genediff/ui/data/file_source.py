"""Where a new data set comes from: a file sent through the browser, or one that lies on the server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from genediff.core.errors import InputError
from genediff.data import MAX_UPLOAD_BYTES, check_path, save_upload
from genediff.data.importing.diagnose import READER
from genediff.ui.data import server_file
from genediff.ui.kit import caching, explain
from genediff.ui.server import upload_widget

if TYPE_CHECKING:
    from pathlib import Path

FILE = "file"  # the part of the address that names the file to import
UPLOADS = "/api/uploads"
_TYPES = ["h5ad", "h5", "loom", "h5mu", "csv", "tsv", "txt", "gz"]


def chosen_file() -> Path | None:
    """Return the file that the address names, or None (and say why) where it may not or cannot be read."""
    named = st.query_params.get(FILE)
    if not named:
        return None
    workspace = caching.workspace()
    uploaded = workspace.uploads / named
    try:
        return check_path(uploaded if "/" not in named and uploaded.is_file() else named, workspace.uploads)
    except InputError as error:
        explain.show_input_error(error)
        return None


def show() -> None:
    """Offer the two ways; a file that was chosen goes into the address and the page starts over."""
    READER.start()  # ready by the time that a file is chosen
    st.markdown(
        "The file is checked, you assign its columns, then it is imported: variable genes are selected, cells are "
        "split "
        "into training, validation and test cells, and a UMAP is computed. The file itself is not changed."
    )
    upload, server = st.columns(2, gap="large")
    with upload, st.container(border=True, height="stretch"):
        st.markdown("**Upload a file**")
        sent = _in_chunks() if upload_widget.is_possible() else _at_once()
        if sent is not None:
            _choose(sent)
    with server, st.container(border=True, height="stretch"):
        st.markdown("**Use a file on the server**")
        picked = server_file.show()
        st.caption("Files of any size are read in place. Readable folders are set by the server: GENEDIFF_ROOTS.")
        if picked is not None:
            _choose(picked)


def _in_chunks() -> str | None:
    """Offer the uploader for files of any size; returns the name of what has arrived."""
    arrived = upload_widget.show(UPLOADS)
    st.caption(
        "The file is sent in checked chunks. After a lost connection the upload resumes by itself, after a reload when "
        "the same file is chosen again. Other pages can be used meanwhile; closing the tab stops it."
    )
    return arrived


def _at_once() -> str | None:
    """Offer Streamlit's uploader, which holds a file in memory; returns the name of what has arrived."""
    sent = st.file_uploader(
        f"h5ad, 10x .h5, loom, h5mu, CSV or TSV (also .gz), up to {MAX_UPLOAD_BYTES >> 20} MB",
        type=_TYPES,
        key="upload",
    )
    st.caption(
        "For larger files start the app with `genediff app`: uploads are then sent in chunks and resume after a lost "
        "connection."
    )
    if sent is None:
        return None
    try:
        return save_upload(sent, sent.name, caching.workspace().uploads).name
    except InputError as error:
        explain.show_input_error(error)
        return None


def _choose(name: str) -> None:
    st.query_params.pop(server_file.FOLDER, None)
    st.query_params[FILE] = name
    st.rerun()
