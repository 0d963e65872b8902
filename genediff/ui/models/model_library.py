"""The model library: details of a model, rename, delete and undo, download, upload."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from genediff.core.errors import InputError
from genediff.evaluation import Evaluation
from genediff.models.archive import export_model
from genediff.models.model_info import CARD_FILE, EVALUATION_FILE, ModelInfo
from genediff.perturbation.model.response_archive import import_any
from genediff.ui.kit import caching, explain, layout, reproduction_bundle, state, tables
from genediff.ui.kit.downloads import download, written
from genediff.ui.kit.library_list import LibraryList
from genediff.ui.models import model_table
from genediff.ui.run_views import adaptation_gain_view, trust_panel

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from streamlit.runtime.uploaded_file_manager import UploadedFile

    from genediff.data import DatasetInfo
    from genediff.models.response_info import ResponseInfo

OPTIONS = ("Main options", "Options that differ", "All options")
"""Which options of the models the table may hold."""
_PROBLEM = "model_problem"
_NEWS = "model_news"


def library() -> LibraryList:
    """Return what can be done with the models of cells."""
    place = caching.workspace()
    return LibraryList(
        "model", "models", place.delete_model, place.restore_model, place.rename_model,
        when_deleted=lambda _: state.forget("model"), when_restored=lambda model_id: state.choose(model=model_id),
    )  # fmt: skip


def origin(info: ModelInfo | ResponseInfo) -> str:
    """Say where a model comes from: the app, the workspace that all share, a run of this one, or outside."""
    if info.shipped:
        return caching.workspace().origin(info.folder)
    return "trained here" if (caching.workspace().runs / info.id).is_dir() else "uploaded"


def news() -> None:
    """Tell what the last action did, with the way back from a deletion."""
    if problem := st.session_state.pop(_PROBLEM, None):
        explain.show_input_error(problem)
    if said := st.session_state.pop(_NEWS, None):
        st.success(said)
    library().messages()


def table(models: Sequence[ModelInfo], *, options: str) -> None:
    """Draw all models side by side; a click on a row chooses a model.

    Parameters
    ----------
    options
        One of `OPTIONS`.
    """
    figures, facts = model_table.figures(models), model_table.facts(models)
    main, differing, every = OPTIONS
    kept = {main: list(model_table.MAIN), differing: model_table.varying(facts), every: list(facts)}[options]
    about = pd.DataFrame(
        {
            "model": [info.title for info in models],
            "origin": [origin(info) for info in models],
            "data set": [info.dataset_name for info in models],
        },
        index=figures.index,
    )
    if options != every and about["data set"].nunique() == 1:
        about = about.drop(columns="data set")  # figures have its room
    groups = pd.Series([info.dataset_id for info in models], index=figures.index)
    judged = figures.dropna(axis=1, how="all")
    whole = pd.concat([about, judged, facts[kept]], axis=1)
    tables.show(
        whole,
        "library",
        style=lambda rows: model_table.styled(rows, model_table.best(judged, groups)),
        on_pick=lambda row: state.choose(model=models[row].id),
        column_config={"model": st.column_config.TextColumn(pinned=True)},
    )
    explain.how_to_read(
        "↓ lower is better, ↑ higher is better, → target value. Bold on green: best among models of the same data "
        "set, on its held-out cells, whether or not by more than chance. Click a row to show that model below."
    )


def details(info: ModelInfo) -> None:
    """Draw one model: what can be done with it, its figures, its configuration, its card."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader(explain.plain(info.title), anchor=False, width="content")
        st.badge(origin(info), color="green" if info.shipped else "blue")
    trained = f" in {info.trained['seconds'] / 60:.0f} min" if info.trained.get("seconds") else ""
    known = "".join(f" on {explain.plain(title)}" for title in info.knowledge.values())
    st.caption(
        f"{info.n_parameters:,} parameters · {info.n_genes:,} genes · {model_table.strategy_title(info)}{known} · "
        f"{info.config.model.space_name} · "
        f"trained on {explain.plain(info.dataset_name)}{trained} · {info.created[:10]}"
    )
    adaptation_gain_view.base_of(info, caching.workspace())
    with st.container(horizontal=True, vertical_alignment="center"):
        layout.link("generate", "Generate cells", icon=":material/auto_awesome:", model=info.id)
        download("Download (zip)", lambda: _zipped(info.folder), f"{info.id}.zip", key=f"model-{info.id}", narrow=True)
        reproduction_bundle.bundle_button("Models: one model", model=info, dataset=_dataset(info))
        if not info.shipped:
            library().rename_button(info.id, info.title)
            library().delete_button(info.id, info.title)
    judged, options, card = st.tabs(["Evaluation", "Configuration", "Model card"])
    with judged:
        _figures(info)
    with options:
        tables.show(_options(info), "options", height=420)
    with card:
        show_card(info.folder / CARD_FILE)


def show_card(path: Path) -> None:
    """Show the card that came with a model; its links and images are text."""
    if path.exists():
        st.markdown(explain.card(path.read_text(encoding="utf-8", errors="replace")))
    else:
        st.markdown("This model came without a card.")


def upload() -> None:
    """Offer to put a model from elsewhere into the library."""
    with st.expander("Upload a model", icon=":material/upload:"):
        given = st.file_uploader(
            "A model exported by GeneDiff (.zip): of cells or of perturbations", key="model_upload"
        )
        st.caption(
            "A zip of safetensors and JSON contains only numbers and text. Pickles (.pt, .ckpt, .pkl) can run code "
            "when "
            "opened and are refused."
        )
        if given is not None:
            st.button("Add to the library", type="primary", icon=":material/add:", on_click=_add, args=(given,))


def trash() -> None:
    """List deleted models, each with a way back."""
    library().trash(caching.workspace().list_trash("models"))


def _figures(info: ModelInfo) -> None:
    adaptation_gain_view.show(info.folder)
    path = info.folder / EVALUATION_FILE
    if not path.exists():
        st.info("This model has not been evaluated on held-out cells. Generated cells are evaluated right away.")
        return
    try:
        evaluation = Evaluation.read(path)
    except InputError as error:
        explain.show_input_error(error)
        return
    trust_panel.verdict(evaluation)
    trust_panel.show(evaluation, name=info.id)


def _options(info: ModelInfo) -> pd.DataFrame:
    row = model_table.facts([info]).iloc[0]
    return pd.DataFrame({"option": row.index, "value": ["–" if v is None else str(v) for v in row]})


def _dataset(info: ModelInfo) -> DatasetInfo | None:
    return next((one for one in caching.workspace().list_datasets() if one.id == info.dataset_id), None)


def _add(given: UploadedFile) -> None:
    try:
        info = import_any(
            io.BytesIO(given.getvalue()), caching.workspace().models, caching.workspace().responses, name=given.name
        )
    except InputError as error:
        st.session_state[_PROBLEM] = str(error)
        return
    said = f"“{explain.plain(info.title)}” is in the library."
    if isinstance(info, ModelInfo):
        state.choose(model=info.id)
    else:
        said += f" It is listed below, among the models of perturbations.{_cells_needed(info)}"
    st.session_state[_NEWS] = said


def _cells_needed(info: ResponseInfo) -> str:
    if any(one.content_hash == info.content_hash for one in caching.workspace().list_datasets()):
        return ""
    return (
        f" Its cells ({explain.plain(info.dataset_name)}) are not in this workspace: import the same file with the "
        "same "
        "settings to predict with it."
    )


def _zipped(folder: Path) -> bytes:
    return written("model.zip", lambda path: export_model(folder, path))
