"""A slider on a token moves generated cells on the map, with the genes that follow and a control token beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import streamlit as st

from genediff.data.cells.placer import PLACER
from genediff.plots import generated_detail_plots, token_views
from genediff.ui.kit import choices, explain, figures, inspection_cache, tables
from genediff.ui.tokens import token_data, token_table, token_wording

if TYPE_CHECKING:
    from genediff.inspection.tokens.steering import Start, Steered
    from genediff.ui.tokens.token_data import Subject

CONTROL = "control_token"
MOST_GENES = 12


def show(one: Subject) -> None:
    """Draw the view."""
    if one.info.space != "latent":
        st.info("Only models in latent space generate tokens that can be moved. Choose another model above.")
        return
    names = one.found.names
    if len(names) < 2:
        st.info("This model has a single token, so there is no other one to compare it with.")
        return
    titles = {name: token_wording.called(one, i) for i, name in enumerate(names)}
    order = [
        names[i] for i in np.argsort(np.where(token_data.inactive_tokens(one).dead, 0.0, -one.found.loadings.spread))
    ]
    left, right = st.columns(2)
    with left:
        token = choices.select("Token", titles, key=token_table.TOKEN, default=order[0])
    others = {name: title for name, title in titles.items() if name != token}
    with right:
        control = choices.select(
            "Control token", others, key=CONTROL, default=next(name for name in reversed(order) if name != token),
            help="Another token, moved as far: what the first does beyond it is its own.",
        )  # fmt: skip
    moved = [_steered(one, names.index(name)) for name in (token, control)]
    st.fragment(_draw)(one, moved, (titles[token], titles[control]))


def _steered(one: Subject, token: int) -> Steered:
    """Return generated cells with a token moved; other tokens are moved in the same cells, which are generated once."""
    info, dataset, loadings = one.info, one.dataset, one.found.loadings
    model = inspection_cache.model(info)

    def generate(progress: Any) -> Start:
        from genediff.inspection.tokens.steering import start_cells

        return start_cells(model, dataset)

    start: Start = inspection_cache.measured(
        "Generating cells to move", "steer-start", info, dataset, generate, alone=True
    )

    def make(progress: Any) -> Steered:
        from genediff.inspection.tokens.steering import steer

        folder = dataset.info.folder
        place = (lambda pcs: PLACER.place(folder, pcs)) if dataset.info.has_umap else None
        return steer(model, dataset, loadings, start, token, place=place, progress=progress)

    moved: Steered = inspection_cache.measured(
        "Moving a token of generated cells", "steer", info, dataset, make, token, alone=True
    )
    return moved


def _draw(one: Subject, moved: list[Steered], titles: tuple[str, str]) -> None:
    own = moved[0]
    amount = st.select_slider(
        "Shift of the token (standard deviations over real cells)", own.amounts, value=0.0, key="steer_amount",
        format_func=lambda one: f"{one:+.0f}" if one else "0",
    )  # fmt: skip
    at, zero = own.amounts.index(amount), own.amounts.index(0.0)
    label = one.dataset.info.label
    levels = () if label is None else one.dataset.vocabulary(label)
    left, right = st.columns([0.62, 0.38], gap="medium")
    with left:
        if own.xy is not None:
            maps = {
                title: (found.xy[at], found.nearest[at])
                for title, found in zip(titles, moved, strict=True)
                if found.xy is not None
            }
            figures.show_figure(
                generated_detail_plots.settings_maps(one.dataset.umap, maps, levels, height=420),
                how_to_read=f"{own.xy.shape[1]} generated cells among real ones (grey), with one token moved: left "
                "the chosen token, right the control. The colour is the type of most of the 15 nearest real cells.",
                name="steered-cells",
            )
        if levels:
            st.caption("Generated cells by the type that they resemble")
            tables.small(_types(moved, at, zero, levels, titles), formats=dict.fromkeys(("before", *titles), ".0%"))
    with right:
        _genes(one, moved, at, titles)


def _types(moved: list[Steered], at: int, zero: int, levels: tuple[str, ...], titles: tuple[str, str]) -> pd.DataFrame:
    def shares(codes: np.ndarray) -> np.ndarray:
        return np.bincount(codes[codes >= 0], minlength=len(levels)) / max(len(codes), 1)

    table = pd.DataFrame({"type": levels, "before": shares(moved[0].nearest[zero])})
    for title, found in zip(titles, moved, strict=True):
        table[title] = shares(found.nearest[at])
    return table[table.iloc[:, 1:].max(axis=1) >= 0.005]


def _genes(one: Subject, moved: list[Steered], at: int, titles: tuple[str, str]) -> None:
    own, control = (found.change[at] for found in moved)
    if moved[0].amounts[at] == 0:
        st.info("Move the slider: cells move on the map, and the genes that follow appear here.")
        return
    genes = np.asarray(one.dataset.genes)
    figures.show_figure(
        token_views.drive_bars(
            [str(gene) for gene in genes], own, most=MOST_GENES, height=420, title="change (log-normalised)"
        ),
        how_to_read="The genes that change most with the chosen token, mean over the generated cells. This is "
        "what the model has learned; it is not known that a cell would follow.",
        name="steered-genes",
        table=pd.DataFrame({"gene": genes, titles[0]: own, f"{titles[1]} (control)": control}),
    )
    top = np.argsort(-np.abs(own), kind="stable")[: 2 * MOST_GENES]
    size, other = float(np.abs(own[top]).mean()), float(np.abs(control[top]).mean())
    st.caption(
        f"These genes change by {size:.2f} on average; the control token, moved as far, changes the same genes by "
        f"{other:.2f}, and the genes that follow it most by {np.sort(np.abs(control))[-len(top) :].mean():.2f}."
    )
    st.caption(f"Control: {explain.plain(titles[1])}.")
