"""Cells in token space, in two and three dimensions, with a lasso."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import streamlit as st

from genediff.plots import embedding, palettes, publication, token_views
from genediff.plots.set_names import short_name
from genediff.ui.kit import figures, gene_search, obs_columns, region, subsample, theme
from genediff.ui.tokens import one_token, token_data, token_wording

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from genediff.inspection.tokens.token_space import Points
    from genediff.ui.tokens.token_data import Subject

_TOKEN = "Token: "
_SELECTED = "Selected on the UMAP"


def show(one: Subject) -> None:
    """Draw the view."""
    points = token_data.cell_points(one)
    n_axes = points.positions.shape[1]
    by, search, how = st.columns([0.36, 0.4, 0.24], vertical_alignment="bottom")
    columns = obs_columns.colour_columns(one.dataset)
    with by:
        options = [*columns.classes, *columns.numbers, *(_TOKEN + name for name in one.found.names)]
        if region.on_map(one.dataset) is not None:  # drawn under One token
            options.append(_SELECTED)
        colour = st.selectbox(
            "Colour by", options, format_func=obs_columns.title, key="cells_colour", bind="query-params",
            filter_mode="contains",
        )  # fmt: skip
    with search:
        gene = gene_search.gene_search(
            one.dataset.all_genes, key="cells_gene", label="or by a gene", detected=one.dataset.detected
        )
    with how:
        shapes = ["2-D", "3-D"] if n_axes >= 3 else ["2-D"]
        flat = st.segmented_control(
            "Axes", shapes, default="2-D", required=True, key="cells_axes", bind="query-params"
        ) == "2-D"  # fmt: skip
    if n_axes < 2:
        st.caption("The tokens hold a single number per cell, so there is one axis and no plane to show.")
        return
    chosen = _draw(one, points, colour, gene, columns, flat=flat)
    if flat and chosen is None:
        st.caption(
            ":material/lasso_select: Draw a lasso or a box around cells to compare their tokens with all others."
        )
    if chosen is not None:
        one_token.selected(one, chosen, key="cells")


def _draw(
    one: Subject, points: Points, colour: str, gene: str | None, columns: obs_columns.Columns, *, flat: bool
) -> np.ndarray | None:
    rows, dark = one.found.rows, theme.is_dark()
    percent = f"{100 * float(points.explained[: 2 if flat else 3].sum()):.0f}%"
    less = subsample.sample_note(one.dataset, rows, lasso=True) if flat else ""
    if not flat and len(rows) > token_views.MOST_IN_3D:
        less = f" A random sample of {token_views.MOST_IN_3D:,} of the {len(rows):,} cells is drawn."
    event: dict[str, Any] = figures.show_figure(
        _figure(one, points, colour, gene, columns, flat=flat, dark=dark),
        how_to_read=f"Each dot is a cell in token space (principal components, {percent} of the variance). Groups that "
        f"overlap here may still be separated along axes that are not shown.{less}"
        + ("" if flat else " Drag to turn."),
        name="token-cells",
        table=lambda: _table(one, points),
        publication=lambda: publication.from_plotly(_figure(one, points, colour, gene, columns, flat=True, dark=False)),
        select=("lasso", "box") if flat else (),
        key=f"token-cells-{one.info.id}-{'flat' if flat else 'deep'}",
    )
    if not flat:
        return None
    return one_token.inside(one, [*event["lasso"], *event["box"]], points.positions[:, :2])


def _figure(
    one: Subject,
    points: Points,
    colour: str,
    gene: str | None,
    columns: obs_columns.Columns,
    *,
    flat: bool,
    dark: bool,
) -> go.Figure:
    rows = one.found.rows
    axes = tuple(f"token axis {i + 1} ({100 * share:.0f}%)" for i, share in enumerate(points.explained[:2]))
    xy, some = points.positions[:, :2], subsample.rows(one.dataset, rows)
    codes, known = np.zeros(0, dtype=int), dict[str, str]()
    levels: tuple[str, ...] = ()
    if gene is None and colour in columns.classes:
        codes, levels = obs_columns.classes(one.dataset, colour)
        known = palettes.for_levels(levels)
    if gene is None and (chosen := region.on_map(one.dataset)) is not None and colour == _SELECTED:
        codes, known = chosen.astype(int), {"other cells": palettes.GREY, palettes.SELECTED: palettes.SELECTED_COLOUR}
        levels = tuple(known)
    if levels:
        if flat:
            return embedding.by_label(
                xy[some], codes[rows][some], levels, colours=known, axes=(axes[0], axes[1]), height=560
            )
        names = np.array([*(known[level] for level in levels), palettes.GREY])
        return token_views.cells_in_space(points.positions, points.explained, names[codes[rows]], legend=known)
    values, title, signed = _values(one, colour, gene)
    scale = palettes.diverging(dark=dark) if signed else palettes.sequential(palettes.SEQUENTIAL_NAMES[0], dark=dark)
    if flat:
        if signed:
            return token_views.signed_map(
                xy[some], values[some], title=title, dark=dark, axes=(axes[0], axes[1]), height=560
            )
        return embedding.by_value(
            xy[some], values[some], title=title, colour_scale=scale, axes=(axes[0], axes[1]), height=560
        )
    top = token_views.signed_range(values)
    limits = (-top, top) if signed else embedding.colour_range(values, (0.0, 0.99))
    return token_views.cells_in_space(
        points.positions, points.explained, values, colour_scale=scale, limits=limits, title=title
    )


def _values(one: Subject, colour: str, gene: str | None) -> tuple[np.ndarray, str, bool]:
    """Return one number per shown cell, what it is called, and whether it lies around zero."""
    rows = one.found.rows
    if gene is not None:
        return obs_columns.gene(one.dataset, gene)[rows], f"{gene} (log-normalised)", False
    if colour.startswith(_TOKEN):
        token = one.found.names.index(colour.removeprefix(_TOKEN))
        return (
            np.asarray(one.found.values[token]),
            f"{short_name(token_wording.called(one, token))}: activity",
            True,
        )
    return obs_columns.numbers(one.dataset, colour)[rows], obs_columns.title(colour), False


def _table(one: Subject, points: Points) -> pd.DataFrame:
    names = [f"token_axis_{i + 1}" for i in range(points.positions.shape[1])]
    index = pd.Index(one.dataset.obs.index[one.found.rows], name="cell")
    return pd.DataFrame(points.positions, columns=names, index=index)
