"""Regulation at a glance: which regulators and edges a model uses, beside controls; the page's first view."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from genediff.inspection.regulation.significance import ASSOCIATED, LEVEL, ON_SIMULATED, power
from genediff.plots import regulation_plots as plots
from genediff.ui.kit import explain, figures, layout, tables
from genediff.ui.regulation import regulation_choice, regulation_data

if TYPE_CHECKING:
    import pandas as pd

    from genediff.data import Dataset
    from genediff.inspection.regulation.interventions import Interventions
    from genediff.models.model_info import ModelInfo

LEAST_RISE = 1e-4  # of the error; smaller ones would be written as 0.00%
MOST_EDGES = 20
_PICKED = "regulation-edge-target"


def show(info: ModelInfo, dataset: Dataset) -> None:
    """Draw what replacing each regulator's value does in the chosen cells."""
    with st.container(border=True):
        left, right = st.columns([0.7, 0.3], gap="medium", vertical_alignment="bottom")
        with left:
            cells = regulation_choice.population(info, dataset)
        with right:
            settings = regulation_choice.settings(info)
    found = regulation_data.interventions(info, dataset, cells, settings)
    _headline(found, info.space)
    left, right = st.columns([0.55, 0.45], gap="large")
    with left:
        _edges(found)
    with right:
        _controls(found)
        _ablations(found)
    st.subheader("Every regulator", anchor=False)
    tables.show(
        found.regulators,
        "regulation-knockouts",
        column_config={
            "on_targets": st.column_config.NumberColumn("change of its targets (SD)", format="%.2g"),
            "on_others": st.column_config.NumberColumn("change of other genes (SD)", format="%.2g"),
            "p": st.column_config.NumberColumn(format="%.1e"),
            "q": st.column_config.NumberColumn("FDR", format="%.1e"),
            "specific": "target-specific",
        },
    )
    explain.how_to_read(
        "The value of a regulator is replaced by that of another cell of the same type. *Target-specific*: the model "
        "predicts its targets better from the true value (FDR < 5%), and they change more than other genes. "
        + ASSOCIATED
    )


def _headline(found: Interventions, space: str) -> None:
    table = found.regulators
    k, n = int(table["specific"].sum()), len(table)
    shuffled = _shuffled(found)
    beside = f" ({float(shuffled['specific'].iloc[0]):g} on a shuffled network)" if len(shuffled) else ""
    names = ", ".join(explain.plain(name) for name in table.loc[table["specific"], "regulator"].head(5))
    which = f": {names}" if names else ""
    n_cells = found.n_cells
    st.markdown(
        f"**{k} of {n} regulators have a target-specific effect in this model**{beside}{which}. "
        f"{edges_in_words(found)} {ON_SIMULATED} {power(n_cells, 'regulator', space=space):.0%} of planted "
        f"regulators and {power(n_cells, 'edge', space=space):.0%} of planted edges with so many cells; one that is "
        "not supported may still be real."
    )


def edges_in_words(found: Interventions) -> str:
    """Say how many edges are supported; where a shuffled network has as many, none is named."""
    shuffled = _shuffled(found)
    edges = found.edges[found.edges["q"] < LEVEL]
    verb = "is" if len(edges) == 1 else "are"
    supported = (
        f"**{len(edges):,}** of {len(found.edges):,} edges of the network {verb} supported in {found.n_cells:,} cells "
        "(FDR < 5%)"
    )
    by_chance = len(found.edges) * float(shuffled["edges"].iloc[0]) if len(shuffled) else 0.0
    if len(edges) and len(edges) <= by_chance:
        chance = f"no more than the {by_chance:.0f} of a shuffled network"
        return f"{supported}, {chance}: no evidence that the network matters."
    pairs = zip(edges["source"].head(3), edges["target"].head(3), strict=True)
    first = ", ".join(f"{explain.plain(source)} → {explain.plain(target)}" for source, target in pairs)
    beside = f" ({by_chance:.0f} on a shuffled network)" if len(shuffled) else ""
    return f"{supported}{beside}{': ' + first if first else ''}."


def _shuffled(found: Interventions) -> pd.DataFrame:
    return found.controls.loc[found.controls["what"].str.contains("shuffled")]


def _edges(found: Interventions) -> None:
    st.subheader("Edges with the smallest p-values", anchor=False)
    table = found.edges.head(MOST_EDGES).copy()
    table.insert(0, "edge", table["source"].astype(str) + " → " + table["target"].astype(str))
    tables.show(
        table[["edge", "slope", "gain", "q", "effect"]],
        "regulation-edges",
        on_pick=lambda row: st.session_state.update({_PICKED: str(table["target"].iloc[row])}),
        height=430,
        column_config={
            "slope": st.column_config.NumberColumn(
                format="%+.2g", help="SD of the target per SD of the regulator; above 0: activates"
            ),
            "gain": st.column_config.NumberColumn(
                "error removed", format="percent", help="By the regulator's true value, against another cell's"
            ),
            "q": st.column_config.NumberColumn("FDR", format="%.1e"),
            "effect": st.column_config.NumberColumn("effect (SD)", format="%.2g"),
        },
    )
    gene = st.session_state.get(_PICKED, "")
    if gene not in set(table["target"]):
        gene = str(table["target"].iloc[0])
    st.button(
        f"Paths into {gene}", icon=":material/arrow_forward:", key="regulation-open-paths", on_click=_open, args=(gene,)
    )


def _open(gene: str) -> None:
    st.query_params["target"] = gene
    st.session_state["target"] = gene
    st.session_state[layout.view_key("regulation")] = "Paths"


def _controls(found: Interventions) -> None:
    st.subheader("Beside controls", anchor=False)
    titles = {"what": "", "specific": f"regulators (of {len(found.regulators)})", "edges": "edges supported"}
    formats = {titles["specific"]: "g", titles["edges"]: ".1%"}
    tables.small(found.controls.rename(columns=titles), formats=formats)
    explain.how_to_read(
        "The same test for the trained weights on networks with shuffled edges (numbers of regulators and targets "
        "kept), and for a linear regression of each gene on the same regulators. Where the regression does as well, "
        "the model adds no evidence of its own."
    )


def _ablations(found: Interventions) -> None:
    rise, error = found.ablations.set_index("part").loc["all edges", ["rise", "error"]]
    changed = f"**{rise:+.2%}** (± {error:.2%})" if max(abs(rise), error) >= LEAST_RISE else "less than 0.01%"
    st.markdown(f"Without any edge the error of regulated genes changes by {changed}.")
    figures.show_figure(
        plots.ablations(found.ablations),
        how_to_read="How much the error of all regulated genes rises when one part is silenced (standard error over "
        "cells). *All edges*: what regulation is worth to the model. A head also carries each gene's own value, so its "
        "rise is no measure of regulation.",
        name="regulation-ablations",
        table=found.ablations,
    )
