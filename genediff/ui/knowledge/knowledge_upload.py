"""Gene sets and networks of the reader's own: read from a file, told how it was understood, then kept."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from genediff.core.disk_errors import disk_errors
from genediff.core.errors import InputError
from genediff.knowledge.gene_embedding import read_embedding
from genediff.knowledge.gmt import read_gmt
from genediff.knowledge.read_network import read_network, read_table
from genediff.ui.kit import button_events, choices, explain

if TYPE_CHECKING:
    from streamlit.runtime.uploaded_file_manager import UploadedFile

    from genediff.knowledge import Library
    from genediff.knowledge.formats import Table
    from genediff.knowledge.gmt import GmtReading
    from genediff.knowledge.read_network import NetworkReading

_PARTS = {"source": "Regulator (source)", "target": "Target", "weight": "Weight", "sign": "Sign or effect"}
_NONE = "(none)"
_PROBLEM = "knowledge_problem"


def gene_sets_button(library: Library) -> None:
    """Offer to add a GMT file behind a small button."""
    _told()
    with st.popover("Add gene sets of your own", icon=":material/upload:", width="stretch"):
        given = st.file_uploader("A GMT file (.gmt, .txt, also .gz)", key="gmt_upload", type=["gmt", "txt", "gz"])
        st.caption("One set per line: name, description and genes, separated by tabs (as MSigDB provides them).")
        if given is None:
            return
        try:
            reading = _read_gmt(given.file_id, given)
        except InputError as error:
            explain.show_input_error(error)
            return
        found = reading.gene_sets
        st.markdown(f"**{len(found.sets):,} sets** of {len(found.genes):,} genes")
        _notes(reading.notes)
        title = st.text_input("Title", found.title, key="gmt_title", max_chars=80) or found.title
        if button_events.pop_press("gene_sets"):
            _add_sets(library, reading, title)
            st.rerun()
        st.button("Add these gene sets", type="primary", on_click=button_events.note, args=("gene_sets",))


def network_button(library: Library) -> None:
    """Offer to add a network file behind a small button."""
    _told()
    with st.popover("Add a network of your own", icon=":material/upload:", width="stretch"):
        given = st.file_uploader("A network (.tsv, .csv, .txt, .gmt, also .gz)", key="network_upload",
                                 type=["tsv", "csv", "txt", "gmt", "gz"])  # fmt: skip
        names = st.file_uploader("Gene symbols of its ids, if it has ids (STRING: protein.info)", key="names_upload",
                                 type=["tsv", "txt", "gz"])  # fmt: skip
        st.caption(
            "Recognised formats: STRING, RegNetwork, SCENIC, ChIP-seq targets, TRRUST, CollecTRI, DoRothEA. For other "
            "tables, assign the columns."
        )
        if given is None:
            return
        columns = _columns(given)
        try:
            key = f"{given.file_id} {names.file_id if names else ''} {columns}"
            reading = _read_network(key, given, names, columns)
        except InputError as error:
            explain.show_input_error(error)
            return
        edges = reading.network.edges
        st.markdown(f"**{len(edges):,} edges** from {edges['source'].nunique():,} regulators")
        st.caption(f"Read as {reading.format}: {explain.plain(reading.reason)}.")
        _notes(reading.notes)
        title = st.text_input("Title", reading.network.title, key="network_title", max_chars=80)
        if button_events.pop_press("network"):
            _add_network(library, reading, title or reading.network.title)
            st.rerun()
        st.button("Add this network", type="primary", on_click=button_events.note, args=("network",))


def embedding_button(library: Library) -> None:
    """Offer to add an embedding of genes behind a small button."""
    _told()
    with st.popover("Add an embedding of genes", icon=":material/upload:", width="stretch"):
        given = st.file_uploader("A table (.tsv, .csv, also .gz) or .npz of gene × number", key="embedding_upload",
                                 type=["tsv", "csv", "txt", "gz", "npz"])  # fmt: skip
        st.caption("First column: gene symbols; all others: numbers. GenePT, ESM or a network's spectrum, for example.")
        if given is None:
            return
        try:
            with tempfile.TemporaryDirectory() as folder:
                found = read_embedding(_stored(folder, given))
        except InputError as error:
            explain.show_input_error(error)
            return
        st.markdown(f"**{found.values.shape[1]:,} numbers** for each of {len(found.genes):,} genes")
        title = st.text_input("Title", found.title, key="embedding_title", max_chars=80) or found.title
        if button_events.pop_press("embedding"):
            try:
                with disk_errors():
                    library.add_embedding(replace(found, title=title))
            except InputError as error:
                st.session_state[_PROBLEM] = f"The embedding could not be kept: {error}"
            st.rerun()
        st.button("Add this embedding", type="primary", on_click=button_events.note, args=("embedding",))


def _columns(given: UploadedFile) -> dict[str, str] | None:
    """Let the reader say what each column is; None while the file speaks for itself."""
    try:
        table = _read_table(given.file_id, given)
    except InputError:
        return None  # no table: the reader of networks says it better
    if table is None:
        return None
    try:
        _read_network(f"{given.file_id}  None", given, None, None)
    except InputError as error:
        needed = "say which of its columns" in str(error)
    else:
        needed = False
    if not st.toggle("Assign the columns", needed, key=f"columns-{given.file_id}"):
        return None
    first = [str(cell) for cell in table.rows.iloc[0]]
    words = dict(zip(table.header, table.header, strict=True))
    if not table.header:
        if st.checkbox("The first line holds the names of the columns", key=f"header-{given.file_id}"):
            words = dict(zip(first, first, strict=False))
        else:
            words = {name: f"Column {name}: {cell}" for name, cell in zip(table.rows.columns, first, strict=True)}
    names = [_NONE, *words]
    chosen = {}
    for place, (part, title) in enumerate(_PARTS.items()):
        start = place + 1 if place < 2 and place + 1 < len(names) else 0
        one = st.selectbox(title, names, index=start, format_func=lambda name: words.get(name, name),
                           key=f"column-{part}-{given.file_id}-{len(table.header) or names[-1]}")  # fmt: skip
        if one != _NONE:
            chosen[part] = one
    return chosen


def _notes(notes: tuple[str, ...]) -> None:
    if notes:
        st.caption("\n".join(f"- {explain.plain(note)}" for note in notes))


def _told() -> None:
    if problem := st.session_state.pop(_PROBLEM, None):
        explain.show_input_error(problem)


def _add_sets(library: Library, reading: GmtReading, title: str) -> None:
    try:
        with disk_errors():
            added = library.add_gene_sets(replace(reading.gene_sets, title=title), notes=reading.notes)
        choices.choose("gene_sets", added)
    except InputError as error:
        st.session_state[_PROBLEM] = f"The gene sets could not be kept: {error}"


def _add_network(library: Library, reading: NetworkReading, title: str) -> None:
    try:
        with disk_errors():
            added = library.add_network(replace(reading.network, title=title), notes=reading.notes)
        choices.choose("network", added)
    except InputError as error:
        st.session_state[_PROBLEM] = f"The network could not be kept: {error}"


# What was read is kept for the next run of the page; the key is the upload's own id, a new one for each upload.


@st.cache_resource(max_entries=2, show_spinner="Reading the file …")
def _read_gmt(key: str, _given: UploadedFile) -> GmtReading:
    with tempfile.TemporaryDirectory() as folder:
        return read_gmt(_stored(folder, _given))


@st.cache_resource(max_entries=3, show_spinner="Reading the file …")
def _read_network(
    key: str, _given: UploadedFile, _names: UploadedFile | None, _columns: dict[str, str] | None
) -> NetworkReading:
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as beside:
        names = None if _names is None else _stored(beside, _names)
        return read_network(_stored(folder, _given), columns=_columns, names=names)


@st.cache_resource(max_entries=3, show_spinner=False)
def _read_table(key: str, _given: UploadedFile) -> Table | None:
    if _given.name.lower().removesuffix(".gz").endswith(".gmt"):
        return None
    with tempfile.TemporaryDirectory() as folder:
        return read_table(_stored(folder, _given))


def _stored(folder: str, given: UploadedFile) -> Path:
    path = Path(folder) / Path(given.name).name
    path.write_bytes(given.getbuffer())
    return path
