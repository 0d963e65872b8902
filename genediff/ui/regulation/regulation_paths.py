"""The strongest paths at a gene: as a network, in words, as a table and as files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from genediff.inspection.regulation.significance import SUPPORTED, WORDS, in_words
from genediff.plots import regulation_plots as plots
from genediff.ui.kit import explain, figures, tables
from genediff.ui.kit.reproduction_bundle import bundle_button
from genediff.ui.regulation import regulation_choice, regulation_data
from genediff.ui.regulation.regulation_overview import edges_in_words

if TYPE_CHECKING:
    import pandas as pd

    from genediff.data import Dataset
    from genediff.inspection.regulation.interventions import Interventions
    from genediff.inspection.regulation.query import PathSearch
    from genediff.inspection.regulation.shuffled_networks import End
    from genediff.models.model_info import ModelInfo
    from genediff.ui.regulation.regulation_data import Population, Settings

_FIRST = 8  # paths that are drawn until the reader asks for more


def show(info: ModelInfo, dataset: Dataset) -> None:
    """Ask for genes and cells, and draw the paths between them."""
    known = regulation_data.genes(info, dataset)
    with st.container(border=True):
        left, middle, right = st.columns([0.34, 0.42, 0.24], gap="medium")
        with left:
            regulator, target = regulation_choice.ends(known)
        with middle:
            cells = regulation_choice.population(info, dataset)
        with right:
            settings = regulation_choice.settings(info)
    end: End = "source" if target is None else "target"
    gene = regulator if target is None else target
    assert gene is not None  # the choice names one of them
    answer = regulation_data.answer(
        info, dataset, cells, settings, gene=gene, end=end, regulator=regulator if end == "target" else None
    )
    _words(answer, regulation_data.interventions(info, dataset, cells, settings), info.space)
    _network(answer, info, dataset, cells, settings)
    _table(answer)


def _words(answer: PathSearch, tested: Interventions, space: str) -> None:
    paths, gene = _plain(answer.paths), explain.plain(answer.gene)
    words = in_words(paths, gene, end=answer.end, n_cells=answer.n_cells, space=space)
    st.markdown(f"{words} {edges_in_words(tested)}")


def _network(answer: PathSearch, info: ModelInfo, dataset: Dataset, cells: Population, settings: Settings) -> None:
    n = len(answer.paths)
    top = (
        st.slider(
            "Paths drawn: supported, then strongest",
            1,
            min(n, 30),
            min(n, _FIRST),
            key="drawn",
            bind="query-params",
        )
        if n > 1
        else 1
    )
    paths = answer.paths.sort_values("verdict", key=lambda verdict: verdict != SUPPORTED, kind="stable").head(top)
    edges = _of_paths(answer.edges, paths)
    event = figures.show_figure(
        plots.network(edges, paths, gene=answer.gene),
        how_to_read=f"Expression travels from left to right. Width: how much flows ({answer.n_cells} cells of "
        f"{cells.title}, {regulation_choice.moment(info, answer.t)}); colour: whether the edge raises or lowers its "
        "target in the model; dotted: on no supported path. Rest on a diamond for sign, prior and layer. It shows what "
        "the model uses, not what acts in the cell.",
        name=f"regulation-{answer.gene}",
        table=edges,
        publication=lambda: plots.network_on_paper(edges, paths, gene=answer.gene),
        select=("points",),
    )  # fmt: skip
    _clicked(event, edges)
    with st.container(horizontal=True, gap="small"):
        _files(answer)
        bundle_button(
            f"Regulation: paths {'to' if answer.end == 'target' else 'from'} {answer.gene}",
            model=info,
            dataset=dataset.info,
            settings={"cells": cells.title, "t": settings.t, "steps": settings.steps, "flow": settings.measure,
                      "n_cells": answer.n_cells, "n_shuffled": answer.n_shuffled},
            seed=0,
            sentence="Paths were ranked by attention rollout along the network (Abnar and Zuidema 2020), split by "
            "path. A path is supported where each of its edges is: the regulator was given the value of another cell "
            "of the same type, in cells held out from training (one-sided t-test over cells of the improvement in "
            "squared error; false discovery rate over all edges of the network: Storey, Taylor and Siegmund 2004).",
        )  # fmt: skip


def _files(answer: PathSearch) -> None:
    from genediff.inspection.regulation.path_table import to_graphml, to_tsv

    for label, make, name, kind in (
        ("Network as GraphML", lambda: to_graphml(answer), f"{answer.gene}-paths.graphml", "application/xml"),
        ("Paths as TSV", lambda: to_tsv(answer.paths), f"{answer.gene}-paths.tsv", "text/tab-separated-values"),
        ("Edges as TSV", lambda: to_tsv(answer.edges), f"{answer.gene}-edges.tsv", "text/tab-separated-values"),
    ):
        st.download_button(
            label, make, file_name=name, mime=kind, key=f"regulation-{label}", on_click="ignore", type="tertiary",
            icon=":material/download:",
        )  # fmt: skip


def _clicked(event: dict[str, Any], edges: pd.DataFrame) -> None:
    for point in event.get("points") or []:
        told = point.get("customdata")
        name = told[0] if isinstance(told, list | tuple) else told
        for _, edge in edges.iterrows():
            if f"{edge['source']}>{edge['target']}" == name:
                st.info(plots.hover(edge).replace("<br>", " · ").replace("<b>", "**").replace("</b>", "**"))


def _table(answer: PathSearch) -> None:
    small = st.column_config.NumberColumn(format="%.3f")
    shown = answer.paths.drop(columns=["genes", "source", "target"])
    columns: dict[str, Any] = {
        "path": st.column_config.TextColumn("path", width="medium"),
        "flow": st.column_config.NumberColumn("flow", format="percent", help="Share of the target that came this way"),
        "effect": st.column_config.NumberColumn(
            "effect (SD)", format="%.2g", help="Effect of removing this path alone"
        ),
        "slope": st.column_config.NumberColumn("slope", format="%+.2g", help="SD of the target per SD of the source"),
        "gain": st.column_config.NumberColumn(
            "error removed",
            format="percent",
            help="At its weakest edge, by the true value against another cell's",
        ),
        "p": st.column_config.NumberColumn("p", format="%.1e", help="Of its weakest edge"),
        "q": st.column_config.NumberColumn("FDR", format="%.1e"),
        "flow_p": st.column_config.NumberColumn("flow p", format="%.3f", help="Against shuffled networks"),
        "flow_q": st.column_config.NumberColumn("flow FDR", format="%.3f", help="Against shuffled networks"),
        "help": None,
        "steps": st.column_config.NumberColumn("edges", width="small"),
        "verdict": st.column_config.TextColumn("verdict", width="medium"),
    }
    tables.show(shown, "regulation-paths", column_config={**dict.fromkeys(shown.columns, small), **columns})
    explain.how_to_read(
        "At every edge of the network the regulator is given the value of another cell of the same type. The test asks "
        "whether the true value predicts the target better, in cells that the model was not trained on; a path is as "
        "certain as its least certain edge. " + " ".join(f"*{verdict}*: {words}." for verdict, words in WORDS.items())
    )


def _of_paths(edges: pd.DataFrame, paths: pd.DataFrame) -> pd.DataFrame:
    """Return the edges that these paths use."""
    used = {pair for genes in paths["genes"] for pair in zip(genes, genes[1:], strict=False)}
    there = [pair in used for pair in zip(edges["source"], edges["target"], strict=True)]
    return edges[there].reset_index(drop=True)


def _plain(paths: pd.DataFrame) -> pd.DataFrame:
    return paths.assign(path=[explain.plain(path) for path in paths["path"]])
