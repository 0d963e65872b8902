"""One cell explained by its pathways: how much each token adds to the likelihood of its counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from genediff.plots import pathway_plots as plots
from genediff.ui.kit import explain, figures, tables
from genediff.ui.pathways import pathways_data
from genediff.ui.tokenize import cell_choice

if TYPE_CHECKING:
    from genediff.data import Dataset
    from genediff.inspection.pathways.explain_cell import Explained
    from genediff.models.model_info import ModelInfo
    from genediff.ui.pathways.pathways_data import Scored


def show(scored: Scored, info: ModelInfo, dataset: Dataset) -> None:
    """Let the reader choose a cell, and explain it."""
    if scored.source != pathways_data.TOKENS or info.space != "latent":
        _why_not(scored, info)
        return
    name = cell_choice.cell(dataset)
    row = int(np.flatnonzero(dataset.obs.index.astype(str) == name)[0])
    left, right = st.columns([0.44, 0.56], gap="medium")
    with left:
        cell_choice.show_map(dataset, name)
        _about(info, dataset, row)
    found = pathways_data.explained(info, dataset, row)
    with right:
        _headline(found, scored)
        figures.show_figure(
            plots.steps(found.steps, named=scored.names),
            how_to_read=_reading(found),
            name="cell-as-pathways",
            table=found.steps,
        )
    _tables(found, scored, row)


def _why_not(scored: Scored, info: ModelInfo) -> None:
    if info.space != "latent":
        st.info(
            f"This model works in {info.config.model.space_name}, where a cell is not decoded from its tokens. Choose "
            "a model in latent space."
        )
    elif "gene_sets" not in _needs(info):
        st.info(
            "This view explains a cell by pathway tokens, and none of this model's tokens is a pathway. Choose or "
            "train a model with pathway tokens; Inspect shows the tokens of this one."
        )
    else:
        st.info("This view explains a cell by the model's tokens: choose them above under “Activations of”.")


def _needs(info: ModelInfo) -> tuple[str, ...]:
    from genediff.tokenizers import TOKENIZERS

    return TOKENIZERS[info.strategy].needs


_SEEN = {
    "train": " that the model was trained on, so its tokens fit a little too well",
    "validation": ", by which training was stopped, so its tokens may fit a little too well",
}


def _about(model: ModelInfo, dataset: Dataset, row: int) -> None:
    info = dataset.info
    roles = [one for one in dict.fromkeys((info.label, *info.conditions, info.perturbation)) if one]
    said = " · ".join(f"{column}: **{explain.plain(str(dataset.obs[column].iloc[row]))}**" for column in roles)
    part = dataset.obs["split"].iloc[row]
    seen = _SEEN.get(part, "") if model.dataset_id == info.id else ""
    st.markdown(f"{said}  \nIt is one of the {part} cells{seen}." if said else f"It is one of the {part} cells{seen}.")


def _headline(found: Explained, scored: Scored) -> None:
    named = found.steps[found.steps["token"].isin(scored.names)]
    told = found.steps.iloc[-2]["gain"] if len(found.steps) > 2 else 0.0
    first = ", ".join(plots.short_names(list(named["token"].head(3)), width=40))
    n = len(found.steps) - 2
    if not n:
        st.markdown("No single token improves on the mean cell.")
        return
    helped = f" First pathways: **{explain.plain(first)}**." if first else ""
    beyond = (
        f"the top {n} alone reach **{told / found.total:.0%}** of that."
        if 0 < told <= found.total
        else f"the top {n} alone reach **{told:,.0f}**, i.e. the remaining tokens hurt."
    )
    st.markdown(
        f"Using all tokens improves log-likelihood by **{found.total:,.0f} nats** over the mean cell; {beyond}{helped}"
    )


def _reading(found: Explained) -> str:
    judged = (
        "The cell's counts are split into two random halves, eight times; one is encoded, the other scored, so fitting "
        "noise gains nothing. "
        if found.split
        else "Without counts that could be split, the same values are encoded and scored, which flatters. "
    )
    return (
        "Tokens are added one by one to the mean cell, each time the one that improves the likelihood most; all others "
        f"stay at the mean. {judged}Thin lines: standard error. Orange: pathways, grey: latent tokens. Another order "
        "would divide the gains differently, above all among pathways that share genes."
    )


def _tables(found: Explained, scored: Scored, row: int) -> None:
    where = np.flatnonzero(scored.rows == row)
    table = found.table.copy()
    table.insert(1, "activation", np.nan)
    if len(where):
        own = np.asarray(scored.values[:, int(where[0])])
        spread = np.maximum(np.asarray(scored.values.std(1)), 1e-9)
        z = dict(zip(scored.names, (own - np.asarray(scored.values.mean(1))) / spread, strict=True))
        table["activation"] = [z.get(token, np.nan) for token in table["token"]]
    steps, tokens = st.tabs(["Genes explained at each step", "All tokens"])
    with steps:
        tables.show(
            found.steps.iloc[1:-1].assign(token=lambda rows: plots.short_names(list(rows["token"]), width=60)),
            "explained-steps",
            column_config={
                "token": st.column_config.TextColumn("token", width="medium"),
                "gain": st.column_config.NumberColumn("gain so far", format="%.1f"),
                "error": st.column_config.NumberColumn("± SE", format="%.1f"),
                "genes": st.column_config.TextColumn("genes whose counts it explains", width="large"),
            },
        )
        explain.how_to_read("↑: the token raises the expected count of the gene, ↓: it lowers it.")
    with tokens:
        number = st.column_config.NumberColumn(format="%.2f")
        tables.show(
            table,
            "explained-tokens",
            column_config={
                "token": st.column_config.TextColumn("token", width="medium"),
                "activation": st.column_config.NumberColumn("activation (SD)", format="%.2f"),
                **dict.fromkeys(("alone", "alone_error", "last", "last_error"), number),
            },
        )
        explain.how_to_read(
            "alone: gain of the token alone; last: loss when it alone is left out. High alone and low last: redundant "
            "with other tokens. Below zero alone and high last: it corrects other tokens."
        )
