"""How good the cells of a data set are: counts, genes and mitochondrial share, as a whole and class by class."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import streamlit as st

from genediff.plots import qc
from genediff.ui import data_columns, figures

if TYPE_CHECKING:
    from genediff.data import Dataset

_MEASURES = {  # title, whether the axis is logarithmic, how to read it
    "qc_total": (
        "Counts per cell (UMI, all genes)",
        True,
        "Few counts mean a shallow or damaged cell; very many may be two cells in one droplet. "
        "Cell types differ in size, so a low value alone condemns no cell.",
    ),
    "qc_genes": (
        "Genes seen per cell",
        True,
        "Falls and rises with the counts. Cells with far fewer genes than others are often debris; "
        "the plot cannot tell them from a quiet cell type.",
    ),
    "qc_mito": (
        "Mitochondrial counts per cell (%)",
        False,
        "A high share points to stressed or broken cells. What counts as high depends on the tissue; "
        "a file without mitochondrial genes shows 0 everywhere.",
    ),
}


def show(dataset: Dataset) -> None:
    """Draw the quality values as a whole, then by class, then how classes are split."""
    obs, info = dataset.obs, dataset.info
    measures = {name: told for name, told in _MEASURES.items() if name in obs}
    if not info.has_counts:
        st.info(f"The file holds {info.values} values, not counts: totals per cell say little here.")
    for place, (name, (title, log, reading)) in zip(st.columns(3), measures.items(), strict=False):
        with place:
            figures.show_figure(
                qc.histogram(obs[name], title=title, log=log and info.has_counts),
                how_to_read=reading,
                name=f"histogram-{name}",
                table=pd.DataFrame({"cell": obs.index, name: obs[name].to_numpy()}),
            )
    _by_class(dataset, list(measures))


def _by_class(dataset: Dataset, measures: list[str]) -> None:
    columns = data_columns.colour_columns(dataset).classes
    columns = tuple(name for name in columns if name != "split")
    if not columns:
        st.caption("No obs column holds classes of cells, so nothing can be compared between classes.")
        return
    st.subheader("Class by class", anchor=False)
    which, what = st.columns([0.3, 0.7], vertical_alignment="bottom")
    with which:
        label = st.selectbox("Classes", columns, key="classes", bind="query-params")
    with what:
        measure = st.segmented_control(
            "Value", measures, default=measures[0], required=True, key="measure", bind="query-params",
            format_func=lambda name: data_columns.title(name),
        )  # fmt: skip
    codes, levels = data_columns.classes(dataset, label)
    title, log, _ = _MEASURES[measure]
    left, right = st.columns(2, gap="medium")
    with left:
        figures.show_figure(
            qc.per_label(dataset.obs[measure], codes, levels, title=title, log=log and dataset.info.has_counts),
            how_to_read="Box: the middle half of a class's cells, the median as a line; whiskers: the middle 90%. "
            "The number of cells behind a box is not shown here; see the bars beside it.",
            name=f"{measure}-by-{label}",
            table=lambda: qc.label_table(dataset.obs, label).reset_index(),
        )
    with right:
        figures.show_figure(
            qc.cells_per_label(codes, levels, dataset.obs["split"].to_numpy()),
            how_to_read="Models learn from training cells, are watched on validation cells and judged on test cells. "
            "Classes with few cells are judged by few: read their figures with care.",
            name=f"cells-by-{label}",
            table=lambda: qc.label_table(dataset.obs, label).reset_index(),
        )
    rare = [level for code, level in enumerate(levels) if 0 < np.count_nonzero(codes == code) < 20]
    if rare:
        st.caption(f"Fewer than 20 cells: {', '.join(rare)}.")
