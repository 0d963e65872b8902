"""How good the cells of a data set are: counts, genes and mitochondrial share, as a whole and class by class."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import streamlit as st

from genediff.plots import palettes, quality_plots
from genediff.ui.kit import cell_filter, figures, obs_columns, region

if TYPE_CHECKING:
    from genediff.data import Dataset

_MEASURES = {  # title, whether the axis is logarithmic, how to read it
    "qc_total": (
        "Counts per cell (UMI, all genes)",
        True,
        "Low counts indicate a shallowly sequenced or damaged cell, very high counts a possible doublet. "
        "Cell types differ in RNA content, so a low value alone is no reason to exclude a cell.",
    ),
    "qc_genes": (
        "Genes detected per cell",
        True,
        "Correlates with the counts. Cells with far fewer genes than others are often debris, or a cell type with "
        "low RNA content.",
    ),
    "qc_mito": (
        "Mitochondrial counts per cell (%)",
        False,
        "A high share indicates stressed or broken cells; the threshold depends on the tissue. Files without "
        "mitochondrial genes show 0 everywhere.",
    ),
}


def show(dataset: Dataset) -> None:
    """Draw the quality values as a whole, then by class, then how classes are split."""
    obs, info = dataset.obs, dataset.info
    measures = {name: told for name, told in _MEASURES.items() if name in obs}
    if not info.has_counts:
        st.info(f"The file holds {info.values} values, not counts: totals per cell are not informative.")
    chosen = region.on_map(dataset)
    if cell_filter.shown(dataset) is not None:
        st.caption("All cells are counted here, also those that the map does not show.")
    if chosen is not None:
        region.say_selected(chosen)
    for place, (name, (title, log, reading)) in zip(st.columns(3), measures.items(), strict=False):
        with place:
            figures.show_figure(
                quality_plots.histogram(
                    obs[name],
                    title=title,
                    log=log and info.has_counts,
                    selected=None if chosen is None else obs[name][chosen],
                ),
                how_to_read=reading,
                name=f"histogram-{name}",
                table=pd.DataFrame({"cell": obs.index, name: obs[name].to_numpy()}),
            )
    _by_class(dataset, list(measures), chosen)


def _by_class(dataset: Dataset, measures: list[str], chosen: np.ndarray | None) -> None:
    columns = obs_columns.colour_columns(dataset).classes
    columns = tuple(name for name in columns if name != "split")
    if not columns:
        st.caption("No obs column has classes of cells to compare.")
        return
    st.subheader("By class", anchor=False)
    which, what = st.columns([0.3, 0.7], vertical_alignment="bottom")
    with which:
        label = st.selectbox("Classes", columns, key="classes", bind="query-params")
    with what:
        measure = st.segmented_control(
            "Value", measures, default=measures[0], required=True, key="measure", bind="query-params",
            format_func=lambda name: obs_columns.title(name),
        )  # fmt: skip
    codes, levels = obs_columns.classes(dataset, label)
    title, log, _ = _MEASURES[measure]
    values, groups, names, known = dataset.obs[measure].to_numpy(), codes, levels, palettes.for_levels(levels)
    if chosen is not None:  # once more, as a class of their own
        values, groups = np.append(values, values[chosen]), np.append(codes, np.full(chosen.sum(), len(levels)))
        names, known = (*levels, palettes.SELECTED), {**known, palettes.SELECTED: palettes.SELECTED_COLOUR}
    left, right = st.columns(2, gap="medium")
    with left:
        figures.show_figure(
            quality_plots.per_label(
                values, groups, names, title=title, log=log and dataset.info.has_counts, colours=known
            ),
            how_to_read="Box: quartiles of a class's cells, with the median; whiskers: 5th to 95th percentile. "
            "The numbers of cells are in the bars beside it.",
            name=f"{measure}-by-{label}",
            table=lambda: quality_plots.label_table(dataset.obs, label).reset_index(),
        )
    with right:
        figures.show_figure(
            quality_plots.cells_per_label(codes, levels, dataset.obs["split"].to_numpy()),
            how_to_read="Models are trained on training, monitored on validation and evaluated on test cells. "
            "Estimates for classes with few test cells are uncertain.",
            name=f"cells-by-{label}",
            table=lambda: quality_plots.label_table(dataset.obs, label).reset_index(),
        )
    rare = [level for code, level in enumerate(levels) if 0 < np.count_nonzero(codes == code) < 20]
    if rare:
        st.caption(f"Fewer than 20 cells: {', '.join(rare)}.")
