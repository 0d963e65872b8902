"""What is opened once and shared: keyed on where things lie, never on arrays.

An id is another thing in another workspace, while a folder is the same for all who may read it. Streamlit hashes large
arrays by sampling them, so a changed array could bring back an old result.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import streamlit as st

from genediff.core.installation import ASSETS
from genediff.core.users import common_root
from genediff.data.cells.dataset import Dataset
from genediff.data.cells.dataset_info import INFO_FILE
from genediff.data.cells.placer import PLACER
from genediff.ui.kit import session_user
from genediff.workspace import DEMO_DATASET, Workspace

if TYPE_CHECKING:
    from genediff.models.generative_model import GenerativeModel


def workspace() -> Workspace:
    """Return the workspace of whoever opened this page: usually that of the server."""
    return session_user.workspace()


class Owned(Protocol):
    """Something of a library that ships or is shared, or is the reader's own."""

    @property
    def shipped(self) -> bool:
        """Whether the reader can only read it."""


def place(*things: Owned) -> str:
    """Return whose is what depends on these things alone: what all users have in common where all can read them.

    Results that are kept under it are made once for all readers of shipped things, and seen by nobody else where
    anything is a reader's own.
    """
    own = workspace().root
    return str(common_root(own) if things and all(thing.shipped for thing in things) else own)


def dataset(dataset_id: str) -> Dataset:
    """Open a data set, or return the one that is open already.

    Raises
    ------
    InputError
        When no data set has this id.
    """
    folder = workspace().dataset_folder(dataset_id)
    own = folder.parent == workspace().root / "datasets"
    return _dataset(str(folder), not own, (folder / INFO_FILE).stat().st_mtime_ns)


@st.cache_resource(max_entries=4, show_spinner="Opening the data set …")
def _dataset(folder: str, shipped: bool, written: int) -> Dataset:
    """Open it anew where its face has changed: it got a name, or its map is drawn now."""
    return Dataset.open(Path(folder), shipped=shipped)


def model(model_id: str) -> GenerativeModel:
    """Load a model, or return the one that is loaded already (this imports torch).

    Raises
    ------
    InputError
        When no model has this id.
    """
    return _model(str(workspace().model_folder(model_id)))


@st.cache_resource(max_entries=2, show_spinner="Loading the model …")
def _model(folder: str) -> GenerativeModel:
    from genediff.models.load_model import load_model

    return load_model(Path(folder))


def warm_umap() -> None:
    """Compile UMAP's transform on the first shipped data set; a failure here must not harm the server."""
    try:
        PLACER.warm(ASSETS / "datasets" / DEMO_DATASET)
    except Exception:
        logging.getLogger(__name__).warning("UMAP could not be warmed up", exc_info=True)
