"""Key regulators: of one gene, of a cell type, or of a generated population."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from genediff.inspection.regulation.significance import ASSOCIATED, LEVEL, null_result
from genediff.plots import regulation_plots as plots
from genediff.ui.kit import explain, figures, tables
from genediff.ui.regulation import regulation_choice, regulation_data

if TYPE_CHECKING:
    from genediff.data import Dataset
    from genediff.models.model_info import ModelInfo
    from genediff.ui.regulation.regulation_data import Population, Settings

_GENE, _ALL = "One gene", "The whole population"


def show(info: ModelInfo, dataset: Dataset) -> None:
    """Choose one gene or the whole population, and rank the regulators."""
    known = regulation_data.genes(info, dataset)
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
            settings = regulation_choice.settings(info)
    if gene is not None:
        _of_gene(info, dataset, cells, settings, gene)
    else:
        _of_population(info, dataset, cells, settings)


def _of_gene(info: ModelInfo, dataset: Dataset, cells: Population, settings: Settings, gene: str) -> None:
    table = regulation_data.regulators_of(info, dataset, cells, settings, gene)
    n_cells = regulation_data.n_cells(info, dataset, cells, settings)
    reaching = table[table["effect"] > 0]
    supported = table[table["q"] < LEVEL]
    names = ", ".join(explain.plain(name) for name in supported["regulator"].head(5))
    doubt = "" if len(supported) else f" {null_result(n_cells, 'edge', space=info.space)}"
    st.markdown(
        f"**{len(reaching)}** of {len(table)} regulators change the prediction of **{explain.plain(gene)}**; "
        f"**{len(supported)}** of them are supported in {n_cells:,} cells (FDR < 5%, "
        f"of direct ones over all edges){': ' + names if names else ''}.{doubt}"
        if len(reaching)
        else f"No regulator changes the prediction of **{explain.plain(gene)}** in this model."
    )
    figures.show_figure(
        plots.bars(
            reaching.assign(sign=reaching["slope"].where(reaching["q"] < LEVEL)),
            value="effect",
            title=f"change of {gene} (SD)",
            signed="sign",
        ),
        how_to_read="Each regulator is given the value of another cell of the same type. Length: how far the "
        "prediction moves; blue: upwards with it, orange: downwards, grey: not supported. All routes count, so the "
        "sign can differ from that of the direct edge under *Paths*. *Supported*: its true value predicts the gene "
        f"better in {cells.looked_at}. {ASSOCIATED}",
        name=f"regulators-{gene}",
        table=table,
    )
    with st.expander(f"All {len(table)} regulators as a table"):
        tables.show(table, "cell-regulators")


def _of_population(info: ModelInfo, dataset: Dataset, cells: Population, settings: Settings) -> None:
    table = regulation_data.key_regulators(info, dataset, cells, settings)
    n_cells = regulation_data.n_cells(info, dataset, cells, settings)
    sure = table[table["q"] < LEVEL]
    names = ", ".join(explain.plain(name) for name in sure["regulator"].head(5))
    doubt = "" if len(sure) else f" {null_result(n_cells, 'regulator', space=info.space)}"
    st.markdown(
        f"**{len(sure)}** of {len(table)} regulators are supported by their targets in {n_cells:,} cells (FDR < 5%)"
        f"{': ' + names if names else ''}.{doubt}"
    )
    figures.show_figure(
        plots.bars(
            table.sort_values("on_targets", ascending=False), value="on_targets", title="change of its targets (SD)"
        ),
        how_to_read=f"What another cell's value of a regulator changes in its targets, in {cells.title} (root mean "
        "square). A large change is a strong belief of the model; whether the cells agree is what the FDR says.",
        name="key-regulators",
        table=table,
    )
    tables.show(
        table,
        "key-regulators",
        column_config={
            "on_targets": st.column_config.NumberColumn("change of its targets (SD)", format="%.2g"),
            "specific": "target-specific",
            "on_others": st.column_config.NumberColumn("change of other genes (SD)", format="%.2g"),
            "p": st.column_config.NumberColumn(format="%.1e"),
            "q": st.column_config.NumberColumn("FDR", format="%.1e"),
            "reach": st.column_config.NumberColumn(format="%.2f", help="Shares of all other genes that are its"),
            "reach_z": st.column_config.NumberColumn(
                "reach (z)", format="%+.1f", help="Against shuffled networks in which it has as many targets"
            ),
        },
    )
