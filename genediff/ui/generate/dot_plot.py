"""Do generated cells show the marker genes of their type, as often and as strongly as real ones?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import streamlit as st

from genediff.inspection.one_cell.marker_genes import Dots, choose_markers, dots_in, dots_of, gap, table
from genediff.plots.generated_detail_plots import marker_dots
from genediff.plots.palettes import SEQUENTIAL_NAMES, sequential
from genediff.ui.generate.generate_job import log_values
from genediff.ui.kit import region, theme
from genediff.ui.kit.figures import show_figure
from genediff.ui.kit.gene_search import genes_search

if TYPE_CHECKING:
    from genediff.data import Dataset
    from genediff.models.model_info import ModelInfo
    from genediff.ui.generate.generate_job import Job

LEAST = 3  # cells of a type, for its rows to be drawn


def show(job: Job, dataset: Dataset, info: ModelInfo, *, name: str) -> None:
    """Draw the dots of real held-out and generated cells, type by type, and how far they lie apart."""
    label = dataset.info.label
    assert job.cells is not None
    if label is None or label not in job.cells.obs:
        st.info("These cells have no cell type to compare by. Train the model with the label as a condition.")
        return
    own = genes_search(dataset.genes, key="marker_genes", label="Genes (instead of the markers found)", most=30)
    chosen = tuple(own) or _markers(str(dataset.info.folder), dataset.info.content_hash, label, dataset)
    levels = dataset.vocabulary(label)
    places = [dataset.genes.index(gene) for gene in chosen]
    codes = pd.Categorical(job.cells.obs[label].astype(object), categories=list(levels)).codes
    corners = region.read(region.MAP) if dataset.info.has_umap and job.xy is not None else None
    drawn = ""
    if corners and st.toggle("Only cells in the region drawn on the map", value=True, key="markers_in_region"):
        assert job.xy is not None
        codes, drawn = np.where(region.inside(corners, job.xy), codes, -1), st.query_params[region.MAP]
    made = dots_of(log_values(job.cells, dataset), codes, len(levels), places)
    of = str(dataset.info.folder), dataset.info.content_hash
    test, other = (_real(*of, label, chosen, part, drawn, dataset) for part in PARTS)
    kept = [i for i in range(len(levels)) if made.n[i] >= LEAST and test.n[i] >= LEAST]
    if not kept:
        where = " in the region" if drawn else ""
        st.info(f"No cell type has enough generated and held-out cells{where} to compare; generate more cells.")
        return
    rows = table({"real": test, "generated": made}, levels, chosen)
    shown = rows[rows["type"].isin([levels[i] for i in kept])]
    share, mean = gap(made, test)
    floor_share, floor_mean = gap(other, test)
    st.markdown(
        "Marker genes, generated against held-out real cells of the same type: the share of expressing cells "
        "differs by "
        f"**{share:.1%}** on average (real against real: {floor_share:.1%}), the mean expression by **{mean:.2f}** "
        f"(real against real: {floor_mean:.2f})."
    )
    scale = sequential(SEQUENTIAL_NAMES[0], dark=theme.is_dark())
    show_figure(
        marker_dots(shown, colour_scale=scale),
        name=f"{name}-markers",
        key="marker_dots",
        how_to_read="Size: share of a type's cells expressing the gene; colour: mean expression over all cells of the "
        "type. Each type has two rows, real (test cells) above generated, which should look alike. Markers were chosen "
        "on training cells. Means do not show whether genes vary together.",
        table=lambda: rows,
    )


PARTS = ("test", "validation")


@st.cache_data(max_entries=16, show_spinner=False)
def _markers(folder: str, content: str, label: str, _dataset: Dataset) -> tuple[str, ...]:
    return choose_markers(_dataset, label)


@st.cache_resource(max_entries=64, show_spinner=False)
def _real(
    folder: str, content: str, label: str, genes: tuple[str, ...], part: str, drawn: str, _dataset: Dataset
) -> Dots:
    """``drawn`` is the region that the address holds, by which the dots of its cells are kept."""
    places = [_dataset.genes.index(gene) for gene in genes]
    return dots_in(_dataset, part, label, places, among=region.on_map(_dataset) if drawn else None)
