"""How a data set was imported, what was excluded, and what can be done with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from genediff.data.importing.recipe import stored_recipe
from genediff.generation.write_h5ad import write_dataset
from genediff.ui.kit import caching, downloads, explain, gene_search, layout, state
from genediff.ui.kit.library_list import LibraryList
from genediff.ui.server import upload_widget as server
from genediff.ui.server.upload_tokens import DATASETS

if TYPE_CHECKING:
    from genediff.data import Dataset, DatasetInfo


def library() -> LibraryList:
    """Return what can be done with the data sets of the workspace."""
    place = caching.workspace()
    return LibraryList(
        "dataset", "data sets", place.delete_dataset, place.restore_dataset, place.rename_dataset,
        when_deleted=lambda _: state.forget("dataset"),
        when_restored=lambda dataset_id: state.choose(dataset=dataset_id),
        note="Models that were trained on it stay.",
    )  # fmt: skip


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
        "Conditioning variables": ", ".join(info.conditions) or "none",
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
        else f"random, seed {info.config.get('seed', 0)}"
        + (f", stratified by {explain.plain(info.label)}" if info.label else "")
    )
    st.markdown(
        f"**{sizes.get('train', 0):,}** training, **{sizes.get('validation', 0):,}** validation, "
        f"**{sizes.get('test', 0):,}** test cells; {how}. Models never see the test cells."
    )


def _genes(dataset: Dataset) -> None:
    info = dataset.info
    st.subheader("Genes", anchor=False)
    target = f" Counts are scaled to {info.target_sum:,.0f} per cell before log1p." if info.target_sum else ""
    st.markdown(
        f"Models use **{info.n_genes:,}** of {info.n_genes_total:,} genes: the most variable ones in the training "
        f"cells.{target} The map can be coloured by any gene."
    )
    name = gene_search.gene_search(
        dataset.all_genes,
        key="is_chosen",
        label="Is my gene among them?",
        ids=dataset.gene_ids,
        detected=dataset.detected,
    )
    if name:
        known = name in set(dataset.genes)
        mark = ":green[:material/check:]" if known else ":orange[:material/close:]"
        told = "is used by models." if known else "is not among the genes that models use."
        st.markdown(f"{mark} **{explain.plain(name)}** {told}")


def _downloads(dataset: Dataset) -> None:
    st.subheader("Download", anchor=False)
    stem = dataset.info.id
    with st.container(horizontal=True):
        if server.is_possible():
            link = f"{server.address(DATASETS)}/{stem}?token={server.token()}"
            st.link_button("Data set as h5ad", link, icon=":material/download:")
        else:
            downloads.download(
                "Data set as h5ad", lambda: _to_h5ad(dataset), f"{stem}.h5ad", key="dataset-h5ad", narrow=True
            )
        downloads.download("Cells as CSV", lambda: _cells_csv(dataset), f"{stem}-cells.csv", key="cells", narrow=True)
        downloads.download("Genes as CSV", lambda: _genes_csv(dataset), f"{stem}-genes.csv", key="genes", narrow=True)
        if (recipe := stored_recipe(dataset.info.folder, dataset.info.perturbation)) is not None:
            made = recipe.to_json().encode()
            downloads.download("Recipe of the screen", lambda: made, f"{stem}-recipe.json", key="recipe", narrow=True)
    explain.how_to_read(
        "The h5ad contains the selected genes (counts, or the file's values), obs with the split, and PCA and UMAP "
        "coordinates. The tables list all cells with split and coordinates, and all genes, selected or not."
    )


def _manage(info: DatasetInfo) -> None:
    st.subheader("Rename or delete", anchor=False)
    if info.shipped:
        is_shared = caching.workspace().origin(info.folder) == "shared"
        whose = "is shared by all users of this server" if is_shared else "ships with GeneDiff"
        st.caption(f"This data set {whose}; it cannot be renamed or deleted.")
        return
    with st.container(horizontal=True):
        library().rename_button(info.id, info.name)
        library().delete_button(info.id, info.name)
    st.caption("Deleting moves it to the trash of the workspace, from where it can be restored.")


def show_trash() -> None:
    """Offer what was deleted earlier."""
    library().trash(caching.workspace().list_trash("datasets"))


def add_link() -> None:
    """Link to adding a data set."""
    layout.link("data", "Add a data set", icon=":material/add:", extra={"add": "1"})


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
    return downloads.written("cells.h5ad", lambda path: write_dataset(path, dataset))
