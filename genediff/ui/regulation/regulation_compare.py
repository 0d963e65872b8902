"""The same paths in two groups of cells, side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st

from genediff.plots import regulation_plots as plots
from genediff.ui.kit import explain, figures, obs_columns, tables
from genediff.ui.regulation import regulation_choice, regulation_data

if TYPE_CHECKING:
    from genediff.data import Dataset
    from genediff.models.model_info import ModelInfo


def _two_largest(dataset: Dataset) -> tuple[str | None, str | None]:
    """Return the two groups that stand there first: the largest of the label."""
    column = dataset.info.label
    if column is None or column not in obs_columns.colour_columns(dataset).classes:
        return None, None
    codes, levels = obs_columns.classes(dataset, column)
    order = np.argsort(-np.bincount(codes[codes >= 0], minlength=len(levels)), kind="stable")
    names = [f"{column}: {levels[place]}" for place in order[:2]]
    return (names[0], names[1]) if len(names) == 2 else (None, None)


def show(info: ModelInfo, dataset: Dataset) -> None:
    """Ask for a gene and two groups, and draw how its paths differ."""
    known = regulation_data.genes(info, dataset)
    one, other = _two_largest(dataset)
    with st.container(border=True):
        left, first_place, second_place = st.columns([0.3, 0.35, 0.35], gap="medium")
        with left:
            gene = regulation_choice.target(known)
            settings = regulation_choice.settings(info)
        with first_place:
            first = regulation_choice.population(info, dataset, key="first", label="First group", default=one)
        with second_place:
            second = regulation_choice.population(info, dataset, key="second", label="Second group", default=other)
    if first.key == second.key:
        st.info("Both groups are the same cells; choose another cell type for one of them.")
        return
    table = regulation_data.compared(info, dataset, first, second, settings, gene)
    from genediff.inspection.regulation.compare_groups import detectable

    sure = table[table["q"] < 0.05]
    names = ", ".join(explain.plain(path) for path in sure["path"].head(3))
    st.markdown(
        f"**{len(sure)}** of {len(table)} paths into **{explain.plain(gene)}** act differently, in this model, in "
        f"{explain.plain(first.title)} and {explain.plain(second.title)} (FDR < 5%){': ' + names if names else ''}."
        + ("" if len(sure) else f" A difference in slope below {detectable(table):.2f} would often be missed.")
    )
    figures.show_figure(
        plots.slopes(table, first=first.title, second=second.title),
        how_to_read="How far each path moves the gene per standard deviation of its regulator, in either group, with "
        "95% intervals over cells. They do not hold the noise of training: a path that differs in one model may not "
        "in the next. Whether the cells support a path at all, *Paths* says.",
        name=f"regulation-compare-{gene}",
        table=table,
    )
    number = st.column_config.NumberColumn(format="%.3f")
    columns: dict[str, Any] = {column: number for column in table.columns if column != "path"}
    with st.expander(f"All {len(table)} paths as a table"):
        tables.show(table, "regulation-compare", column_config=columns)
