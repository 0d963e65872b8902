"""Differential expression between two groups of real cells: a volcano and a table that point at one another."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import streamlit as st

from genediff.plots import pathway_plots
from genediff.ui.kit import (
    background,
    cell_filter,
    choices,
    downloads,
    explain,
    figures,
    obs_columns,
    region,
    selection_picker,
    tables,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from genediff.data import Dataset
    from genediff.inspection.groups.differential_expression import DifferentialExpression

MOST_DRAWN = 2_000  # genes in the volcano, the smallest p-values first
LARGE = 1.0  # log2 fold change that counts as large in the sentence above the figure
LEAST_P = 1e-300
LEAST = f"{LEAST_P:.0e} stands for any smaller value"
_CHOSEN = "de_gene"


def show(dataset: Dataset) -> None:
    """Let the reader choose two groups, and compare every gene between them."""
    info = dataset.info
    label = info.label if info.label in obs_columns.colour_columns(dataset).classes else None
    first_level = f"{label}: {obs_columns.classes(dataset, label)[1][0]}" if label else None
    if region.on_map(dataset) is not None:
        first_level = selection_picker.REGION
    left, middle, right = st.columns(3, vertical_alignment="bottom")
    with left:
        first, first_name = selection_picker.pick_group(dataset, key="de1", label="First group", default=first_level)
    with middle:
        filtered = cell_filter.shown(dataset) is not None
        second, second_name = selection_picker.pick_group(
            dataset, key="de2", label="Second group", rest_of=first,
            default=selection_picker.SHOWN if filtered else None,
        )  # fmt: skip
    with right:
        batches = ["", *obs_columns.colour_columns(dataset).classes]
        replicate = st.selectbox(
            "Replicates (donors)",
            batches,
            index=batches.index(info.batch) if info.batch in batches else 0,
            format_func=lambda one: one or "none: test over cells",
            key="de_replicates",
            bind="query-params",
            help="With three or more donors in each group, or in both, donors are compared instead of cells.",
        )
    if second_name in (selection_picker.ALL, selection_picker.SHOWN):
        second = second & ~first
    result(dataset, (first, second), (first_name, second_name), replicate=replicate or None)


def result(
    dataset: Dataset, masks: tuple[np.ndarray, np.ndarray], names: tuple[str, str], *, replicate: str | None = None
) -> None:
    """Compare two groups and draw the outcome.

    Parameters
    ----------
    masks
        Which cells are in each group, bool (cell,).
    names
        Of the groups.
    replicate
        Column of donors, dishes or batches.
    """
    found = compared(dataset, masks, replicate)
    by_donor = found.replicates is not None and st.toggle(
        "Compare donors, not cells", key="de_by_donor", bind="query-params", value=True,
        help="Cells of one donor resemble each other, so their number overstates how sure a difference is.",
    )  # fmt: skip
    fdr = "fdr_replicates" if by_donor else "fdr"
    table = found.table.sort_values("p_replicates" if by_donor else "log10_p", kind="stable", ignore_index=True)
    _headline(found, table[table[fdr] < pathway_plots.SIGNIFICANT], names, by_donor=by_donor)
    chosen = str(st.query_params.get(_CHOSEN, ""))
    left, right = st.columns([0.5, 0.5], gap="medium")
    with left:
        drawn = table.head(MOST_DRAWN)
        more = f" The {MOST_DRAWN:,} genes with the smallest p-values are drawn." if len(table) > MOST_DRAWN else ""
        event = figures.show_figure(
            pathway_plots.volcano(
                drawn.rename(columns={"gene": "token", "log2_fold": "difference"}), first=names[0], second=names[1],
                chosen=chosen, by_replicates=by_donor, effect="log2 fold change",
            ),
            how_to_read=f"Each dot is a gene: to the right, higher in {explain.plain(names[0])}; further up, less "
            f"likely by chance. Click one to find it in the table.{more}",
            name="differential-expression",
            table=table,
            select=("points",),
        )  # fmt: skip
        _clicked(event)
    with right:
        _table(table, chosen, by_donor=by_donor)
    st.caption(_caution(found, by_donor=by_donor))
    st.caption(found.methods)


def compared(
    dataset: Dataset, masks: tuple[np.ndarray, np.ndarray], replicate: str | None = None
) -> DifferentialExpression:
    """Return the comparison of two groups, bool (cell,) each, kept for the next look."""
    marks = tuple(hashlib.sha256(np.packbits(mask).tobytes()).hexdigest() for mask in masks)
    codes = None if replicate is None else obs_columns.classes(dataset, replicate)[0]

    def make(progress: Callable[[float], None]) -> DifferentialExpression:
        from genediff.inspection.groups.differential_expression import differential_expression

        return differential_expression(dataset, *masks, replicates=codes, progress=progress)

    found: DifferentialExpression = background.finished(
        "Comparing every gene between the groups",
        ("differential expression", dataset.info.content_hash, *marks, replicate),
        make,
    )
    return found


def _headline(found: DifferentialExpression, sure: pd.DataFrame, names: tuple[str, str], *, by_donor: bool) -> None:
    large = sure[sure["log2_fold"].abs() >= LARGE]
    top = ", ".join(explain.plain(name) for name in sure["gene"].head(4))
    unit = "donors" if by_donor else "cells"
    st.markdown(
        f"**{len(sure):,}** of {len(found.table):,} tested genes differ between {explain.plain(names[0])} "
        f"({found.n_first:,} cells) and {explain.plain(names[1])} ({found.n_second:,} cells), tested over {unit} "
        f"(FDR < 5%); **{len(large):,}** of them at least two-fold{': ' + top if top else ''}."
    )


def _caution(found: DifferentialExpression, *, by_donor: bool) -> str:
    drawn = (
        f" {found.n_used:,} cells were compared, drawn at random."
        if found.n_used < found.n_first + found.n_second
        else ""
    )
    if by_donor:
        return f"Donors are the sample size, so the result speaks of other donors too.{drawn}"
    return (
        ":material/warning: Cells of one donor are not independent: small p-values say that these cells differ, not "
        f"that another donor's would. Read the fold change and the shares of cells first.{drawn}"
    )


def _table(table: pd.DataFrame, chosen: str, *, by_donor: bool) -> None:
    place = np.flatnonzero(table["gene"] == chosen)
    shown = table if not len(place) else pd.concat([table.iloc[place], table.drop(index=place)])
    tests = ("p_replicates", "fdr_replicates") if by_donor else ("p_value", "fdr")
    shown = shown[
        ["gene", "log2_fold", "detected_first", "detected_second", *tests, "auc", "mean_first", "mean_second"]
    ]
    columns: dict[str, Any] = {
        "log2_fold": st.column_config.NumberColumn(
            "log2 fold", format="%+.2f", help="Of mean counts per 10,000, all genes of the file; 1 added to both."
        ),
        "detected_first": st.column_config.NumberColumn("detected, first", format="percent"),
        "detected_second": st.column_config.NumberColumn("detected, second", format="percent"),
        "auc": st.column_config.NumberColumn(
            "AUC", format="%.2f", help="Chance that a cell of the first group expresses more of it; 0.5: alike."
        ),
        "mean_first": st.column_config.NumberColumn("mean, first", format="%.2f", help="Log-normalised, all genes"),
        "mean_second": st.column_config.NumberColumn("mean, second", format="%.2f", help="Log-normalised, all genes"),
        tests[0]: st.column_config.NumberColumn("p", format="%.1e", help=LEAST),
        tests[1]: st.column_config.NumberColumn("FDR", format="%.1e", help=LEAST),
    }
    tables.show(
        to_read(shown, *tests),
        "de-table",
        mark=chosen,
        on_pick=lambda row: choices.choose(_CHOSEN, str(shown["gene"].iloc[row])),
        column_config=columns,
        height=440,
    )
    downloads.download(
        "All genes as CSV", lambda: downloads.to_csv(table), "differential-expression.csv", key="de-csv", narrow=True
    )


def to_read(table: pd.DataFrame, *p_values: str) -> pd.DataFrame:
    """Return a table of genes with shares of cells in whole per cent, and p-values and FDR that are not cut to 0."""
    return table.round({"detected_first": 2, "detected_second": 2}).assign(
        **{name: table[name].clip(lower=LEAST_P) for name in p_values}
    )


def _clicked(event: dict[str, Any]) -> None:
    for point in event.get("points") or []:
        data = point.get("customdata")
        name = data[0] if isinstance(data, list | tuple) else (data or {}).get("0")
        if name and name != st.session_state.get("de-click"):
            st.session_state["de-click"] = name
            choices.choose(_CHOSEN, str(name))
            st.rerun()
