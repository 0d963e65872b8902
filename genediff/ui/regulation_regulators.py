"""Key regulators: of one gene, of a cell type, or of a generated population."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from genediff.plots import regulation as plots
from genediff.ui import explain, figures, regulation_choice, regulation_data

if TYPE_CHECKING:
    from genediff.data import Dataset
    from genediff.model_info import ModelInfo
    from genediff.ui.regulation_data import Population, Settings

_GENE, _ALL = "One gene", "The whole population"


def show(info: ModelInfo, dataset: Dataset) -> None:
    """Ask for what is regulated, and rank the regulators."""
    known = regulation_data.genes(info)
    with st.container(border=True):
        left, middle, right = st.columns([0.34, 0.42, 0.24], gap="medium")
        with left:
            what = st.segmented_control(
                "Regulators of", [_GENE, _ALL], default=_GENE, required=True, key="of", bind="query-params"
            )
            gene = regulation_choice.target(known) if what == _GENE else None
        with middle:
            cells = regulation_choice.population(info, dataset)
        with right:
            settings = regulation_choice.settings()
    if gene is not None:
        _of_gene(info, dataset, cells, settings, gene)
    else:
        _of_population(info, dataset, cells, settings)


def _of_gene(info: ModelInfo, dataset: Dataset, cells: Population, settings: Settings, gene: str) -> None:
    table = regulation_data.regulators_of(info, dataset, cells, settings, gene)
    reaching = table[table["effect"] > 0]
    st.markdown(
        f"**{len(reaching)}** of {len(table)} regulators reach **{explain.plain(gene)}**; first comes "
        f"**{explain.plain(str(table['regulator'][0]))}**."
        if len(reaching)
        else f"No regulator reaches **{explain.plain(gene)}** in this model."
    )
    figures.show_figure(
        plots.bars(reaching, value="effect", title=f"change of {gene} (SD) when it falls silent", signed="slope"),
        how_to_read="Each regulator falls silent in turn: no edge leaves it. Length: how far the prediction moves from "
        "cell to cell; blue: it activates the gene, orange: it represses it. This ranks what the model relies on; the "
        "tests against shuffled networks are under *Paths*.",
        name=f"regulators-{gene}",
        table=table,
    )
    with st.expander(f"All {len(table)} regulators as a table"):
        st.dataframe(table, hide_index=True)


def _of_population(info: ModelInfo, dataset: Dataset, cells: Population, settings: Settings) -> None:
    table = regulation_data.key_regulators(info, dataset, cells, settings)
    if settings.n_shuffled:
        sure = table[table["q"] < 0.05]
        names = ", ".join(explain.plain(name) for name in sure["regulator"].head(5))
        st.markdown(
            f"**{len(sure)}** of {len(table)} regulators reach further than in {settings.n_shuffled} shuffled networks "
            f"(FDR < 0.05){': ' + names if names else ''}."
        )
    figures.show_figure(
        plots.bars(table, value="reach", title="reach: shares of all other genes that are its"),
        how_to_read=f"How much of all other genes comes from each regulator after all passes, in {cells.title}. One "
        "with many targets reaches far anyhow, in shuffled networks too, where it has as many: that is what p tells.",
        name="key-regulators",
        table=table,
    )
    st.dataframe(table, hide_index=True)
    explain.how_to_read(
        "effect: what silencing it changes in all other genes (root mean square, SD), measured for those that reach "
        "furthest."
    )
