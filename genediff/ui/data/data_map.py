"""The map of a data set's real cells: its colours, which cells it shows, and what a lasso around some of them holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import streamlit as st

from genediff.core.errors import InputError
from genediff.plots import embedding, palettes, publication
from genediff.plots.style import shortened
from genediff.ui.data import differential_view
from genediff.ui.kit import (
    cell_filter,
    downloads,
    explain,
    figures,
    layout,
    missing_map,
    obs_columns,
    region,
    selection_picker,
    subsample,
    tables,
    theme,
)
from genediff.ui.kit import gene_search as genes

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from genediff.data import Dataset

LESS_SURE = (
    "Nearby cells have similar expression; distances between groups, their sizes and the axes are not interpretable. "
    "Validation and test cells are projected onto a map of the training cells."
)
UNIT = "log-normalised"
MOST_PANELS = 9


@dataclass(frozen=True)
class Colours:
    """What the reader chose to colour the map by, and the column whose classes have a panel each."""

    column: str
    genes: tuple[str, ...]
    highlight: tuple[str, ...]
    quantiles: tuple[float, float]
    scale: str
    split: str | None


def show(dataset: Dataset) -> None:
    """Draw the controls, the map, and the summary of a selection beside it."""
    if not dataset.info.has_umap:
        missing_map.show(dataset, "Quality and About show the cells without it.")
        layout.link("train", "Train a model on these cells", icon=":material/arrow_forward:", dataset=dataset.info.id)
        return
    columns = obs_columns.colour_columns(dataset)
    if not columns.classes and not columns.numbers:
        st.info("This file has no annotation of its cells; type a gene to colour the map.")
    colours = _controls(dataset, columns)
    kept = cell_filter.shown(dataset)
    if kept is not None:
        with st.container(horizontal=True, vertical_alignment="center"):
            names = [explain.plain(name) for name in cell_filter.chosen(dataset)]
            more = f" and {len(names) - 4} more" if len(names) > 5 else ""
            only = " · ".join(names[: 4 if more else None])
            st.caption(f"**{int(kept.sum()):,} of {len(kept):,} cells shown**: {only}{more}", width="content")
            st.button("Show all cells", key="show-all", icon=":material/filter_list_off:", on_click=cell_filter.clear)
        if not kept.any():
            st.info("No cell is in all of these classes at once; take one away.")
            return
    left, right = st.columns([0.7, 0.3], gap="medium")
    with left:
        _draw(dataset, colours, columns, kept)
    with right:
        if region.read(region.MAP):
            region.clear_button(region.MAP)
            _summary(dataset, kept, columns)
        else:
            _invitation(dataset)


def _controls(dataset: Dataset, columns: obs_columns.Columns) -> Colours:
    by, search, more, cells = st.columns([0.28, 0.4, 0.16, 0.16], vertical_alignment="bottom")
    questions = st.container()
    with by:
        column = st.selectbox(
            "Colour by",
            [*columns.classes, *columns.numbers],
            format_func=obs_columns.title,
            key="colour",
            bind="query-params",
        )
    with search:
        chosen = genes.genes_search(
            dataset.all_genes,
            key="genes",
            label="or by genes (up to 6, side by side)",
            placeholder="Symbol, Ensembl id or alias: CD3E",
            ids=dataset.gene_ids,
            detected=dataset.detected,
            below=questions,
        )
    coloured_by_class = column in columns.classes and not chosen
    with more, st.popover("Colours", icon=":material/palette:", width="stretch"):
        highlight: list[str] = []
        low, high, scale = 0, 99, palettes.SEQUENTIAL_NAMES[0]
        if coloured_by_class:
            _, levels = obs_columns.classes(dataset, column)
            highlight = st.multiselect(
                "Highlight classes", levels, key="highlight", placeholder="All classes", bind="query-params"
            )
            st.caption("The colours are distinguishable with red–green colour blindness, up to about eight classes.")
        else:
            low, high = st.slider(
                "Colour range (percentiles)", 0, 100, (0, 99), key="range", bind="query-params",
                help="Values outside these percentiles get the end colours, so that a few extreme cells do not "
                "compress the scale.",
            )  # fmt: skip
            scale = st.segmented_control(
                "Colour scale", palettes.SEQUENTIAL_NAMES, default=scale, required=True, key="scale",
                bind="query-params",
            )  # fmt: skip
    split = None
    with cells, st.popover("Cells", icon=":material/filter_list:", width="stretch"):
        if columns.classes:
            cell_filter.control(dataset)
            split = st.selectbox(
                "Split by", columns.classes, index=None, placeholder="One map", format_func=obs_columns.title,
                key="split", bind="query-params", disabled=len(chosen) > 1,
                help=f"One map for each class, in the same colours: of the {MOST_PANELS} largest classes. With several "
                "genes the maps are split by gene.",
            )  # fmt: skip
        else:
            st.caption("This file has no classes of cells to show or split by.")
    split = None if len(chosen) > 1 else split
    return Colours(column, tuple(chosen), tuple(highlight), (low / 100, high / 100), scale, split)


def _draw(dataset: Dataset, colours: Colours, columns: obs_columns.Columns, kept: np.ndarray | None) -> None:
    corners = region.read(region.MAP)
    places = None if kept is None else np.flatnonzero(kept)
    rows = subsample.rows(dataset, places)
    rows = rows if places is None else places[rows]
    figure = _figure(dataset, rows, colours, columns, dark=theme.is_dark())
    figures.show_figure(
        embedding.with_region(figure, corners) if corners else figure,
        how_to_read=f"{_reading(dataset, colours, columns)}{_split_reading(dataset, rows, colours)}"
        f"{subsample.sample_note(dataset, places, lasso=True)} {LESS_SURE}",
        name=f"umap-{'-'.join(colours.genes) or colours.column}",
        table=lambda: _table(dataset, colours),
        publication=lambda: publication.from_plotly(_figure(dataset, rows, colours, columns, dark=False)),
        select=("lasso", "box"),
        when_selected=lambda selection: region.remember(region.MAP, selection),
        key=f"map-{dataset.info.id}",
    )


def _figure(
    dataset: Dataset, rows: np.ndarray, colours: Colours, columns: obs_columns.Columns, *, dark: bool
) -> go.Figure:
    whole = _map(dataset, rows, colours, columns, dark=dark)
    if colours.split is not None:
        codes, _ = obs_columns.classes(dataset, colours.split)
        parts = {
            f"{shortened(name, most=20)} · {(codes[rows] == place).sum():,}": _map(
                dataset, rows[codes[rows] == place], colours, columns, dark=dark
            )
            for name, place in _panels(dataset, colours.split, rows)
        }
        whole = embedding.split(whole, parts, columns=1 if layout.on_phone() else None)
    if cell_filter.chosen(dataset):  # so that cells stay where they were
        whole = embedding.keep_extent(whole, dataset.umap)
    return whole


def _map(
    dataset: Dataset, rows: np.ndarray, colours: Colours, columns: obs_columns.Columns, *, dark: bool
) -> go.Figure:
    scale, xy = palettes.sequential(colours.scale, dark=dark), dataset.umap[rows]
    if colours.genes:
        values = {name: obs_columns.gene(dataset, name)[rows] for name in colours.genes}
        if len(values) > 1:
            return embedding.side_by_side(xy, values, unit=UNIT, quantiles=colours.quantiles, colour_scale=scale)
        name, numbers = next(iter(values.items()))
        title = f"{name} ({UNIT})"
    elif colours.column in columns.classes:
        codes, levels = obs_columns.classes(dataset, colours.column)
        known = obs_columns.colours(dataset, colours.column)
        return embedding.by_label(xy, codes[rows], levels, colours=known, highlight=colours.highlight)
    else:
        numbers = obs_columns.numbers(dataset, colours.column)[rows]
        title = obs_columns.title(colours.column)
    return embedding.by_value(xy, numbers, title=title, quantiles=colours.quantiles, colour_scale=scale)


def _reading(dataset: Dataset, colours: Colours, columns: obs_columns.Columns) -> str:
    if colours.genes:
        several = "Each panel has its own colour range. " if len(colours.genes) > 1 else ""
        kind = (
            "log1p of counts per 10,000, all genes of the cell" if dataset.info.has_counts else "the values of the file"
        )
        return (
            f"Each dot is a cell; its colour is the gene's {UNIT} expression ({kind}). {several}"
            "Cells with high values are drawn on top, which makes a gene look more widespread than it is."
        )
    if colours.column in columns.classes:
        return f"Each dot is a cell, coloured by {explain.plain(colours.column)}, in random drawing order."
    return "Each dot is a cell; cells with high values are drawn on top."


def _panels(dataset: Dataset, column: str, rows: np.ndarray) -> list[tuple[str, int]]:
    """Return name and place of the classes that have a panel, the largest among the drawn cells, in their order."""
    codes, levels = obs_columns.classes(dataset, column)
    places, sizes = np.unique(codes[rows], return_counts=True)
    largest = places[np.argsort(-sizes, kind="stable")[:MOST_PANELS]]
    names = [(palettes.NO_LABEL if place < 0 else levels[place], int(place)) for place in largest]
    # Numbers of clusters by size, other names by letter, cells without a label last.
    return sorted(names, key=lambda one: (one[1] < 0, len(one[0]) if one[0].isdigit() else 0, one[0]))


def _split_reading(dataset: Dataset, rows: np.ndarray, colours: Colours) -> str:
    if colours.split is None:
        return ""
    n = len(np.unique(obs_columns.classes(dataset, colours.split)[0][rows]))
    which = f"the {MOST_PANELS} largest of {n} classes" if n > MOST_PANELS else "each class"
    name = explain.plain(obs_columns.title(colours.split))
    counted = "" if colours.genes else "; the legend counts all cells shown"
    return f" One panel for {which} of {name}, in the same colours{counted}."


def _table(dataset: Dataset, colours: Colours) -> pd.DataFrame:
    table = pd.DataFrame(dataset.umap, columns=["umap_1", "umap_2"], index=dataset.obs.index)
    table.index.name = "cell"
    for name in colours.genes:
        table[name] = obs_columns.gene(dataset, name)
    if colours.column:
        table[colours.column] = dataset.obs[colours.column].to_numpy()
    return table


def _invitation(dataset: Dataset) -> None:
    info = dataset.info
    with st.container(border=True):
        st.markdown("**Select cells**")
        st.caption(
            "Draw a lasso or a box around cells: their composition and marker genes appear here, and the selection "
            "stays when the colouring changes. Zoom with the toolbar; double-click to reset."
        )
    with st.container(border=True):
        st.markdown("**This data set**")
        st.caption(
            f"{info.n_cells:,} cells · {info.n_genes_total:,} genes, {info.n_genes:,} of them used by models · "
            f"{info.species} · {'raw counts' if info.has_counts else f'{info.values} values, no raw counts'}"
        )
        layout.link("train", "Train a model on these cells", icon=":material/arrow_forward:", dataset=info.id)
    selection_picker.manage(dataset, key="lasso")


def _summary(dataset: Dataset, kept: np.ndarray | None, columns: obs_columns.Columns) -> None:
    shown = np.ones(dataset.info.n_cells, dtype=bool) if kept is None else kept
    within = region.on_map(dataset)
    chosen = np.zeros_like(shown) if within is None else within
    number = int(chosen.sum())
    with st.container(border=True):
        share = f"{number / shown.sum():.1%} of {'all' if kept is None else 'those shown'}"
        st.markdown(f"**{number:,} cells selected** :gray[{share}]")
        if not number:
            st.caption("The region contains no cell.")
            return
        if columns.classes:
            label = columns.classes[0]
            st.caption(f"By {explain.plain(label)}")
            st.dataframe(_composition(dataset, chosen, label), hide_index=True, height="content")
        _marker_genes(dataset, chosen, shown & ~chosen)
        names = pd.DataFrame({"cell": dataset.obs.index[chosen]})
        downloads.download("Names of these cells", lambda: downloads.to_csv(names), "cells.csv", key="lasso-cells")
        selection_picker.save_box(dataset, chosen, key="lasso", note="outline on the UMAP of the Data page")


def _composition(dataset: Dataset, chosen: np.ndarray, label: str, *, most: int = 6) -> pd.DataFrame:
    codes, levels = obs_columns.classes(dataset, label)
    names = np.array([*levels, palettes.NO_LABEL])
    # Counted by code, not by name: a lasso over 100,000 cells is answered at once.
    inside = np.bincount(codes[chosen] % len(names), minlength=len(names))  # -1, no label, is the last name
    total = np.bincount(codes % len(names), minlength=len(names))
    order = [i for i in np.argsort(-inside, kind="stable")[:most] if inside[i]]
    return pd.DataFrame(
        {label: names[order], "cells": inside[order], "of this class": [f"{inside[i] / total[i]:.0%}" for i in order]}
    )


def _marker_genes(dataset: Dataset, chosen: np.ndarray, others: np.ndarray, *, most: int = 8) -> None:
    from genediff.inspection.groups.differential_expression import LEAST_CELLS  # brings scipy's tests

    n_chosen, n_others = int(chosen.sum()), int(others.sum())
    if min(n_chosen, n_others) < LEAST_CELLS:
        st.caption(
            f"Marker genes need {LEAST_CELLS} cells inside the region and as many outside; there are {n_chosen:,} "
            f"and {n_others:,}. Draw a {'larger' if n_chosen < LEAST_CELLS else 'smaller'} region."
        )
        return
    st.caption("Genes that are higher in the selection than in all other cells shown")
    try:
        found = differential_view.compared(dataset, (chosen, others), dataset.info.batch)
    except InputError as error:
        st.caption(explain.plain(error))
        return
    by_donor = found.replicates is not None
    fdr = "fdr_replicates" if by_donor else "fdr"
    table = found.table.sort_values("p_replicates", kind="stable") if by_donor else found.table
    shown = table[table["log2_fold"] > 0].head(most)[["gene", "log2_fold", "detected_first", "detected_second", fdr]]
    tables.show(
        differential_view.to_read(shown, fdr),
        "markers",
        height="content",
        column_config={
            "log2_fold": st.column_config.NumberColumn("log2 fold", format="%+.1f"),
            "detected_first": st.column_config.NumberColumn("in", format="percent", help="Selected cells with a count"),
            "detected_second": st.column_config.NumberColumn("out", format="percent", help="Other cells with a count"),
            fdr: st.column_config.NumberColumn("FDR", format="%.0e", help=differential_view.LEAST),
        },
    )
    st.caption(
        f"{'Moderated t-test over donors' if by_donor else 'Mann-Whitney test over cells'}, all genes of the file. The "
        "outline was drawn where cells look alike, so small p-values are expected: read the fold change. To compare "
        "two groups, open *Differential expression*: these cells are a group there."
    )
    downloads.download("All genes as CSV", lambda: downloads.to_csv(table), "marker-genes.csv", key="lasso-genes")
