"""Generated cells on the map of the real ones, with a lasso that both panels share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import scipy.sparse as sp
import streamlit as st

from genediff.core.errors import InputError
from genediff.plots.embedding import by_label, with_region
from genediff.plots.generated_plots import Cells, Colouring, map_figure
from genediff.ui.generate.generate_job import log_values, mark_of, start
from genediff.ui.kit import caching, explain, forms, obs_columns, region, selection_picker, subsample, tables
from genediff.ui.kit.figures import show_figure
from genediff.ui.kit.gene_search import gene_search

if TYPE_CHECKING:
    from anndata import AnnData

    from genediff.data import Dataset
    from genediff.models.generate_request import GenerateRequest

SOURCE, GENE = "Source", "Gene"
JOB = "job"  # the part of the address that names a large generation
SIDE_BY_SIDE, ON_TOP = "Side by side", "On top"


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
    drawn = region.read(region.MAP)
    figure = map_figure(real, generated, colouring=colouring, side_by_side=side_by_side)
    show_figure(
        with_region(figure, drawn) if drawn else figure,
        name=f"{name}-map",
        key=f"map-{name}",
        how_to_read=_how_to_read(real, side_by_side) + subsample.sample_note(dataset, lasso=True),
        table=lambda: _points(cells, xy),
        select=("lasso", "box"),
        when_selected=lambda selection: region.remember(region.MAP, selection),
        width=930,
    )
    if drawn:
        _in_region(drawn, cells, xy, dataset)


def show_real(dataset_id: str) -> None:
    """Draw the real cells alone: what generated ones will be compared with. Nothing where there is no map."""
    try:
        dataset = caching.dataset(dataset_id)
        xy = dataset.umap
    except InputError:
        return
    label, some = dataset.info.label, subsample.rows(dataset)
    st.markdown(
        f"**{len(xy):,} real cells of {explain.plain(dataset.info.name)}** :gray[generated cells are placed on this "
        "map and compared with them]"
    )
    if label is not None:
        codes, levels = obs_columns.classes(dataset, label)
        colours = obs_columns.colours(dataset, label)
        figure = by_label(xy[some], codes[some], levels, colours=colours, height=560)
    else:
        figure = by_label(xy[some], np.full(len(some), -1), (), height=560)
    show_figure(
        figure,
        name="real-map",
        width=930,
        how_to_read="Each dot is a measured cell; similar cells lie close together. Distances between groups and their "
        f"sizes are not interpretable.{subsample.sample_note(dataset)}",
    )


def colour_by_gene(gene: str) -> None:
    """Colour the map by a gene from the next run on."""
    st.session_state["colour_by"] = GENE
    st.session_state["gene"] = gene


def make(request: GenerateRequest) -> None:
    """Start the generation that is asked for, and note in the address that it was made."""
    st.query_params["made"] = mark_of(request)
    st.query_params.pop(JOB, None)
    region.forget(region.MAP)
    start(request)


def _controls(cells: AnnData, xy: np.ndarray, dataset: Dataset) -> tuple[Colouring, Cells, Cells, bool]:
    generated = [c for c in cells.obs if isinstance(cells.obs[c].dtype, pd.CategoricalDtype) and c in dataset.obs]
    others = [c for c in obs_columns.colour_columns(dataset).classes if c not in generated and c != "split"]
    words = {column: column.replace("_", " ").capitalize() for column in generated}
    words |= {GENE: "One gene", SOURCE: "Source"}
    words |= {column: f"{column.replace('_', ' ').capitalize()} (real cells)" for column in others}
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        forms.accept_ids("colour_by", words, title="colouring")
        colour = st.selectbox(
            "Colour by", list(words), format_func=lambda choice: words.get(choice, choice), key="colour_by",
            bind="query-params", width=230,
        )  # fmt: skip
        layout = st.segmented_control(
            "Panels", [SIDE_BY_SIDE, ON_TOP], default=SIDE_BY_SIDE, required=True, key="layout", bind="query-params"
        )
        judged = st.toggle("Highlight held-out test cells", value=True, key="judged", bind="query-params")
    some = subsample.rows(dataset)
    map_, emphasis = dataset.umap[some], (dataset.obs["split"] == "test").to_numpy()[some] if judged else None
    gene = gene_search(dataset.genes, key="gene") if colour == GENE else None
    beside = layout == SIDE_BY_SIDE
    if colour == GENE and gene:
        column = log_values(cells, dataset)[:, dataset.genes.index(gene)]
        values = sp.csc_matrix(column).toarray().ravel()
        # Generated cells hold the model's genes alone, so both stand on the model's scale.
        real = Cells(map_, obs_columns.gene(dataset, gene, as_models=True)[some], emphasis)
        return Colouring(gene, unit="log1p, total of the model's genes"), real, Cells(xy, values), beside
    if colour in (*generated, *others):
        codes, levels = obs_columns.classes(dataset, colour)
        colours = obs_columns.colours(dataset, colour)
        real = Cells(map_, codes[some], emphasis)
        ours = None
        if colour in generated:
            ours = pd.Categorical(cells.obs[colour].astype(object), categories=list(levels)).codes
        shown = Colouring(words[colour], levels=levels, colours=tuple(colours[level] for level in levels))
        return shown, real, Cells(xy, ours), beside
    real = Cells(map_, None, emphasis)
    return Colouring("Source", by_source=True), real, Cells(xy), beside


def _how_to_read(real: Cells, side_by_side: bool) -> str:
    where = "The right panel" if side_by_side else "The map"
    judged = (
        ""
        if real.emphasis is None
        else f" The {int(real.emphasis.sum()):,} opaque real cells are the held-out test cells."
    )
    return (
        f"{where} shows generated cells among the real cells they should resemble.{judged} Draw a lasso to compare "
        "the cells of a region. A map of two dimensions hides much: read the evaluation below."
    )


def _points(cells: AnnData, xy: np.ndarray) -> pd.DataFrame:
    table = cells.obs.copy()
    table.insert(0, "umap_2", xy[:, 1])
    table.insert(0, "umap_1", xy[:, 0])
    table.index.name = "cell"
    return table


def _in_region(corners: region.Polygon, cells: AnnData, xy: np.ndarray, dataset: Dataset) -> None:
    real, ours = region.inside(corners, dataset.umap), region.inside(corners, xy)
    with st.container(border=True):
        region.clear_button(region.MAP)
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
        selection_picker.save_box(
            dataset, real, key="region", note="real cells in a region of the Generate page's UMAP"
        )


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
    tables.small(table, formats={"real": ".1%", "generated": ".1%"})
    explain.how_to_read("Composition of the region: share of each cell type.")


def _differing(real: np.ndarray, ours: np.ndarray, cells: AnnData, dataset: Dataset) -> None:
    share = (real / real.sum()).astype(np.float32)
    there = dataset.weighted_x(share[None])[0]  # (gene,)
    here = np.asarray(log_values(cells[ours], dataset).mean(axis=0)).ravel()  # (gene,)
    worst = np.argsort(-np.abs(here - there))[:8]
    table = pd.DataFrame(
        {"gene": np.array(dataset.genes)[worst], "mean (real)": there[worst], "mean (generated)": here[worst]}
    )
    tables.small(table, formats=dict.fromkeys(table.columns[1:], ".2f"))
    explain.how_to_read(
        "Genes whose mean log-normalised expression differs most between real and generated cells of the region."
    )
