"""Generated cells on the map of the real ones, with a lasso that both panels share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
import streamlit as st

from genediff.errors import InputError
from genediff.plots.embedding import by_label
from genediff.plots.generated import Cells, Colouring, inside, map_figure, map_publication
from genediff.plots.screen import for_screen
from genediff.ui import caching, data_columns, downloads, drawn, explain, selections, small_table
from genediff.ui.figures import show_figure
from genediff.ui.generate_job import log_values, mark_of, start
from genediff.ui.genes import gene_search

if TYPE_CHECKING:
    from anndata import AnnData

    from genediff.data import Dataset
    from genediff.ui.generate_job import Request

Polygon = list[tuple[float, float]]
SOURCE, GENE = "Source", "Gene"
JOB = "job"  # the part of the address that names a large generation
SIDE_BY_SIDE, ON_TOP = "Side by side", "On top"
MOST_CORNERS = 40  # of a lasso, so that it fits into the address


def show(cells: AnnData, xy: np.ndarray, dataset: Dataset, *, name: str) -> None:
    """Draw the map with its controls, and below it what lies in the drawn region.

    Parameters
    ----------
    cells, xy
        Generated cells and their coordinates on the data set's map, ``(cell, 2)``.
    name
        Stem of downloaded files.
    """
    colouring, real, generated, side_by_side = _controls(cells, xy, dataset)
    region = read_region()
    figure = map_figure(real, generated, colouring=colouring, side_by_side=side_by_side, region=region)
    key = f"map-{name}"
    st.plotly_chart(
        for_screen(figure),
        key=key,
        on_select=lambda: _remember(st.session_state[key]["selection"]),
        selection_mode=("lasso", "box"),
        config={"displaylogo": False, "scrollZoom": True, "modeBarButtonsToRemove": ["autoScale2d", "toImage"]},
    )
    text, clear, save = st.columns([0.68, 0.2, 0.12])
    with text:
        explain.how_to_read(_how_to_read(real, side_by_side) + drawn.said(dataset, lasso=True))
    if region:
        clear.button("Clear region", icon=":material/deselect:", key="clear_region", on_click=forget_region)
    with save:
        downloads.figure_downloads(
            figure,
            name=f"{name}-map",
            key=key,
            table=lambda: _points(cells, xy),
            publication=lambda: map_publication(real, generated, colouring=colouring, side_by_side=side_by_side),
        )
    if region:
        _in_region(region, cells, xy, dataset)


def show_real(dataset_id: str) -> None:
    """Draw the real cells alone: what generated ones will be compared with. Nothing where there is no map."""
    try:
        dataset = caching.dataset(dataset_id)
        xy = dataset.umap
    except InputError:
        return
    label, some = dataset.info.label, drawn.rows(dataset)
    st.markdown(f"**What they will be compared with:** {len(xy):,} real cells of {dataset.info.name}")
    if label is not None:
        figure = by_label(xy[some], dataset.codes(label)[some], dataset.vocabulary(label), height=440)
    else:
        figure = by_label(xy[some], np.full(len(some), -1), (), height=440)
    show_figure(
        figure,
        name="real-map",
        width=1200,
        how_to_read="Each point is a measured cell; similar cells lie close together. Distances between "
        f"groups mean little.{drawn.said(dataset)}",
    )


def colour_by_gene(gene: str) -> None:
    """Colour the map by a gene from the next run on."""
    st.session_state["colour_by"] = GENE
    st.session_state["gene"] = gene


def make(request: Request) -> None:
    """Start the generation that is asked for, and note in the address that it was made."""
    st.query_params["made"] = mark_of(request)
    st.query_params.pop(JOB, None)
    forget_region()
    start(request)


def read_region() -> Polygon | None:
    """Return the region that the address holds, None when it holds none that can be read."""
    text = st.query_params.get("region", "")
    try:
        corners = [(float(x), float(y)) for x, y in (corner.split(",") for corner in text.split(";") if corner)]
    except ValueError:
        return None
    return corners if len(corners) > 2 else None


def forget_region() -> None:
    """Clear the region from the address."""
    st.query_params.pop("region", None)


def _remember(selection: dict[str, Any]) -> None:
    """Keep a drawn lasso or box in the address; the chart is drawn anew with it and forgets its own selection."""
    for lasso in selection.get("lasso", []):
        every = max(1, -(-len(lasso["x"]) // MOST_CORNERS))
        return _write(list(zip(lasso["x"], lasso["y"], strict=True))[::every])
    for box in selection.get("box", []):
        (x0, x1), (y0, y1) = box["x"], box["y"]
        return _write([(x0, y0), (x1, y0), (x1, y1), (x0, y1)])
    return None


def _write(corners: Polygon) -> None:
    st.query_params["region"] = ";".join(f"{x:.2f},{y:.2f}" for x, y in corners)


def _controls(cells: AnnData, xy: np.ndarray, dataset: Dataset) -> tuple[Colouring, Cells, Cells, bool]:
    labels = [c for c in cells.obs if isinstance(cells.obs[c].dtype, pd.CategoricalDtype) and c in dataset.obs]
    words = {label: label.replace("_", " ").capitalize() for label in labels} | {GENE: "One gene", SOURCE: "Source"}
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        colour = st.segmented_control(
            "Colour by",
            [*labels, GENE, SOURCE],
            default=labels[0] if labels else SOURCE,
            required=True,
            format_func=lambda choice: words[choice],
            key="colour_by",
            bind="query-params",
        )
        layout = st.segmented_control(
            "Panels", [SIDE_BY_SIDE, ON_TOP], default=SIDE_BY_SIDE, required=True, key="layout", bind="query-params"
        )
        judged = st.toggle("Mark the real cells they are judged by", value=True, key="judged", bind="query-params")
    some = drawn.rows(dataset)
    map_, emphasis = dataset.umap[some], (dataset.obs["split"] == "test").to_numpy()[some] if judged else None
    gene = gene_search(dataset.genes, key="gene") if colour == GENE else None
    if colour == GENE and gene:
        column = log_values(cells, dataset)[:, dataset.genes.index(gene)]
        values = sp.csc_matrix(column).toarray().ravel()
        real = Cells(map_, data_columns.gene(dataset.info.id, gene)[some], emphasis)
        return Colouring(gene, unit="log1p"), real, Cells(xy, values), layout == SIDE_BY_SIDE
    if colour in labels:
        levels = dataset.vocabulary(colour)
        codes = pd.Categorical(cells.obs[colour].astype(object), categories=list(levels)).codes
        real = Cells(map_, dataset.codes(colour)[some], emphasis)
        return Colouring(words[colour], levels=tuple(levels)), real, Cells(xy, codes), layout == SIDE_BY_SIDE
    real = Cells(map_, None, emphasis)
    return Colouring("Source", by_source=True), real, Cells(xy), layout == SIDE_BY_SIDE


def _how_to_read(real: Cells, side_by_side: bool) -> str:
    where = "The right panel" if side_by_side else "The map"
    judged = (
        "" if real.emphasis is None else f" The {int(real.emphasis.sum()):,} strong real cells are held-out test cells."
    )
    return (
        f"{where} places generated cells among the real ones they should resemble.{judged} Draw a lasso to compare a "
        "region. A map of two dimensions hides much: trust the figures, not the picture."
    )


def _points(cells: AnnData, xy: np.ndarray) -> pd.DataFrame:
    table = cells.obs.copy()
    table.insert(0, "umap_2", xy[:, 1])
    table.insert(0, "umap_1", xy[:, 0])
    table.index.name = "cell"
    return table


def _in_region(region: Polygon, cells: AnnData, xy: np.ndarray, dataset: Dataset) -> None:
    real, ours = inside(dataset.umap, region), inside(xy, region)
    with st.container(border=True):
        st.markdown(
            f"**In the region:** {real.sum():,} of {len(real):,} real cells ({real.mean():.1%}) and {ours.sum():,} of "
            f"{len(ours):,} generated cells ({ours.mean():.1%})."
        )
        if not real.any() or not ours.any():
            return
        left, right = st.columns(2)
        with left:
            _composition(real, ours, cells, dataset)
        with right:
            _differing(real, ours, cells, dataset)
        selections.save_box(dataset, real, key="region", note="real cells in a region of the Generate page's UMAP")


def _composition(real: np.ndarray, ours: np.ndarray, cells: AnnData, dataset: Dataset) -> None:
    label = dataset.info.label
    if label is None or label not in cells.obs:
        return
    table = pd.DataFrame(
        {
            "real": dataset.obs.loc[real, label].astype(str).value_counts(normalize=True),
            "generated": cells.obs.loc[ours, label].astype(str).value_counts(normalize=True),
        }
    ).fillna(0.0)
    table = table.sort_values("real", ascending=False).rename_axis(label.replace("_", " ")).reset_index()
    small_table.show(table, formats={"real": ".1%", "generated": ".1%"})
    explain.how_to_read("Share of each type among the cells in the region.")


def _differing(real: np.ndarray, ours: np.ndarray, cells: AnnData, dataset: Dataset) -> None:
    share = (real / real.sum()).astype(np.float32)
    there = dataset.weighted_x(share[None])[0]  # (gene,)
    here = np.asarray(log_values(cells[ours], dataset).mean(axis=0)).ravel()  # (gene,)
    worst = np.argsort(-np.abs(here - there))[:8]
    table = pd.DataFrame(
        {"gene": np.array(dataset.genes)[worst], "mean (real)": there[worst], "mean (generated)": here[worst]}
    )
    small_table.show(table, formats=dict.fromkeys(table.columns[1:], ".2f"))
    explain.how_to_read("Genes whose mean log expression differs most in the region.")
