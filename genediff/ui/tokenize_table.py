"""All cuts of a data set in one table: what was counted and measured here, and beside it what we think."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from genediff.analysis.cut import lost_genes
from genediff.analysis.opinions import OPINIONS
from genediff.plots.tokens import cost_bars
from genediff.tokenizers import TOKENIZERS
from genediff.ui import downloads, explain, figures, tokenize_data

if TYPE_CHECKING:
    from genediff.analysis.ground import Cell
    from genediff.data import Dataset

OPINION = "opinion: "
COUNTS = (
    "tokens", "vocabulary", "numbers per cell", "parameters", "pairs per layer", "attention", "products", "genes lost",
    "round trip r", "training (s)",
)  # fmt: skip


def show(dataset: Dataset, cell: Cell, chosen: tokenize_data.Chosen) -> None:
    """Draw the table and the costs."""
    table = rows(dataset, cell, chosen)
    number = st.column_config.NumberColumn
    text = st.column_config.TextColumn
    opinions = [column for column in table if column.startswith(OPINION)]
    summary = table[["strategy", "tokens", "attention", "products", "genes lost", "round trip r", *opinions]]
    st.dataframe(
        summary.assign(**{"round trip r": summary["round trip r"].map("{:.2f}".format).replace("nan", "–")}),
        hide_index=True,
        height="content",
        column_config={
            "strategy": text(pinned=True),
            "tokens": number(format="localized", width=60),
            "attention": number(format="compact", width=75, help="Operations per cell: 4 x pairs x width x layers."),
            "products": number("other", format="compact", width=60, help="Operations of all other matrix products."),
            "genes lost": number(width=80, help="Genes of the chosen cell without influence on any token (measured)."),
            "round trip r": text(width=85, help="Held-out cells, decoded again, against what was measured."),
            **{column: text(f"{column.removeprefix(OPINION)} (opinion)") for column in opinions},
        },
    )
    explain.how_to_read(
        "Numbers are counted for this data set, the chosen size and the chosen cell; the round trip is measured where "
        "a model of that strategy was trained on these cells (–: train one). Columns marked as opinion are what we "
        "think, not measured. The table does not show how good generated cells are: Compare does."
    )
    with st.expander("All counts"):
        st.dataframe(
            table.drop(columns=opinions),
            hide_index=True,
            height="content",
            column_config={
                "strategy": text(pinned=True),
                **{name: number(format="localized") for name in ("tokens", "vocabulary", "numbers per cell")},
                "parameters": number(format="compact"),
                "pairs per layer": number(
                    format="localized", help="Pairs of tokens of which one attends to the other."
                ),
                "attention": number("attention (operations)", format="compact"),
                "products": number("other products (operations)", format="compact"),
                "round trip r": number(format="%.2f"),
                "training (s)": number(format="%.0f"),
            },
        )
    downloads.download("Table as CSV", lambda: downloads.to_csv(table), "cuts.csv", key="cuts", narrow=True)
    figures.show_figure(
        cost_bars(table),
        how_to_read="Left is cheaper, each line ten times dearer than the one before. Attention is missing where "
        "nothing attends. It does not show how fast a machine is at either, nor the encoder and decoder.",
        name="cut-costs",
        table=table[["strategy", "attention", "products"]],
    )


def rows(dataset: Dataset, cell: Cell, chosen: tokenize_data.Chosen) -> pd.DataFrame:
    """Return one row per strategy; empty cells where it cannot be built or was not measured."""
    models = tokenize_data.models(dataset)
    found = []
    for strategy, kind in TOKENIZERS.items():
        cut = tokenize_data.cut(dataset, chosen, strategy)
        row: dict[str, object] = {"strategy": kind.title}
        if not isinstance(cut, str):
            row |= {
                "tokens": cut.layout.n_tokens,
                "vocabulary": cut.vocabulary,
                "numbers per cell": cut.layout.size,
                "parameters": cut.n_parameters,
                "pairs per layer": cut.cost.pairs,
                "attention": cut.cost.attention,
                "products": cut.cost.products,
                "genes lost": lost_genes(cut, cell).n_lost,
            }
        info = models.get(strategy)
        row["round trip r"] = None if info is None else tokenize_data.round_trip(dataset, info)
        row["training (s)"] = None if info is None else info.trained.get("seconds")
        opinion = OPINIONS.get(strategy)
        for name in ("interpretability", "biology", "transfer", "best_for"):
            words = "–" if opinion is None else getattr(opinion, name)
            row[OPINION + name.replace("_", " ")] = words
        found.append(row)
    table = pd.DataFrame(found)
    # Columns that no strategy has filled are there all the same: empty.
    table = table.reindex(columns=list(dict.fromkeys(["strategy", *COUNTS, *table.columns])))
    table[["attention", "products"]] = table[["attention", "products"]].astype(float).fillna(0.0)
    return table.astype({"round trip r": float, "training (s)": float})
