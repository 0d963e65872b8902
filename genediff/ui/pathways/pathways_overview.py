"""Activations at a glance: by group as a clustered heatmap, one pathway on the map, and its distributions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from genediff.inspection.groups.group_means import by_label
from genediff.plots import pathway_plots as plots
from genediff.plots import token_views
from genediff.plots.set_names import short_name
from genediff.ui.kit import caching, choices, figures, missing_map, obs_columns, subsample, theme
from genediff.ui.pathways import gene_set_choice

if TYPE_CHECKING:
    from genediff.data import Dataset
    from genediff.inspection.groups.group_means import ByLabel
    from genediff.models.model_info import ModelInfo
    from genediff.ui.pathways.pathways_data import Scored

MOST_ROWS = 40


def show(scored: Scored, info: ModelInfo, dataset: Dataset) -> None:
    """Draw the heatmap beside the map, and the distributions below."""
    columns = obs_columns.colour_columns(dataset).classes
    left, right = st.columns([0.5, 0.5], gap="medium")
    with left:
        column = _column(columns)
        table = None if column is None else means(scored, info, dataset, column)
    first = scored.names[0] if table is None else _most_different(table)
    with right:
        chosen = gene_set_choice.pathway(scored, first)
    with left:
        if table is None or column is None:
            st.info("These cells have no groups (no column of classes), so there is nothing to average over.")
        else:
            _heat(scored, table, column, chosen)
    with right:
        _map(scored, dataset, chosen)
        if column is not None:
            _ridges(scored, dataset, column, chosen)


def means(scored: Scored, info: ModelInfo, dataset: Dataset, column: str) -> ByLabel:
    """Return mean activations by the classes of a column, clustered; kept for the next look."""
    key = (str(caching.workspace().root), *gene_set_choice.key(info, dataset, scored), column)
    return _means(key, scored, dataset, column)


@st.cache_resource(max_entries=32, show_spinner="Averaging over groups …")
def _means(key: tuple[str, ...], _scored: Scored, _dataset: Dataset, column: str) -> ByLabel:
    codes, levels = obs_columns.classes(_dataset, column)
    return by_label(_scored.values, codes[_scored.rows], _scored.names, levels, most=MOST_ROWS)


def _column(columns: tuple[str, ...]) -> str | None:
    if not columns:
        return None
    return choices.select("Groups", {name: obs_columns.title(name) for name in columns}, key="groups")


def _most_different(table: ByLabel) -> str:
    # By the variance between groups, so that a handful of cells does not decide.
    return table.tokens[int((table.z**2 @ table.n_cells).argmax())]


def _heat(scored: Scored, table: ByLabel, column: str, chosen: str) -> None:
    some = (
        f"The {len(table.tokens)} of {len(scored.names):,} pathways that differ most between groups. "
        if len(table.tokens) < len(scored.names)
        else ""
    )
    figures.show_figure(
        plots.group_heat(table.tokens, table.labels, table.z, dark=theme.is_dark(), chosen=chosen),
        how_to_read=f"{some}Mean activation of a group against all cells, in standard deviations over cells; rows and "
        "columns that are alike stand side by side (average linkage). A mean hides how much cells of a group differ, "
        "and small groups vary by chance: see the distributions.",
        name=f"pathways-by-{column}",
        table=lambda: pd.DataFrame(table.z, index=pd.Index(table.tokens, name="pathway"), columns=list(table.labels)),
    )


def _map(scored: Scored, dataset: Dataset, chosen: str) -> None:
    if not dataset.info.has_umap:
        missing_map.show(dataset, "It will be coloured by the pathway that is chosen.")
        return
    values = scored.of(chosen)
    centred, some = values - values.mean(), subsample.rows(dataset, scored.rows)
    figures.show_figure(
        token_views.signed_map(
            dataset.umap[scored.rows][some], centred[some], title=short_name(chosen), dark=theme.is_dark(), height=400
        ),
        how_to_read="Each dot is a cell; warm colours: more active than the average cell, blue: less. The "
        "most active cells are "
        f"drawn on top, so a pathway looks more widespread than it is.{subsample.sample_note(dataset, scored.rows)}",
        name="pathway-map",
        table=lambda: _points(scored, dataset, chosen),
    )


def _ridges(scored: Scored, dataset: Dataset, column: str, chosen: str) -> None:
    codes, levels = obs_columns.classes(dataset, column)
    figures.show_figure(
        plots.ridges(scored.of(chosen), codes[scored.rows], levels, title=f"{short_name(chosen)}:<br>{scored.unit}"),
        how_to_read="How the cells of each group are spread (smoothed, each outline of the same height; the number is "
        "that of cells, the triangle the median). Two humps may be cells of two kinds or, in a small group, chance.",
        name="pathway-distributions",
        table=lambda: _points(scored, dataset, chosen),
    )


def _points(scored: Scored, dataset: Dataset, chosen: str) -> pd.DataFrame:
    table = pd.DataFrame({chosen: scored.of(chosen)}, index=dataset.obs.index[scored.rows])
    table.index.name = "cell"
    for column in obs_columns.colour_columns(dataset).classes:
        table[column] = dataset.obs[column].to_numpy()[scored.rows]
    return table
