"""The map of a data set's real cells, its colours, and what a lasso around some of them holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import streamlit as st

from genediff.plots import embedding, palettes, publication
from genediff.ui import data_columns, downloads, drawn, figures, frame, genes, missing_map, selections, theme

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from genediff.data import Dataset

LESS_SURE = (
    "Cells that lie close are alike; distances between groups, their sizes and the directions of the axes mean little. "
    "Validation and test cells were placed on a map made from the training cells."
)
UNIT = "log-normalised"


@dataclass(frozen=True)
class Colours:
    """What the reader chose to colour the map by."""

    column: str
    genes: tuple[str, ...]
    highlight: tuple[str, ...]
    quantiles: tuple[float, float]
    scale: str


def show(dataset: Dataset) -> None:
    """Draw the controls, the map, and the summary of a selection beside it."""
    if not dataset.info.has_umap:
        missing_map.show(dataset, "Quality and About, beside Map, show the cells without it.")
        frame.link("train", "Train a model on these cells", icon=":material/arrow_forward:", dataset=dataset.info.id)
        return
    columns = data_columns.colour_columns(dataset)
    if not columns.classes and not columns.numbers:
        st.info("This file says nothing about its cells beyond their genes; type a gene to colour the map.")
    colours = _controls(dataset, columns)
    if len(colours.genes) > 1:
        _draw(dataset, colours, columns, selectable=False)
        return
    left, right = st.columns([0.7, 0.3], gap="medium")
    with left:
        selection = _draw(dataset, colours, columns, selectable=True)
    with right:
        outlines = [*selection["lasso"], *selection["box"]]
        if outlines:
            chosen = np.any([embedding.inside(outline, dataset.umap) for outline in outlines], axis=0)
            _summary(dataset, chosen, columns)
        else:
            _invitation(dataset)


def _controls(dataset: Dataset, columns: data_columns.Columns) -> Colours:
    by, search, more = st.columns([0.3, 0.45, 0.25], vertical_alignment="bottom")
    questions = st.container()
    with by:
        column = st.selectbox(
            "Colour by",
            [*columns.classes, *columns.numbers],
            format_func=data_columns.title,
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
            below=questions,
        )
    coloured_by_class = column in columns.classes and not chosen
    with more, st.popover("Colours", icon=":material/palette:", width="stretch"):
        highlight: list[str] = []
        low, high, scale = 0, 99, palettes.SEQUENTIAL_NAMES[0]
        if coloured_by_class:
            _, levels = data_columns.classes(dataset, column)
            highlight = st.multiselect("Show only these in colour", levels, key="highlight", placeholder="All classes")
            st.caption("Colours are told apart by readers with red–green blindness, up to about eight classes.")
        else:
            low, high = st.slider(
                "Colour range (share of cells, %)", 0, 100, (0, 99), key="range", bind="query-params",
                help="Cells below the first and above the second share get the end colours, so that a few extreme "
                "cells do not wash out the rest.",
            )  # fmt: skip
            scale = st.segmented_control(
                "Colour scale", palettes.SEQUENTIAL_NAMES, default=scale, required=True, key="scale",
                bind="query-params",
            )  # fmt: skip
    return Colours(column, tuple(chosen), tuple(highlight), (low / 100, high / 100), scale)


def _draw(dataset: Dataset, colours: Colours, columns: data_columns.Columns, *, selectable: bool) -> dict[str, Any]:
    dark = theme.is_dark()
    return figures.show_figure(
        _figure(dataset, colours, columns, dark=dark),
        how_to_read=f"{_reading(dataset, colours, columns)}{drawn.said(dataset, lasso=selectable)} {LESS_SURE}",
        name=f"umap-{'-'.join(colours.genes) or colours.column}",
        table=lambda: _table(dataset, colours),
        publication=lambda: publication.from_plotly(_figure(dataset, colours, columns, dark=False)),
        select=("lasso", "box") if selectable else (),
        key=f"map-{dataset.info.id}" if selectable else None,
    )


def _figure(dataset: Dataset, colours: Colours, columns: data_columns.Columns, *, dark: bool) -> go.Figure:
    scale, rows = palettes.sequential(colours.scale, dark=dark), drawn.rows(dataset)
    xy = dataset.umap[rows]
    if colours.genes:
        values = {name: data_columns.gene(dataset.info.id, name)[rows] for name in colours.genes}
        if len(values) > 1:
            return embedding.side_by_side(xy, values, unit=UNIT, quantiles=colours.quantiles, colour_scale=scale)
        name, numbers = next(iter(values.items()))
        title = f"{name} ({UNIT})"
    elif colours.column in columns.classes:
        codes, levels = data_columns.classes(dataset, colours.column)
        return embedding.by_label(xy, codes[rows], levels, highlight=colours.highlight)
    else:
        numbers = data_columns.numbers(dataset, colours.column)[rows]
        title = data_columns.title(colours.column)
    return embedding.by_value(xy, numbers, title=title, quantiles=colours.quantiles, colour_scale=scale)


def _reading(dataset: Dataset, colours: Colours, columns: data_columns.Columns) -> str:
    if colours.genes:
        several = "Each panel has its own colour range. " if len(colours.genes) > 1 else ""
        kind = "log1p of counts scaled to the same total" if dataset.info.has_counts else "the values of the file"
        return (
            f"Each dot is a cell; its colour is the gene's {UNIT} expression ({kind}). {several}"
            "Cells with high values are drawn on top, so a gene looks more widespread than it is."
        )
    if colours.column in columns.classes:
        return f"Each dot is a cell in the colour of its {colours.column}; the drawing order is random."
    return "Each dot is a cell; cells with high values are drawn on top."


def _table(dataset: Dataset, colours: Colours) -> pd.DataFrame:
    table = pd.DataFrame(dataset.umap, columns=["umap_1", "umap_2"], index=dataset.obs.index)
    table.index.name = "cell"
    for name in colours.genes:
        table[name] = data_columns.gene(dataset.info.id, name)
    if colours.column:
        table[colours.column] = dataset.obs[colours.column].to_numpy()
    return table


def _invitation(dataset: Dataset) -> None:
    info = dataset.info
    with st.container(border=True):
        st.markdown("**Ask about a group of cells**")
        st.caption(
            "Choose the lasso or the box in the corner of the map and draw around cells: their types, their quality "
            "and the genes that set them apart appear here. Scroll to zoom, double-click to see all again."
        )
    with st.container(border=True):
        st.markdown("**This data set**")
        st.caption(
            f"{info.n_cells:,} cells · {info.n_genes_total:,} genes, {info.n_genes:,} of them chosen for models · "
            f"{info.species} · {'raw counts' if info.has_counts else f'{info.values} values, no raw counts'}"
        )
        frame.link("train", "Train a model on these cells", icon=":material/arrow_forward:", dataset=info.id)
    selections.manage(dataset, key="lasso")


def _summary(dataset: Dataset, chosen: np.ndarray, columns: data_columns.Columns) -> None:
    number = int(chosen.sum())
    with st.container(border=True):
        st.markdown(f"**{number:,} cells selected** :gray[{number / len(chosen):.1%} of all]")
        if not number:
            st.caption("No cell lies inside the outline.")
            return
        if columns.classes:
            label = columns.classes[0]
            st.caption(f"By {label}")
            st.dataframe(_composition(dataset, chosen, label), hide_index=True, height="content")
        st.caption("Genes that set them apart from all other cells")
        st.dataframe(
            _standing_out(dataset, chosen),
            hide_index=True,
            height="content",
            column_config={
                "inside": st.column_config.NumberColumn(format="%.2f", help="Mean log-normalised expression"),
                "outside": st.column_config.NumberColumn(format="%.2f", help="Mean log-normalised expression"),
            },
        )
        st.caption(
            "Means over the chosen genes, largest differences first: a description, not a test, because the outline "
            "was drawn after looking."
        )
        names = pd.DataFrame({"cell": dataset.obs.index[chosen]})
        downloads.download("Names of these cells", lambda: downloads.to_csv(names), "cells.csv", key="lasso-cells")
        selections.save_box(dataset, chosen, key="lasso", note="outline on the UMAP of the Data page")


def _composition(dataset: Dataset, chosen: np.ndarray, label: str, *, most: int = 6) -> pd.DataFrame:
    codes, levels = data_columns.classes(dataset, label)
    names = np.array([*levels, palettes.NO_LABEL])
    # Counted by code, not by name: a lasso over 100,000 cells is answered at once.
    inside = np.bincount(codes[chosen] % len(names), minlength=len(names))  # -1, no label, is the last name
    total = np.bincount(codes % len(names), minlength=len(names))
    order = [i for i in np.argsort(-inside, kind="stable")[:most] if inside[i]]
    return pd.DataFrame(
        {label: names[order], "cells": inside[order], "of this class": [f"{inside[i] / total[i]:.0%}" for i in order]}
    )


def _standing_out(dataset: Dataset, chosen: np.ndarray, *, most: int = 8) -> pd.DataFrame:
    # Two sums in one product, which copies no rows.
    shares = np.stack([chosen / max(chosen.sum(), 1), ~chosen / max((~chosen).sum(), 1)]).astype(np.float32)
    inside, outside = dataset.weighted_x(shares)  # (gene,)
    if chosen.all():
        outside = np.full_like(inside, np.nan)
        order = np.argsort(-inside)[:most]
    else:
        order = np.argsort(-np.abs(inside - outside))[:most]
    return pd.DataFrame({"gene": [dataset.genes[i] for i in order], "inside": inside[order], "outside": outside[order]})
