"""What was chosen when a data set was imported, what was left out, and what can be done with the data set."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from genediff.errors import InputError
from genediff.ui import caching, downloads, explain, frame, genes, state

if TYPE_CHECKING:
    from genediff.data import Dataset, DatasetInfo

_DELETED = "deleted_dataset"


def show(dataset: Dataset) -> None:
    """Show the notes of the import, the chosen genes, the downloads, and rename and delete."""
    left, right = st.columns(2, gap="large")
    with left:
        _cells_and_split(dataset.info)
        _genes(dataset)
    with right:
        _downloads(dataset)
        _manage(dataset.info)


def _cells_and_split(info: DatasetInfo) -> None:
    st.subheader("Cells", anchor=False)
    facts = {
        "File": info.source,
        "Cells": f"{info.n_cells:,}",
        "Values": "raw counts" if info.has_counts else f"{info.values}, no raw counts",
        "Species": info.species,
        "Label": info.label or "none",
        "Conditions a model may use": ", ".join(info.conditions) or "none",
        "Batch": info.batch or "none",
        "Perturbation": f"{info.perturbation}, control {info.control}" if info.perturbation else "none",
        "Imported": info.created[:10],
    }
    values = [explain.plain(value) for value in facts.values()]
    st.table(pd.Series(values, index=list(facts)), border="horizontal", hide_header=True)
    for note in info.notes:
        st.markdown(f"- {explain.plain(note)}")
    st.subheader("Split", anchor=False)
    sizes = info.split_sizes
    how = (
        f"read from the column {explain.plain(info.config['split_column'])}"
        if info.config.get("split_column")
        else f"drawn with seed {info.config.get('seed', 0)}"
        + (f", with the same mix of {explain.plain(info.label)} in each part" if info.label else "")
    )
    st.markdown(
        f"**{sizes.get('train', 0):,}** cells to train on, **{sizes.get('validation', 0):,}** to watch training by, "
        f"**{sizes.get('test', 0):,}** kept for judging; {how}. Models never see the test cells."
    )


def _genes(dataset: Dataset) -> None:
    info = dataset.info
    st.subheader("Genes", anchor=False)
    target = f" Counts are scaled to a total of {info.target_sum:,.0f} before the log." if info.target_sum else ""
    st.markdown(
        f"**{info.n_genes:,}** of {info.n_genes_total:,} genes are chosen for models: those that vary most between "
        f"training cells.{target} The map can be coloured by all of them."
    )
    name = genes.gene_search(
        dataset.all_genes, key="is_chosen", label="Is my gene among the chosen ones?", ids=dataset.gene_ids
    )
    if name:
        known = name in set(dataset.genes)
        mark = ":green[:material/check:]" if known else ":orange[:material/close:]"
        told = "is chosen: models learn and generate it." if known else "is not chosen: models do not know it."
        st.markdown(f"{mark} **{explain.plain(name)}** {told}")


def _downloads(dataset: Dataset) -> None:
    st.subheader("Take away", anchor=False)
    stem = dataset.info.id
    with st.container(horizontal=True):
        downloads.download(
            "Data set as h5ad", lambda: _to_h5ad(dataset), f"{stem}.h5ad", key="dataset-h5ad", narrow=True
        )
        downloads.download("Cells as CSV", lambda: _cells_csv(dataset), f"{stem}-cells.csv", key="cells", narrow=True)
        downloads.download("Genes as CSV", lambda: _genes_csv(dataset), f"{stem}-genes.csv", key="genes", narrow=True)
    explain.how_to_read(
        "The h5ad holds the chosen genes (counts, or the file's values), obs with the split, and PCA and UMAP "
        "coordinates. The tables hold every cell with its split and coordinates, and every gene, chosen or not."
    )


def _manage(info: DatasetInfo) -> None:
    st.subheader("Rename or delete", anchor=False)
    if info.shipped:
        st.caption("This data set comes with GeneDiff, so it can be neither renamed nor deleted.")
        return
    name = st.text_input("Name", info.name, key=f"name-{info.id}", max_chars=120)
    with st.container(horizontal=True):
        st.button("Save the name", disabled=name.strip() == info.name, on_click=_rename, args=(info.id,))
        st.button("Delete this data set", icon=":material/delete:", on_click=_delete, args=(info.id, info.name))
    st.caption("Deleting puts it into the workspace's trash; it can be brought back.")


def _rename(dataset_id: str) -> None:
    try:
        caching.workspace().rename_dataset(dataset_id, st.session_state[f"name-{dataset_id}"])
    except InputError as error:
        st.session_state["data_message"] = str(error)


def _delete(dataset_id: str, name: str) -> None:
    try:
        caching.workspace().delete_dataset(dataset_id)
    except InputError as error:
        st.session_state["data_message"] = str(error)
        return
    state.forget("dataset")
    st.session_state[_DELETED] = (dataset_id, name)


def _restore(dataset_id: str) -> None:
    try:
        caching.workspace().restore_dataset(dataset_id)
    except InputError as error:
        st.session_state["data_message"] = str(error)
        return
    st.session_state.pop(_DELETED, None)
    state.choose(dataset=dataset_id)


def show_messages() -> None:
    """Say what the last button did, with a way back from a deletion."""
    message = st.session_state.pop("data_message", None)
    if message:
        st.error(message)
    if _DELETED in st.session_state:
        dataset_id, name = st.session_state[_DELETED]
        with st.container(border=True, horizontal=True, vertical_alignment="center"):
            st.markdown(f":material/delete: “{explain.plain(name)}” was deleted.", width="content")
            st.button("Undo", on_click=_restore, args=(dataset_id,), key="undo-delete")


def show_trash() -> None:
    """Offer what was deleted earlier."""
    deleted = caching.workspace().list_trash("datasets")
    if deleted:
        with st.expander(f"Deleted data sets ({len(deleted)})"):
            for dataset_id in deleted:
                with st.container(horizontal=True, vertical_alignment="center"):
                    st.markdown(f"`{dataset_id}`", width="content")
                    st.button("Bring back", on_click=_restore, args=(dataset_id,), key=f"restore-{dataset_id}")


def add_link() -> None:
    """Link to adding a data set."""
    frame.link("data", "Add a data set", icon=":material/add:", extra={"add": "1"})


def _cells_csv(dataset: Dataset) -> bytes:
    table = dataset.obs.copy()
    table.index.name = "cell"
    if dataset.info.has_umap:
        table["umap_1"], table["umap_2"] = dataset.umap.T
    return downloads.to_csv(table)


def _genes_csv(dataset: Dataset) -> bytes:
    chosen = set(dataset.genes)
    table = pd.DataFrame({"gene": dataset.all_genes, "id": dataset.gene_ids})
    table["chosen"] = [name in chosen for name in dataset.all_genes]
    return downloads.to_csv(table)


def _to_h5ad(dataset: Dataset) -> bytes:
    import h5py
    from anndata import AnnData
    from anndata.io import write_elem

    adata = AnnData(
        dataset.counts() if dataset.info.has_counts else dataset.x(),
        obs=dataset.obs.copy(),
        var=pd.DataFrame(index=list(dataset.genes)),
        obsm={"X_pca": dataset.pcs, **({"X_umap": dataset.umap} if dataset.info.has_umap else {})},
        uns={"genediff": {"dataset_id": dataset.info.id, "content_hash": dataset.content_hash}},
    )
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        write_elem(file, "/", adata)
    return buffer.getvalue()
