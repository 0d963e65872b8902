"""What the pages that look inside a model compute, kept for the next look; keys are ids and contents, never arrays."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st

from genediff.ui.kit import background, caching

if TYPE_CHECKING:
    from collections.abc import Callable

    from genediff.data import Dataset
    from genediff.inspection.tokens.token_store import Activations
    from genediff.models.generative_model import GenerativeModel
    from genediff.models.model_info import ModelInfo


def folder(info: ModelInfo, dataset: Dataset) -> Path:
    """Return where what is measured of a model on a data set is kept; removing it is always safe."""
    return Path(caching.place(info, dataset.info)) / "cache" / "inspection"


def activations(info: ModelInfo, dataset: Dataset) -> Activations:
    """Return what a model's tokens say of the cells of a data set; measured at the first look, with a progress bar."""
    content = dataset.info.content_hash
    place = folder(info, dataset)
    kept = _kept(str(place), info.id, info.created, content)
    if kept is not None:
        return kept

    def make(progress: Callable[[float], None]) -> Activations:
        from genediff.inspection.tokens.activations import activations as measure

        return measure(load(info), dataset, place, progress=progress)

    found: Activations = background.finished(
        "Reading the tokens of all cells", ("activations", *key(info, dataset)), make, of=(info, dataset.info)
    )
    return found


def measured(
    title: str,
    name: str,
    info: ModelInfo,
    dataset: Dataset,
    make: Callable[..., Any],
    *options: Any,
    wait: bool = True,
    alone: bool = False,
) -> Any:
    """Return something that is measured of a model on a data set, with a progress bar and a way to cancel.

    Parameters
    ----------
    title
        What is done, as the progress bar says it.
    name, options
        Name the result together with model and data set: plain values, never arrays.
    make
        Called with a function that takes the share that is done; runs in a thread, so it must not touch Streamlit
        (`load` gives it the model).
    wait
        Whether the page stops until it is there; else None is returned meanwhile, and the page goes on without it.
    alone
        Whether it depends on model, data and plain numbers alone, and on nothing that the reader may have named or
        added, such as gene sets: then those who share model and data share it.
    """
    get = background.finished if wait else background.soon
    of = (info, dataset.info) if alone else ()
    return get(title, (name, *key(info, dataset), *options), make, of=of)


def key(info: ModelInfo, dataset: Dataset) -> tuple[str, str, str]:
    """Return what names a model and a data set in every cache."""
    return str(info.folder), info.created, dataset.info.content_hash


def load(info: ModelInfo) -> GenerativeModel:
    """Load a model outside of Streamlit's cache: for threads."""
    from genediff.models.load_model import load_model

    return load_model(info.folder)


def model(info: ModelInfo) -> GenerativeModel:
    """Return the model, loaded once for all readers: for the page's own thread."""
    return caching.model(info.id)


def _kept(place: str, model_id: str, created: str, content: str) -> Activations | None:
    found = _opened(place, model_id, created, content)
    if found is None:
        _opened.clear(place, model_id, created, content)  # it may be there at the next look
    return found


@st.cache_resource(max_entries=8, show_spinner=False)
def _opened(place: str, model_id: str, created: str, content: str) -> Activations | None:
    from genediff.inspection.tokens.token_store import open_activations

    return open_activations(Path(place), model_id=model_id, created=created, content_hash=content)
