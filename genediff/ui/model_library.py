"""What can be done with a model of the library: read about it, rename, delete and undo, take away, put in."""

from __future__ import annotations

import io
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from genediff.errors import InputError
from genediff.evaluation import Evaluation
from genediff.model_archive import export_model
from genediff.model_info import CARD_FILE, EVALUATION_FILE, ModelInfo
from genediff.response_archive import import_any
from genediff.ui import bundle, caching, explain, frame, gain_view, model_table, state, trust_panel, undo
from genediff.ui.downloads import download

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streamlit.runtime.uploaded_file_manager import UploadedFile

    from genediff.data import DatasetInfo
    from genediff.response.info import ResponseInfo

_DELETED = "deleted_model"
_PROBLEM = "model_problem"
_NEWS = "model_news"


def origin(info: ModelInfo) -> str:
    """Say where a model comes from: with the app, from a run of this workspace, or from outside."""
    if info.shipped:
        return "shipped"
    return "trained here" if (caching.workspace().runs / info.id).is_dir() else "uploaded"


def news() -> None:
    """Tell what the last action did, with the way back from a deletion."""
    if problem := st.session_state.pop(_PROBLEM, None):
        st.error(problem)
    if said := st.session_state.pop(_NEWS, None):
        st.success(said)
    deleted = st.session_state.get(_DELETED)
    if deleted is not None:
        undo.offer(deleted[1], _restore, deleted[0], key="undo_delete")


def table(models: Sequence[ModelInfo], *, every_column: bool) -> None:
    """Draw all models side by side; a click on a row chooses a model.

    Parameters
    ----------
    every_column
        Also columns that are the same in all rows.
    """
    figures, facts = model_table.figures(models), model_table.facts(models)
    kept = list(facts) if every_column else model_table.varying(facts)
    about = pd.DataFrame(
        {
            "model": [info.title for info in models],
            "origin": [origin(info) for info in models],
            "data set": [info.dataset_name for info in models],
        },
        index=figures.index,
    )
    groups = pd.Series([info.dataset_id for info in models], index=figures.index)
    judged = figures.dropna(axis=1, how="all")
    whole = pd.concat([about, judged, facts[kept]], axis=1)
    event = st.dataframe(
        model_table.styled(whole, model_table.best(judged, groups)),
        hide_index=True,
        key="library",
        on_select=lambda: _choose([info.id for info in models]),
        selection_mode="single-row",
        column_config={"model": st.column_config.TextColumn(pinned=True)},
    )
    del event
    hidden = len(facts.columns) - len(kept)
    same = f" {hidden} options that are the same for all are hidden." if hidden else ""
    explain.how_to_read(
        "↓ lower is better, ↑ higher is better, → the value to reach. Bold on green: the best among models of the same "
        f"data set, judged on its held-out cells.{same} Click a row to see that model below."
    )


def details(info: ModelInfo) -> None:
    """Draw one model: what can be done with it, its figures, its configuration, its card."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader(info.title, anchor=False, width="content")
        st.badge(origin(info), color="green" if info.shipped else "blue")
    trained = f", trained in {info.trained['seconds'] / 60:.0f} min" if info.trained.get("seconds") else ""
    known = "".join(f" on {title}" for title in info.knowledge.values())
    st.caption(
        f"{info.n_parameters:,} parameters · {info.n_genes:,} genes · {model_table.strategy_title(info)}{known} · "
        f"{info.space} space · "
        f"on {info.dataset_name}{trained} · {info.created[:10]}"
    )
    gain_view.base_of(info, caching.workspace())
    with st.container(horizontal=True, vertical_alignment="center"):
        frame.link("generate", "Generate cells", icon=":material/auto_awesome:", model=info.id)
        download("Download (zip)", lambda: _zipped(info.folder), f"{info.id}.zip", key=f"model-{info.id}", narrow=True)
        bundle.bundle_button("Models: one model", model=info, dataset=_dataset(info))
        if not info.shipped:
            _rename(info)
            st.button("Delete", icon=":material/delete:", key="delete_model", on_click=_delete, args=(info,))
    judged, options, card = st.tabs(["Figures", "Configuration", "Model card"])
    with judged:
        _figures(info)
    with options:
        st.dataframe(_options(info), hide_index=True, height=420)
    with card:
        path = info.folder / CARD_FILE
        st.markdown(path.read_text(encoding="utf-8") if path.exists() else "This model came without a card.")


def upload() -> None:
    """Offer to put a model from elsewhere into the library."""
    with st.expander("Upload a model", icon=":material/upload:"):
        given = st.file_uploader(
            "A model exported by GeneDiff (.zip), of cells or of perturbations", key="model_upload"
        )
        st.caption(
            "A zip of safetensors and JSON holds numbers and words only. Pickles (.pt, .ckpt, .pkl) can run code when "
            "they are opened, so they are refused."
        )
        if given is not None:
            st.button("Add to the library", type="primary", icon=":material/add:", on_click=_add, args=(given,))


def trash() -> None:
    """List deleted models, each with a way back."""
    deleted = caching.workspace().list_trash("models")
    if not deleted:
        return
    with st.expander(f"Deleted models ({len(deleted)})", icon=":material/delete:"):
        for model_id in deleted:
            with st.container(horizontal=True, vertical_alignment="center"):
                st.markdown(model_id, width="stretch")
                st.button("Restore", key=f"restore-{model_id}", on_click=_restore, args=(model_id,))


def _figures(info: ModelInfo) -> None:
    gain_view.show(info.folder)
    path = info.folder / EVALUATION_FILE
    if not path.exists():
        st.info("This model was not judged on held-out cells yet. Generate cells with it: they are judged right away.")
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


def _rename(info: ModelInfo) -> None:
    with st.popover("Rename", icon=":material/edit:"):
        st.text_input("Name", info.title, key=f"title-{info.id}", max_chars=120)
        st.button("Save name", type="primary", key="save_title", on_click=_save_title, args=(info.id,))


def _save_title(model_id: str) -> None:
    try:
        caching.workspace().rename_model(model_id, st.session_state[f"title-{model_id}"] or "")
    except InputError as error:
        st.session_state[_PROBLEM] = str(error)


def _add(given: UploadedFile) -> None:
    try:
        info = import_any(io.BytesIO(given.getvalue()), caching.workspace(), name=given.name)
    except InputError as error:
        st.session_state[_PROBLEM] = str(error)
        return
    said = f"“{explain.plain(info.title)}” is in the library."
    if isinstance(info, ModelInfo):
        state.choose(model=info.id)
    else:
        said += f" It stands below, among the models of perturbations.{_cells_needed(info)}"
    st.session_state[_NEWS] = said


def _cells_needed(info: ResponseInfo) -> str:
    if any(one.content_hash == info.content_hash for one in caching.workspace().list_datasets()):
        return ""
    return (
        f" Its cells ({explain.plain(info.dataset_name)}) are not here: import the same file with the same choices to "
        "predict with it."
    )


def _delete(info: ModelInfo) -> None:
    try:
        caching.workspace().delete_model(info.id)
    except InputError as error:
        st.session_state[_PROBLEM] = str(error)
        return
    st.session_state[_DELETED] = (info.id, info.title)
    state.forget("model")


def _restore(model_id: str) -> None:
    st.session_state.pop(_DELETED, None)
    try:
        caching.workspace().restore_model(model_id)
    except InputError as error:
        st.session_state[_PROBLEM] = str(error)
        return
    state.choose(model=model_id)


def _choose(ids: Sequence[str]) -> None:
    rows = st.session_state["library"]["selection"]["rows"]
    if rows:
        state.choose(model=ids[rows[0]])


def _zipped(folder: Path) -> bytes:
    with tempfile.TemporaryDirectory() as place:
        return export_model(folder, Path(place) / "model.zip").read_bytes()
