"""Cells by all their tokens: main axes of token space in two and three dimensions, and a lasso that asks back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import streamlit as st

from genediff.plots import embedding, palettes, publication, token_views
from genediff.plots.set_names import short_name
from genediff.ui import data_columns, drawn, figures, genes, theme, tokens_data, tokens_one, tokens_words

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from genediff.inspection.token_space import Points
    from genediff.ui.tokens_data import Subject

_TOKEN = "Token: "


def show(one: Subject) -> None:
    """Draw the view."""
    points = tokens_data.cell_points(one)
    n_axes = points.positions.shape[1]
    by, search, how = st.columns([0.36, 0.4, 0.24], vertical_alignment="bottom")
    columns = data_columns.colour_columns(one.dataset)
    with by:
        options = [*columns.classes, *columns.numbers, *(_TOKEN + name for name in one.found.names)]
        colour = st.selectbox(
            "Colour by", options, format_func=data_columns.title, key="cells_colour", bind="query-params",
            filter_mode="contains",
        )  # fmt: skip
    with search:
        gene = genes.gene_search(one.dataset.all_genes, key="cells_gene", label="or by a gene")
    with how:
        shapes = ["2-D", "3-D"] if n_axes >= 3 else ["2-D"]
        flat = st.segmented_control(
            "Axes", shapes, default="2-D", required=True, key="cells_axes", bind="query-params"
        ) == "2-D"  # fmt: skip
    if n_axes < 2:
        st.caption("Tokens have a single number per cell, so there is one axis and no plane to show.")
        return
    chosen = _draw(one, points, colour, gene, columns, flat=flat)
    if flat and chosen is None:
        st.caption(":material/lasso_select: Draw a lasso or a box around cells to see which tokens set them apart.")
    if chosen is not None:
        tokens_one.selected(one, chosen, key="cells")


def _draw(
    one: Subject, points: Points, colour: str, gene: str | None, columns: data_columns.Columns, *, flat: bool
) -> np.ndarray | None:
    rows, dark = one.found.rows, theme.is_dark()
    percent = f"{100 * float(points.explained[: 2 if flat else 3].sum()):.0f}%"
    less = drawn.said(one.dataset, rows, lasso=True) if flat else ""
    if not flat and len(rows) > token_views.MOST_IN_3D:
        less = f" A random sample of {token_views.MOST_IN_3D:,} of the {len(rows):,} cells is drawn."
    event: dict[str, Any] = figures.show_figure(
        _figure(one, points, colour, gene, columns, flat=flat, dark=dark),
        how_to_read=f"Each dot is a cell, placed by all numbers of its tokens: principal axes, which hold {percent} "
        "of what varies. The flow draws new cells in this space. Groups that overlap here may still lie apart along "
        "the axes that "
        f"are not shown.{less}" + ("" if flat else " Drag to turn."),
        name="token-cells",
        table=lambda: _table(one, points),
        publication=lambda: publication.from_plotly(_figure(one, points, colour, gene, columns, flat=True, dark=False)),
        select=("lasso", "box") if flat else (),
        key=f"token-cells-{one.info.id}-{'flat' if flat else 'deep'}",
    )
    if not flat:
        return None
    return tokens_one.inside(one, [*event["lasso"], *event["box"]], points.positions[:, :2])


def _figure(
    one: Subject,
    points: Points,
    colour: str,
    gene: str | None,
    columns: data_columns.Columns,
    *,
    flat: bool,
    dark: bool,
) -> go.Figure:
    rows = one.found.rows
    axes = tuple(f"token axis {i + 1} ({100 * share:.0f}%)" for i, share in enumerate(points.explained[:2]))
    xy, some = points.positions[:, :2], drawn.rows(one.dataset, rows)
    if gene is None and colour in columns.classes:
        codes, levels = data_columns.classes(one.dataset, colour)
        if flat:
            return embedding.by_label(xy[some], codes[rows][some], levels, axes=(axes[0], axes[1]), height=560)
        known = palettes.for_levels(levels)
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
        return data_columns.gene(one.dataset.info.id, gene)[rows], f"{gene} (log-normalised)", False
    if colour.startswith(_TOKEN):
        token = one.found.names.index(colour.removeprefix(_TOKEN))
        return (
            np.asarray(one.found.values[token]),
            f"{short_name(tokens_words.called(one, token))}: activity",
            True,
        )
    return data_columns.numbers(one.dataset, colour)[rows], data_columns.title(colour), False


def _table(one: Subject, points: Points) -> pd.DataFrame:
    names = [f"token_axis_{i + 1}" for i in range(points.positions.shape[1])]
    index = pd.Index(one.dataset.obs.index[one.found.rows], name="cell")
    return pd.DataFrame(points.positions, columns=names, index=index)
