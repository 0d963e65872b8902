"""What is opened once and shared: keyed on ids and on the workspace's place, never on arrays.

Streamlit hashes large arrays by sampling them, so a changed array could bring back an old result.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import streamlit as st

from genediff.data.info import INFO_FILE
from genediff.data.placer import PLACER
from genediff.workspace import Workspace, home

if TYPE_CHECKING:
    from genediff.data.dataset import Dataset
    from genediff.model import GeneDiff


def workspace() -> Workspace:
    """Return the workspace of this server (GENEDIFF_HOME, or the user's data directory)."""
    return Workspace()


def dataset(dataset_id: str) -> Dataset:
    """Open a data set, or return the one that is open already.

    Raises
    ------
    InputError
        When no data set has this id.
    """
    written = (workspace().dataset_folder(dataset_id) / INFO_FILE).stat().st_mtime_ns
    return _dataset(str(home()), dataset_id, written)


@st.cache_resource(max_entries=4, show_spinner="Opening the data set …")
def _dataset(home_folder: str, dataset_id: str, written: int) -> Dataset:
    """Open it anew where its face has changed: it got a name, or its map is drawn now."""
    return workspace().open_dataset(dataset_id)


def model(model_id: str) -> GeneDiff:
    """Load a model, or return the one that is loaded already (this imports torch).

    Raises
    ------
    InputError
        When no model has this id.
    """
    return _model(str(home()), model_id)


@st.cache_resource(max_entries=2, show_spinner="Loading the model …")
def _model(home_folder: str, model_id: str) -> GeneDiff:
    from genediff.model import GeneDiff

    return GeneDiff.load(workspace().model_folder(model_id))


def warm_umap() -> None:
    """Compile UMAP's transform on the first shipped data set; a failure here must not harm the server."""
    try:
        shipped = [info for info in workspace().list_datasets() if info.shipped]
        if shipped:
            PLACER.warm(shipped[0].folder)
    except Exception:
        logging.getLogger(__name__).warning("UMAP could not be warmed up", exc_info=True)
