"""Who predicts on the Perturb page: a trained model of these cells, or a simple baseline."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from genediff.perturbation.question import BEST, BaselineSource
from genediff.ui.kit import caching, choices, explain
from genediff.ui.perturb import perturb_prerequisites, task_choice

if TYPE_CHECKING:
    from genediff.data import Dataset, DatasetInfo
    from genediff.models.response_info import ResponseInfo
    from genediff.perturbation.model.model_source import ModelSource
    from genediff.perturbation.model.response_model import ResponseModel
    from genediff.perturbation.question import Source


def choose_beside_data(dataset: Dataset) -> Source:
    """Draw the choice of cells and, beside it, of who predicts."""
    left, right = st.columns(2, gap="medium")
    with left:
        perturb_prerequisites.dataset_picker(dataset.info.id)
    with right:
        return choose(dataset)


def choose(dataset: Dataset) -> Source:
    """Draw the choice of who predicts; the address holds it."""
    from genediff.perturbation import BASELINES

    models = {one.info.id: one for one in sources(dataset.info)}
    titles = {
        **{name: f"Model: {one.info.title}" for name, one in models.items()},
        BEST: "The best simple baseline",
        **{name: f"Baseline: {one.title}" for name, one in BASELINES.items()},
    }
    chosen = choices.select("Predicted by", titles, key="by", default=next(iter(titles)))
    if chosen in BASELINES:
        st.caption(explain.plain(BASELINES[chosen].sentence))
    return models.get(chosen) or BaselineSource(task_choice.reader(), chosen)


def sources(dataset: DatasetInfo) -> list[ModelSource]:
    """Return the models that were trained on these cells: shipped ones, then the newest."""
    from genediff.perturbation.model.model_source import ModelSource

    found: list[ResponseInfo] = caching.workspace().list_responses()
    own = [info for info in found if info.content_hash == dataset.content_hash]
    return [ModelSource(info, task_choice.reader(), load) for info in own]


def load(info: ResponseInfo, dataset: Dataset) -> ResponseModel:
    """Return a model beside its data set, loaded once for all readers."""
    return _model(str(info.folder), info.created, str(dataset.info.folder), dataset)


@st.cache_resource(max_entries=4, show_spinner=False)
def _model(folder: str, created: str, cells: str, _dataset: Dataset) -> ResponseModel:
    from genediff.perturbation.model.response_store import load_response

    return load_response(Path(folder), _dataset)
