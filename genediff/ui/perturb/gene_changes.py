"""Which genes and pathways are said to change, beside what was measured and what a simple baseline says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from genediff.core.stats import pearson
from genediff.perturbation.question_result import SMALLEST
from genediff.plots import perturbation_plots as plots
from genediff.plots.set_names import short_name
from genediff.training.presets import DEFAULT_KNOWLEDGE
from genediff.ui.kit import caching, choices, explain, figures
from genediff.ui.kit.gene_search import genes_search
from genediff.ui.perturb import perturb_data

if TYPE_CHECKING:
    import pandas as pd

    from genediff.perturbation.question import Question
    from genediff.perturbation.question_result import Result

_ORDERS = {"predicted": "Largest predicted", "measured": "Largest measured", "apart": "Furthest apart"}


def show(question: Question, found: Result, *, first: str, name: str) -> None:
    """Draw the genes that change most.

    Parameters
    ----------
    first
        Whose largest changes come first: "predicted" or "baseline".
    name
        Stem of downloaded files.
    """
    table = perturb_data.genes_table(question, found)
    order, n = _order(table, key="genes-by")
    wanted = genes_search(
        question.task.genes,
        key="look",
        label="Your genes",
        most=12,
        placeholder="Leave empty for those that change most",
    )
    rows = table[table["gene"].isin(wanted)] if wanted else _first(table, first if order == "predicted" else order, n)
    figures.show_figure(
        plots.changes(rows, titles=perturb_data.titles(found)),
        how_to_read="Change of each gene against control cells, not its level: 0 is no change, 0.69 about a "
        "doubling of the "
        "normalised counts of a well expressed gene. " + _intervals(found) + " Genes that are perturbed themselves are "
        "marked * and drop by as much as the screen's knock-outs do.",
        name=f"{name}-genes",
        table=table,
    )
    if found.measured is not None:
        _agreement(table, found, name=name)


def pathways(question: Question, found: Result, *, name: str) -> None:
    """Draw the pathways that are shifted."""
    items = {item.id: item.title for item in caching.workspace().library().list("gene_sets")}
    if not items:
        st.info("There are no gene sets in this workspace; add some on the Train page.")
        return
    usual = DEFAULT_KNOWLEDGE["gene_sets"]
    left, right = st.columns([0.5, 0.5], vertical_alignment="bottom")
    with left:
        item = choices.select("Gene sets", items, key="gene_sets", default=usual if usual in items else None)
    table = perturb_data.sets_table(question, found, item)
    if table.empty:
        st.info(
            f"No set of {explain.plain(items[item])} has {SMALLEST} of the modelled genes; choose another collection."
        )
        return
    with right:
        order, n = _order(table, key="sets-by")
    rows = _first(table, order, n).assign(
        pathway=lambda part: [
            f"{short_name(one, width=44)} ({size})" for one, size in zip(part["pathway"], part["genes"], strict=True)
        ]
    )
    figures.show_figure(
        plots.changes(
            rows,
            name="pathway",
            titles=perturb_data.titles(found),
            unit="mean change over the set's genes (log-normalised expression, against control)",
        ),
        how_to_read="Each set counts by the mean change of its modelled genes (their number in brackets), "
        "perturbed genes "
        "left out; intervals are over cells (95%). Sets overlap, and a set can shift because a few of its genes "
        "do: it is "
        "no test of the pathway's activity.",
        name=f"{name}-pathways",
        table=table,
    )


def _order(table: pd.DataFrame, *, key: str) -> tuple[str, int]:
    options = [one for one in _ORDERS if one == "predicted" or "measured" in table]
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        order = st.segmented_control(
            "Order",
            options,
            default="predicted",
            required=True,
            format_func=lambda one: _ORDERS[one],
            key=key,
            bind="query-params",
        )
        n = st.select_slider("Rows", [10, 15, 20, 30, 50], value=15, key=f"{key}-n", bind="query-params")
    return str(order), int(n)


def _first(table: pd.DataFrame, order: str, n: int) -> pd.DataFrame:
    if order == "apart":
        by = (table["predicted"] - table["measured"]).abs()
    else:
        by = table[order if order in table else "predicted"].abs()
    rows = table.loc[by.sort_values(ascending=False).index[:n]]
    if "perturbed" in rows:
        rows = rows.assign(
            gene=[f"{gene} *" if hit else gene for gene, hit in zip(rows["gene"], rows["perturbed"], strict=True)]
        )
    return rows


def _intervals(found: Result) -> str:
    parts = []
    if found.measured is not None:
        parts.append("Bars of measured values: 95% over cells.")
    if found.predicted.low is not None:
        parts.append("Bars of predicted values: 90% of genes of a perturbation never seen lie within, on average.")
    else:
        parts.append("This predictor gives no interval.")
    return " ".join(parts)


def _agreement(table: pd.DataFrame, found: Result, *, name: str) -> None:
    free = table[~table["perturbed"]]
    words: dict[str, Any] = {"predicted": found.predicted.title}
    if found.baseline is not None:
        words["baseline"] = found.baseline.title
    said = " · ".join(
        f"{explain.plain(title)}: r = {pearson(free[kind].to_numpy(), free['measured'].to_numpy()):.2f}"
        for kind, title in words.items()
    )
    folded = st.expander(f"All genes, predicted against measured ({said})", key="against-open", on_change="rerun")
    if not folded.open:
        return  # drawn when it is asked for: the page comes sooner
    with folded:
        kind = "predicted"
        if len(words) > 1:
            kind = st.segmented_control(
                "Predicted by",
                list(words),
                default="predicted",
                required=True,
                format_func=lambda one: words[one],
                key="against",
                bind="query-params",
            )
        figures.show_figure(
            plots.against(
                free, x="measured", y=str(kind), x_title="measured change", y_title=f"change by {words[str(kind)]}"
            ),
            how_to_read="One point per gene, perturbed genes left out; on the dashed line both agree. r is Pearson's "
            "correlation over these genes. Measured changes carry noise of their own, so even a perfect prediction "
            "scatters.",
            name=f"{name}-against",
            table=free,
        )
