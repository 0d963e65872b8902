"""Do generated cells show the marker genes of their type, as often and as strongly as real ones?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from genediff.analysis.markers import Dots, choose_markers, dots_in, dots_of, gap, table
from genediff.plots.generated_closer import marker_dots
from genediff.plots.palettes import SEQUENTIAL_NAMES, sequential
from genediff.ui import caching, theme
from genediff.ui.figures import show_figure
from genediff.ui.generate_job import log_values
from genediff.ui.genes import genes_search

if TYPE_CHECKING:
    from genediff.data import Dataset
    from genediff.model_info import ModelInfo
    from genediff.ui.generate_job import Job

LEAST = 3  # cells of a type, for its rows to be drawn


def show(job: Job, dataset: Dataset, info: ModelInfo, *, name: str) -> None:
    """Draw the dots of real held-out and generated cells, type by type, and how far they lie apart."""
    label = dataset.info.label
    assert job.cells is not None
    if label is None or label not in job.cells.obs:
        st.info(
            "These cells carry no cell type, so there are no types to compare by. Train with the label as a condition."
        )
        return
    own = genes_search(dataset.genes, key="marker_genes", label="Other genes than the markers found", most=30)
    chosen = tuple(own) or _markers(str(caching.workspace().root), dataset.info.id, label)
    levels = dataset.vocabulary(label)
    places = [dataset.genes.index(gene) for gene in chosen]
    codes = pd.Categorical(job.cells.obs[label].astype(object), categories=list(levels)).codes
    made = dots_of(log_values(job.cells, dataset), codes, len(levels), places)
    test, other = (_real(str(caching.workspace().root), dataset.info.id, label, chosen, part) for part in PARTS)
    kept = [i for i in range(len(levels)) if made.n[i] >= LEAST and test.n[i] >= LEAST]
    if not kept:
        st.info("No type has enough generated and held-out cells to compare; ask for more cells.")
        return
    rows = table({"real": test, "generated": made}, levels, chosen)
    shown = rows[rows["type"].isin([levels[i] for i in kept])]
    share, mean = gap(made, test)
    floor_share, floor_mean = gap(other, test)
    st.markdown(
        f"On average a marker is seen in **{share:.1%}** more or fewer cells of a type than in real held-out cells "
        f"(two real samples: {floor_share:.1%}), and its mean is **{mean:.2f}** off (two real samples: "
        f"{floor_mean:.2f})."
    )
    scale = sequential(SEQUENTIAL_NAMES[0], dark=theme.is_dark())
    show_figure(
        marker_dots(shown, colour_scale=scale),
        name=f"{name}-markers",
        key="marker_dots",
        how_to_read="Size: share of a type's cells with any count of the gene; colour: its mean over all cells of the "
        "type. Each type has two rows, real (test cells) above generated: they should look alike. Markers were chosen "
        "on training cells, so that the comparison is fair; means say nothing of genes that vary together.",
        table=lambda: rows,
    )


PARTS = ("test", "validation")


@st.cache_data(max_entries=16, show_spinner=False)
def _markers(home_folder: str, dataset_id: str, label: str) -> tuple[str, ...]:
    return choose_markers(caching.dataset(dataset_id), label)


@st.cache_resource(max_entries=64, show_spinner=False)
def _real(home_folder: str, dataset_id: str, label: str, genes: tuple[str, ...], part: str) -> Dots:
    dataset = caching.dataset(dataset_id)
    places = [dataset.genes.index(gene) for gene in genes]
    return dots_in(dataset, part, label, places)
