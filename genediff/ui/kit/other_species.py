"""Cells of another species under the names that a model has for their genes: by the shipped table, and said so."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from genediff.models.model_info import read_spec
from genediff.ui.kit import explain

if TYPE_CHECKING:
    from genediff.data import Dataset
    from genediff.knowledge.orthologs import Orthologs
    from genediff.models.model_info import ModelInfo


def table_for(info: ModelInfo, dataset: Dataset) -> Orthologs | None:
    """Return the shipped table of orthologs where it links far more of a model's genes than their names do."""
    from genediff.knowledge.orthologs import shipped_orthologs

    found: bool = _proposed(str(info.folder), info.created, dataset.info.content_hash, dataset)
    return shipped_orthologs() if found else None


def in_names_of(info: ModelInfo, dataset: Dataset) -> Dataset:
    """Return the data set as a model can read it, renamed with a line that says so where it is of another species."""
    if info.dataset_id == dataset.info.id or table_for(info, dataset) is None:
        return dataset
    st.caption(
        f":material/info: {explain.plain(dataset.info.name)} has genes of another species: they are shown under the "
        "names of their one-to-one orthologs in the model's (HGNC and MGI); genes without one are left out."
    )
    renamed: Dataset = _renamed(str(info.folder), info.created, dataset.info.content_hash, dataset)
    return renamed


@st.cache_data(max_entries=64, show_spinner=False)
def _proposed(folder: str, created: str, content: str, _dataset: Dataset) -> bool:
    from genediff.inspection.transfer.aligned_cells import proposal

    return proposal(_genes(folder), _dataset) is not None


@st.cache_resource(max_entries=4, show_spinner="Matching genes …")
def _renamed(folder: str, created: str, content: str, _dataset: Dataset) -> Dataset:
    from genediff.data.cells.renamed import RenamedDataset
    from genediff.knowledge.orthologs import shipped_orthologs

    return RenamedDataset(_dataset, shipped_orthologs().names_for(_dataset.all_genes, _genes(folder)))


def _genes(folder: str) -> tuple[str, ...]:
    return read_spec(Path(folder)).genes
