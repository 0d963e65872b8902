"""One cell through every strategy: a card for each, with its picture and its figures."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pandas as pd
import streamlit as st
import torch

from genediff.inspection.one_cell.capabilities import RanksGenes
from genediff.inspection.one_cell.neighbourhood import strongest_edges
from genediff.inspection.one_cell.pathway_scores import score_table
from genediff.inspection.one_cell.strategy_notes import OPINIONS
from genediff.plots import token_plots as plots
from genediff.tokenizers import TOKENIZERS
from genediff.ui.kit import explain, figures
from genediff.ui.kit import layout as frame
from genediff.ui.tokenize import tokenize_data

if TYPE_CHECKING:
    from collections.abc import Sequence

    from genediff.data import Dataset
    from genediff.inspection.one_cell.dataset_context import Cell, DatasetContext
    from genediff.inspection.one_cell.tokenization import Lost, Tokenization
    from genediff.models.model_info import ModelInfo


def show(dataset: Dataset, cell: Cell, chosen: tokenize_data.Chosen) -> None:
    """Draw the cards, two side by side."""
    context, models = tokenize_data.context(dataset), tokenize_data.models(dataset)
    places: Any = ()
    seen: set[str] = set()  # views that an earlier card begins with: a hybrid would repeat that of its part
    for position, strategy in enumerate(TOKENIZERS):
        if position % 2 == 0:
            places = st.columns(2, gap="medium")
        with places[position % 2], st.container(border=True, height="stretch", key=f"card-{strategy}"):
            _card(dataset, context, cell, chosen, strategy, models.get(strategy), seen)


def _card(
    dataset: Dataset,
    context: DatasetContext,
    cell: Cell,
    chosen: tokenize_data.Chosen,
    strategy: str,
    info: ModelInfo | None,
    seen: set[str],
) -> None:
    kind = TOKENIZERS[strategy]
    st.markdown(f"### {kind.title}")
    tokenization = tokenize_data.tokenization(dataset, chosen, strategy)
    if isinstance(tokenization, str):
        st.caption(kind.sentence)
        st.warning(f"Cannot be shown for this choice: {tokenization}")
        return
    st.caption(_figures(tokenization, tokenize_data.lost(dataset, chosen, strategy, tokenization, cell), info, dataset))
    views = _views(tokenization)
    named = {"trained": "Tokens of a trained model", **views}
    first = next((one for one in views if one not in seen), "trained")
    seen.add(first)
    view = first
    if views:
        view = st.segmented_control(
            "View", list(named), default=first, required=True, format_func=lambda one: named[one],
            key=f"view-{strategy}", label_visibility="collapsed",
        )  # fmt: skip
    if view == "scores":
        _scores(tokenization, context, cell, strategy)
    elif view == "network":
        _network(tokenization, context, cell, strategy)
    elif view == "ranks":
        _ranks(tokenization, context, cell, strategy)
    elif view == "flat":
        _flat(context, cell, strategy)
    else:
        _trained(dataset, cell, chosen, strategy, info)
    _words(strategy)


def _views(tokenization: Tokenization) -> dict[str, str]:
    """Return what can be shown of a strategy without a trained model, by what it can do."""
    views = {}
    if tokenization.knowledge.gene_sets is not None:
        views["scores"] = "Pathway scores"
    if tokenization.knowledge.network is not None:
        views["network"] = "Network"
    if isinstance(tokenization.tokenizer, RanksGenes):
        views["ranks"] = "Sequence"
    if tokenization.layout.n_tokens == 1:
        views["flat"] = "Flat vector"
    return views


def _figures(tokenization: Tokenization, lost: Lost, info: ModelInfo | None, dataset: Dataset) -> str:
    layout, cost = tokenization.layout, tokenization.cost
    parts = " (" + " + ".join(f"{n:,} {title}" for title, n in layout.parts) + ")" if layout.parts else ""
    attends = (
        f"**{cost.pairs:,}** pairs attend per layer, {amount(cost.attention)} operations"
        if cost.pairs
        else "no attention"
    )
    gone = f"**{lost.n_lost:,}** of its {lost.n_detected:,} genes lost"
    gone += f" ({lost.share:.0%} of its {'counts' if dataset.info.has_counts else 'expression'})" if lost.n_lost else ""
    if lost.unnamed is not None:
        why = "in no set" if tokenization.knowledge.gene_sets is not None else "without a regulator"
        gone += f", {lost.unnamed:,} {why}"
    r = None if info is None else tokenize_data.round_trip(dataset, info)
    back = "round trip –" if r is None else f"round trip r = **{r:.2f}**"
    return (
        f"**{layout.n_tokens:,}** tokens{parts} x {layout.n_channels} numbers · "
        f"vocabulary **{tokenization.vocabulary:,}** · {attends} · {gone} · {back}"
    )


def amount(operations: float) -> str:
    """Write operations as people say them: "12 thousand", "3.4 million"."""
    for size, word in ((1e12, "trillion"), (1e9, "billion"), (1e6, "million"), (1e3, "thousand")):
        if operations >= size:
            return f"{operations / size:.3g} {word}"
    return f"{operations:.0f}"


def _scores(tokenization: Tokenization, context: DatasetContext, cell: Cell, strategy: str) -> None:
    sets = tokenization.knowledge.gene_sets
    assert sets is not None
    named = {name: members for name, members in sets.sets.items() if name in set(tokenization.layout.names)}
    table = score_table(cell.standardised, context.compared, replace(sets, sets=named), context.genes)
    figures.show_figure(
        plots.scores(table),
        how_to_read="The sets in which this cell differs most from other cells: the mean standardised expression of "
        "their genes. No model is involved; a high score does not show that the process is at work.",
        name=f"scores-{strategy}",
        table=table,
    )


def _network(tokenization: Tokenization, context: DatasetContext, cell: Cell, strategy: str) -> None:
    network = tokenization.knowledge.network
    assert network is not None
    some = strongest_edges(cell, network, context.genes, most=10_000)
    if some.empty:
        st.info("No edge of the network joins two genes that this cell shows.")
        return
    left, right = st.columns(2)
    with left:
        totals = some.groupby("source")["score"].sum().sort_values(ascending=False, kind="stable")
        focus = st.selectbox("Regulator", [None, *totals.index], key=f"regulator-{strategy}",
                             format_func=lambda one: "all: the strongest edges" if one is None else one)  # fmt: skip
    with right:
        most = st.segmented_control("Edges", (10, 20, 40), default=20, required=True, key=f"edges-{strategy}")
    shown = strongest_edges(cell, network, context.genes, most=most, regulator=focus)
    figures.show_figure(
        plots.neighbourhood(shown),
        how_to_read=f"Left: regulators, right: their targets; the {len(shown)} of {len(some):,} edges between "
        "expressed genes whose two ends lie highest above the average cell. Larger dots: higher expression. An "
        "edge is prior knowledge; it need not act in this cell.",
        name=f"network-{strategy}",
        table=shown,
    )


def _ranks(tokenization: Tokenization, context: DatasetContext, cell: Cell, strategy: str) -> None:
    assert isinstance(tokenization.tokenizer, RanksGenes)
    sequence = tokenization.tokenizer.sequence(torch.from_numpy(cell.standardised))
    table = ranked(sequence.genes, context.genes, cell)
    figures.show_figure(
        plots.ranks(sequence.genes, table["log_normalised"].to_numpy()),
        how_to_read=f"The first of {len(sequence.genes):,} ranks; genes are ranked relative to their usual level, so "
        f"a high rank need not be a long bar. {sequence.genes_lost:.0%} of the {sequence.n_seen:,} genes of this cell "
        f"come after the last rank ({sequence.counts_lost:.0%} of its counts) and are not in the sequence.",
        name=f"ranks-{strategy}",
        table=table,
    )


def ranked(order: Sequence[str], genes: Sequence[str], cell: Cell) -> pd.DataFrame:
    """Return the expression of genes in an order, by rank from 1, as every page shows it."""
    shown = pd.Series(cell.shown, index=list(genes))[list(order)]
    rank = pd.RangeIndex(1, len(order) + 1, name="rank")
    return pd.DataFrame({"gene": list(order), "log_normalised": shown.to_numpy()}, index=rank)


def _flat(context: DatasetContext, cell: Cell, strategy: str) -> None:
    figures.show_figure(
        plots.flat(cell.standardised, context.genes, title="SD from the mean"),
        how_to_read="Each tile is a gene, in the order of the data set; point at it to see which. This is what "
        "goes in, all at once; the order of tiles has no meaning.",
        name=f"flat-{strategy}",
        table=pd.DataFrame({"gene": context.genes, "standardised": cell.standardised}),
    )


def _trained(dataset: Dataset, cell: Cell, chosen: tokenize_data.Chosen, strategy: str, info: ModelInfo | None) -> None:
    if info is None:
        st.info(f"No model of this data set has {TOKENIZERS[strategy].title} yet: no trained tokens to show.")
        frame.link("train", "Train one", icon=":material/arrow_forward:",
                   extra={"strategy": strategy, "preset": chosen.preset})  # fmt: skip
        return
    look = tokenize_data.detected(dataset, info, cell)
    if isinstance(look, str):
        st.warning(look)
        return
    table = pd.DataFrame(look.tokens, index=pd.Index(look.names, name="token"))
    table.columns = pd.Index([f"number {i + 1}" for i in range(look.tokens.shape[1])])
    back = (
        f"Decoded again, its genes correlate with what was measured by r = {look.r:.2f}."
        if look.r is not None
        else f"In {info.config.model.space_name} cells are not decoded from tokens."
    )
    shown = (
        f"The {plots.MOST_ROWS} most unusual of {len(look.names):,} tokens. "
        if len(look.names) > plots.MOST_ROWS
        else ""
    )
    figures.show_figure(
        plots.token_heat(look.names, look.tokens),
        how_to_read=f"{shown}Tokens of “{explain.plain(info.title)}”: red or blue, above or below other cells. {back}",
        name=f"tokens-{strategy}",
        table=table,
    )


def _words(strategy: str) -> None:
    opinion = OPINIONS.get(strategy)
    if opinion is None:
        st.caption(TOKENIZERS[strategy].sentence)
        return
    st.caption(f"**Keeps** {opinion.keeps}. **Loses** {opinion.destroys}.")
