"""All tokenizations of a data set in one table: counts and measurements, and beside them opinions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from genediff.inspection.one_cell.strategy_notes import OPINIONS
from genediff.plots.token_plots import cost_bars
from genediff.tokenizers import TOKENIZERS
from genediff.ui.kit import downloads, explain, figures, tables
from genediff.ui.tokenize import tokenize_data
from genediff.ui.tokenize.tokenize_cards import amount

if TYPE_CHECKING:
    from genediff.data import Dataset
    from genediff.inspection.one_cell.dataset_context import Cell

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
    words = {"products": "other", **{one: f"{one.removeprefix(OPINION)} (opinion)" for one in opinions}}
    shown = summary.assign(**{one: summary[one].map(amount) for one in ("attention", "products")})
    tables.small(shown.rename(columns=words), formats={"tokens": ",.0f", "genes lost": ",.0f", "round trip r": ".2f"})
    explain.how_to_read(
        "Counted for this data set, the chosen size and the chosen cell. *Attention* and *other*: operations per cell, "
        "of attention and of all other matrix products. *Genes lost*: genes of the cell without influence on any token "
        "(measured). *Round trip*: held-out cells, decoded again, against what was measured, where a model of that "
        "tokenization was trained on these cells (–: train one). Columns marked as opinion are not measured. "
        "Compare shows how good generated cells are."
    )
    with st.expander("All counts"):
        tables.show(
            table.drop(columns=opinions),
            "strategies",
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
    downloads.download(
        "Table as CSV", lambda: downloads.to_csv(table), "tokenizations.csv", key="tokenizations", narrow=True
    )
    figures.show_figure(
        cost_bars(table),
        how_to_read="Operations per cell on a logarithmic scale. Attention is missing where there is none. Encoder and "
        "decoder are not counted, and run time depends on the machine.",
        name="tokenization-costs",
        table=table[["strategy", "attention", "products"]],
    )


def rows(dataset: Dataset, cell: Cell, chosen: tokenize_data.Chosen) -> pd.DataFrame:
    """Return one row per strategy; empty cells where it cannot be built or was not measured."""
    models = tokenize_data.models(dataset)
    found = []
    for strategy, kind in TOKENIZERS.items():
        tokenization = tokenize_data.tokenization(dataset, chosen, strategy)
        row: dict[str, object] = {"strategy": kind.title}
        if not isinstance(tokenization, str):
            row |= {
                "tokens": tokenization.layout.n_tokens,
                "vocabulary": tokenization.vocabulary,
                "numbers per cell": tokenization.layout.size,
                "parameters": tokenization.n_parameters,
                "pairs per layer": tokenization.cost.pairs,
                "attention": tokenization.cost.attention,
                "products": tokenization.cost.products,
                "genes lost": tokenize_data.lost(dataset, chosen, strategy, tokenization, cell).n_lost,
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
