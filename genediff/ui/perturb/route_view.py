"""The route from the perturbed genes through a network to the genes that are said to change."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from genediff.data.simulation.planted import kept_truth
from genediff.plots import perturbation_plots as plots
from genediff.training.presets import DEFAULT_KNOWLEDGE
from genediff.ui.kit import caching, choices, explain, figures
from genediff.ui.perturb import perturb_data

if TYPE_CHECKING:
    import pandas as pd

    from genediff.perturbation.question import Question
    from genediff.perturbation.question_result import Result

PLANTED, OWN = "planted", "model"


def show(question: Question, found: Result, *, name: str) -> None:
    """Draw the route, and say how far it is more than chance."""
    from genediff.perturbation.network_route import route

    if question.perturbation.kind == "condition":
        st.info("A drug or cytokine has no place in a network of genes, so there is no route to follow.")
        return
    left, right = st.columns([0.55, 0.45], vertical_alignment="bottom")
    with left:
        network, title = _network(question)
    if network is None:
        st.info("There is no network in this workspace; add one on the Train page.")
        return
    with right:
        top = st.select_slider(
            "Genes looked for",
            [6, 8, 12, 16, 24],
            value=12,
            key="routed",
            bind="query-params",
            help="Those that change most by the prediction.",
        )
    table = perturb_data.genes_table(question, found)
    change = dict(zip(table["gene"], table["predicted"], strict=True))
    targets = question.perturbation.targets
    lowers = question.perturbation.mode != "activation"
    ways = route(network, targets, change, top=int(top), lowers=lowers)
    names = " and ".join(explain.plain(gene) for gene in targets)
    if ways is None:
        st.info(
            f"{names} {'acts' if len(targets) == 1 else 'act'} on none of the modelled genes in “{title}”: "
            "not in the graph, so there is no route to follow. Choose another network."
        )
        return
    n = len(ways.reached) + len(ways.missed)
    agree, told = ways.agreeing
    signs = f" Where the signs along the way say a direction ({told} genes), {agree} change that way." if told else ""
    st.markdown(
        f"**{len(ways.reached)} of the {n}** genes that change most lie downstream of {names} within three steps; "
        "of all genes "
        f"{ways.by_chance:.0%} do.{signs}"
    )
    if not ways.reached:
        return
    figures.show_figure(
        plots.route(ways.edges, ways.distance, change, targets=targets),
        how_to_read=f"Shortest ways in “{explain.plain(title)}” from what is perturbed (square, left) to the genes "
        "that change "
        "most by the prediction; colour: their predicted change. The network says who may act on whom, in any "
        "tissue; that a "
        "way exists does not say that the effect took it. Compare the share reached with that of all genes, above.",
        name=f"{name}-route",
        table=ways.edges,
        publication=lambda: plots.route_on_paper(ways.edges, ways.distance, change, targets=targets),
    )
    if ways.missed:
        st.caption(f"Not downstream in this network: {', '.join(explain.plain(gene) for gene in ways.missed)}.")


def _network(question: Question) -> tuple[pd.DataFrame | None, str]:
    options: dict[str, str] = {}
    own = question.source.network()
    if own is not None:
        options[OWN] = f"The model's own network ({own[1]})"
    truth = kept_truth(question.task.dataset)
    if truth is not None:
        options[PLANTED] = "The planted network (these cells are simulated)"
    options |= {item.id: item.title for item in caching.workspace().library().list("network")}
    if not options:
        return None, ""
    usual = DEFAULT_KNOWLEDGE["network"]
    first = next(iter(options)) if own is not None or truth is not None else usual if usual in options else None
    chosen = choices.select("Network", options, key="network", default=first)
    if chosen == OWN and own is not None:
        return own
    if chosen == PLANTED and truth is not None:
        return truth.edges, options[PLANTED]
    return caching.workspace().library().network(chosen).edges, options[chosen]
