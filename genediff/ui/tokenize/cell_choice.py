"""Which cell the Tokenize page is about, and what its strategies are built on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from genediff.plots import embedding
from genediff.plots.picture import with_pictures
from genediff.plots.style import HOVER_LIMIT, style
from genediff.training.presets import DEFAULT_KNOWLEDGE, PRESETS
from genediff.ui.kit import caching, choices, explain, figures, missing_map, obs_columns, subsample, tables
from genediff.ui.tokenize import tokenize_data

if TYPE_CHECKING:
    from genediff.data import Dataset
    from genediff.inspection.one_cell.dataset_context import Cell

CELL = "cell"  # the part of the address that names the cell
MOST_LISTED = 20_000
MOST_CLICKED = 300  # of more cells than a browser can search at ease, those that answer to a click
_CLICK = "tokenize-click"


def cell(dataset: Dataset) -> str:
    """Let the reader choose a cell: by its name, a typical one of a group, any one, or on the map."""
    names = dataset.obs.index.astype(str)
    label = dataset.info.label
    current = _current(dataset)
    by_name, by_group, chance = st.columns([0.45, 0.38, 0.17], vertical_alignment="bottom")
    with by_name:
        _search(names, current)
    with by_group:
        if label is not None:
            typical = tokenize_data.typical(dataset, label)
            groups = {level: level for level in typical}
            st.session_state["typical"] = next((level for level, name in typical.items() if name == current), None)
            st.selectbox(
                "A typical …",
                list(groups),
                index=None,
                key="typical",
                placeholder=f"one of {len(groups)} in {label}",
                help="The cell nearest to the mean of its group, in principal components.",
                on_change=lambda: _choose(typical.get(st.session_state["typical"] or "")),
            )
    with chance:
        st.button("Any cell", icon=":material/casino:", width="stretch", on_click=_any, args=(names, current))
    return current


def show_map(dataset: Dataset, current: str) -> None:
    """Draw the map with the chosen cell on it; a click chooses another."""
    if not dataset.info.has_umap:
        missing_map.show(dataset, "Until then cells are chosen by name.")
        return
    names = dataset.obs.index.astype(str)
    row = int(np.flatnonzero(names == current)[0])
    columns = obs_columns.colour_columns(dataset)
    if columns.classes:
        codes, levels = obs_columns.classes(dataset, columns.classes[0])
    else:
        codes, levels = np.zeros(len(names), dtype=int), ("cells",)
    # In the order of the cells, so that a point's number is its cell's. Of very many some answer to a click.
    some = np.arange(len(names))
    if len(names) > HOVER_LIMIT:
        shown = subsample.rows(dataset)
        fig = with_pictures(embedding.by_label(dataset.umap[shown], codes[shown], levels, height=380))
        some = subsample.stratified(codes, MOST_CLICKED, least=10)
        rims = {"size": 5, "color": "rgba(255,255,255,0.5)", "line": {"width": 1, "color": "#5C6773"}}
        x, y = dataset.umap[some].T
        fig.add_scatter(
            x=x, y=y, mode="markers", marker=rims, showlegend=False, text=names[some], hoverinfo="text"
        )  # fmt: skip
        fig.data = (fig.data[-1], *fig.data[:-1])
    else:
        fig = embedding.by_label(dataset.umap, codes, levels, shuffle=False, height=380)
    ring = {"size": 17, "symbol": "circle-open", "color": "#AA4466", "line": {"width": 4}}
    x, y = dataset.umap[row]
    # WebGL, as the dots: what is SVG lies below them, whatever its order, and would not be seen.
    fig.add_trace(go.Scattergl(x=[x], y=[y], mode="markers", marker=ring, name="this cell", hoverinfo="skip"))
    style(fig, height=380)
    event = figures.show_figure(
        fig,
        how_to_read="Each dot is a cell in the colour of its group; the ring is the chosen one. "
        f"{'Click a dot to choose it' if len(some) == len(names) else 'Click a cell with a rim to choose it'}. "
        f"Distances between groups and the axes mean little.{subsample.sample_note(dataset)}",
        name="tokenize-map",
        select=("points",),
    )
    clicked = _clicked(event, some)
    if clicked is not None and clicked != st.session_state.get(_CLICK):
        st.session_state[_CLICK] = clicked
        if names[clicked] != current:
            _choose(str(names[clicked]))
            st.rerun()


def material(dataset: Dataset) -> tokenize_data.Chosen:
    """Let the reader choose the size of the tokenizations, gene sets and network."""
    library = caching.workspace().library()
    size, sets, network = st.columns(3)
    with size:
        presets = {name: preset.title for name, preset in PRESETS.items() if not preset.strategies}
        preset = choices.select("Size", presets, key="preset", help="Tokens and network as in this preset of Train.")
    known: dict[str, str | None] = {}
    kinds: tuple[tuple[Any, Literal["gene_sets", "network"], str], ...] = (
        (sets, "gene_sets", "Gene sets"),
        (network, "network", "Network"),
    )
    for place, kind, words in kinds:
        items = {item.id: item.title for item in library.list(kind)}
        with place:
            if not items:
                st.caption(f"There are no {words.lower()} here; add some on the Train page.")
                known[kind] = None
                continue
            first = DEFAULT_KNOWLEDGE[kind]
            known[kind] = choices.select(words, items, key=kind, default=first if first in items else None)
    return tokenize_data.Chosen(preset, known["gene_sets"], known["network"])


def _current(dataset: Dataset) -> str:
    names = dataset.obs.index.astype(str)
    asked = st.query_params.get(CELL, st.session_state.get(_key(dataset)))
    known = set(names)
    if asked not in known:
        if CELL in st.query_params:
            st.warning(f"There is no cell “{asked}” in {dataset.info.name}; another is shown.")
        asked = _first(dataset)
    st.session_state[_key(dataset)] = asked
    st.query_params[CELL] = str(asked)
    return str(asked)


def _first(dataset: Dataset) -> str:
    """Return a typical cell of the largest group, or the first cell."""
    label = dataset.info.label
    if label is None:
        return str(dataset.obs.index[0])
    largest = str(dataset.obs[label].value_counts().index[0])
    return tokenize_data.typical(dataset, label)[largest]


def _search(names: Any, current: str) -> None:
    if len(names) <= MOST_LISTED:
        st.session_state["cell_name"] = current
        st.selectbox(
            "Cell",
            list(names),
            key="cell_name",
            filter_mode="contains",
            on_change=lambda: _choose(st.session_state["cell_name"]),
        )
        return
    st.session_state["cell_name"] = current
    st.text_input(
        "Cell (its name in the file)", key="cell_name", on_change=lambda: _choose(st.session_state["cell_name"])
    )


def _any(names: Any, current: str) -> None:
    # The next one follows from the last, so that a link to a cell and a click give the same next cell to everyone.
    place = int(np.flatnonzero(names == current)[0])
    _choose(str(names[int(np.random.default_rng(place).integers(len(names)))]))


def _choose(name: str | None) -> None:
    if name:
        st.query_params[CELL] = name


def _clicked(event: dict[str, Any], shown: np.ndarray) -> int | None:
    for point in event.get("points") or []:
        if point.get("curve_number", 0) == 0 and "point_index" in point:
            return int(shown[point["point_index"]])
    return None


def _key(dataset: Dataset) -> str:
    return f"tokenize-cell-{dataset.info.id}"


def about(dataset: Dataset, cell: Cell) -> None:
    """Say what is known of the chosen cell: its labels, its counts, its highest genes."""
    info = dataset.info
    roles = [
        column for column in dict.fromkeys((info.label, *info.conditions, info.batch, info.perturbation)) if column
    ]
    said = [f"{column}: **{explain.plain(str(dataset.obs[column].iloc[cell.row]))}**" for column in roles]
    with st.container(border=True):
        st.markdown("**This cell**" + "".join(f"  \n{line}" for line in said))
        total = f"{cell.measured.sum():,.0f} counts of " if info.has_counts else ""
        st.caption(
            f"{total}{cell.n_detected:,} of {info.n_genes:,} chosen genes are above zero; "
            f"it is one of the {dataset.obs['split'].iloc[cell.row]} cells."
        )
        # One count of a rare gene is many standard deviations and tells nothing; markers are caught more than once.
        firm = cell.measured >= 2 if info.has_counts else cell.measured > 0
        order = np.argsort(-np.where(firm, cell.standardised, -np.inf), kind="stable")[: min(8, int(firm.sum()))]
        table = pd.DataFrame(
            {
                "gene": [dataset.genes[i] for i in order],
                "log-normalised": cell.shown[order],
                "SD from the mean": cell.standardised[order],
            }
        )
        st.caption("Genes that stand out most" + (" (two counts or more)" if info.has_counts else ""))
        tables.small(table, formats={"log-normalised": ".2f", "SD from the mean": "+.2f"})
