"""One token: where it is active, which genes it drives, what it may be called, and how far to believe it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import streamlit as st

from genediff.plots import embedding, palettes, publication, token_views
from genediff.plots.set_names import short_name
from genediff.ui import (
    choices,
    data_columns,
    drawn,
    explain,
    figures,
    selections,
    theme,
    tokens_all,
    tokens_data,
    tokens_words,
)

if TYPE_CHECKING:
    from genediff.inspection.drives import Drives
    from genediff.ui.tokens_data import Subject

MOST_SETS = 8


def show(one: Subject) -> None:
    """Draw the view."""
    left, right = st.columns([0.6, 0.4], vertical_alignment="bottom")
    with left:
        token = _choose(one)
    with right:
        column = tokens_all.choose_column(one)
    told = tokens_data.drives(one, (token,)) if token not in one.asked else tokens_data.drives(one)
    place = int(np.flatnonzero(told.tokens == token)[0])
    _facts(one, token, told, place)
    where, what = st.columns([0.58, 0.42], gap="medium")
    with where:
        chosen = _map(one, token)
    with what:
        _bars(one, token, told, place)
    if chosen is not None:
        selected(one, chosen, key="one-token")
    left, right = st.columns(2, gap="large")
    with left:
        if column is not None:
            _boxes(one, token, column)
    with right:
        _kind_of_table(one, token)


def _choose(one: Subject) -> int:
    names = one.found.names
    kind = tokens_words.KIND_TITLES
    titles = {name: f"{tokens_words.called(one, i)} · {kind[one.kinds[i]]}" for i, name in enumerate(names)}
    name = choices.select("Token", titles, key=tokens_all.TOKEN, default=_first(one))
    return names.index(name)


def _first(one: Subject) -> str:
    """Return the living token that moves genes most, where that is known; else the one that tells groups apart."""
    alive = ~tokens_data.health(one).dead
    strength = one.found.loadings.spread
    if one.free and len(one.asked) == len(one.kinds):
        strength = tokens_data.drives(one).strength()
    elif (apart := tokens_all.marks(one)) is not None:
        strength = apart  # a gene of few cells may vary most, and then there is little to see
    return one.found.names[int(np.where(alive, strength, -1.0).argmax())]


def _facts(one: Subject, token: int, told: Drives, place: int) -> None:
    found, health = one.found, tokens_data.health(one)
    said = []
    if health.dead[token]:
        said.append(":orange[**silent**: it hardly differs between cells, so what follows is noise]")
    if health.redundant[token]:
        said.append(
            f":orange[**says the same** as {explain.plain(found.names[health.partner[token]])} (r = "
            f"{health.likeness[token]:+.2f})]"
        )
    if np.isfinite(found.divergence[token]):
        said.append(f"tells {found.divergence[token]:.2f} nats (units of information) of a cell")
    if found.loadings.share[token] < 0.995:
        said.append(f"its activity holds {100 * found.loadings.share[token]:.0f}% of what it varies by")
    said.append(f"drives the same genes in two halves of the cells with r = {told.repeats[place]:.2f}")
    st.markdown(" · ".join(one if one.startswith(":") else one[:1].upper() + one[1:] for one in said))


def _map(one: Subject, token: int) -> np.ndarray | None:
    """Draw the activity on the map; return the cells inside a lasso, (cell,) of the data set, None without one."""
    found, dataset = one.found, one.dataset
    name = tokens_words.called(one, token)
    values = np.asarray(found.values[token])
    if dataset.info.has_umap:
        xy, axes, words = dataset.umap[found.rows], embedding.AXES, "the UMAP of the data set"
    else:
        points = tokens_data.cell_points(one)
        xy, axes = points.positions[:, :2], ("token axis 1", "token axis 2")
        words = "the main axes of token space, as the data set has no UMAP"
        if xy.shape[1] < 2:
            xy = np.column_stack([xy[:, 0], values])
    title, some = f"{short_name(name)}: activity", drawn.rows(dataset, found.rows)

    def draw(*, dark: bool) -> token_views.go.Figure:
        return token_views.signed_map(xy[some], values[some], title=title, dark=dark, axes=axes)

    event = figures.show_figure(
        draw(dark=theme.is_dark()),
        how_to_read=f"Each dot is a cell on {words}; warm colours: more active than the average cell, blue: less. "
        "Draw a lasso to ask about cells. The sign follows the genes that the token drives; for a free token the "
        f"other sign would do as well.{drawn.said(dataset, found.rows, lasso=True)}",
        name=f"token-map-{one.info.id}",
        table=lambda: pd.DataFrame(
            {"x": xy[:, 0], "y": xy[:, 1], "activity": values},
            index=pd.Index(dataset.obs.index[found.rows], name="cell"),
        ),
        publication=lambda: publication.from_plotly(draw(dark=False)),
        select=("lasso", "box"),
    )
    return inside(one, [*event["lasso"], *event["box"]], xy)


def inside(one: Subject, outlines: list[dict[str, list[float]]], xy: np.ndarray) -> np.ndarray | None:
    """Return the cells of the data set inside any of some outlines, (cell,) of bool; None where nothing is drawn."""
    if not outlines:
        return None
    chosen = np.zeros(one.dataset.info.n_cells, dtype=bool)
    chosen[one.found.rows] = np.any([embedding.inside(outline, xy) for outline in outlines], axis=0)
    return chosen


def selected(one: Subject, chosen: np.ndarray, *, key: str) -> None:
    """Say what sets some cells apart, token by token, and offer to keep them under a name."""
    from genediff.inspection.groups import sets_apart

    number = int(chosen.sum())
    with st.container(border=True):
        st.markdown(f"**{number:,} cells selected** :gray[{number / len(chosen):.1%} of all]")
        table = sets_apart(one.found, chosen)
        if not len(table):
            st.caption("No cell, or every cell, lies inside the outline, so there is nothing to compare.")
            return
        left, right = st.columns([0.55, 0.45], gap="large")
        with left:
            st.caption("Tokens that set them apart from all other cells")
            st.dataframe(
                table.head(10).reset_index(),
                hide_index=True,
                height="content",
                column_config={
                    "difference": st.column_config.NumberColumn("difference (SD)", format="%+.2f"),
                    "auc": st.column_config.NumberColumn(
                        "AUC",
                        format="%.2f",
                        help="Chance that a selected cell is more active than another; 0.5: alike.",
                    ),
                },
            )
            st.caption("A description, not a test, because the outline was drawn after looking.")
        with right:
            columns = data_columns.colour_columns(one.dataset).classes
            if columns:
                codes, levels = data_columns.classes(one.dataset, columns[0])
                counts = np.bincount(codes[chosen & (codes >= 0)], minlength=len(levels))
                order = np.argsort(-counts, kind="stable")[:6]
                st.caption(f"By {explain.plain(data_columns.title(columns[0]))}")
                st.dataframe(
                    pd.DataFrame(
                        {columns[0]: [levels[i] for i in order if counts[i]], "cells": counts[order][counts[order] > 0]}
                    ),
                    hide_index=True,
                    height="content",
                )
            selections.save_box(one.dataset, chosen, key=f"{key}-save", note="lasso on Tokens")


def _bars(one: Subject, token: int, told: Drives, place: int) -> None:
    fig = token_views.drive_bars(told.genes, told.change[place])
    figures.show_figure(
        fig,
        how_to_read="How expected expression changes as the token rises by one standard deviation while all others "
        "stay: mean over up to 128 cells. It is what the model would do, not what happens in a cell; and what the "
        "other tokens do at the same time is left out.",
        name=f"token-genes-{one.found.names[token]}",
        table=lambda: pd.DataFrame({"change": told.change[place]}, index=pd.Index(told.genes, name="gene")).sort_values(
            "change", ascending=False
        ),
        key="token-genes",
    )


def _boxes(one: Subject, token: int, column: str) -> None:
    codes, levels = data_columns.classes(one.dataset, column)
    own = codes[one.found.rows]
    colours = palettes.for_levels(levels)
    figures.show_figure(
        token_views.group_boxes(np.asarray(one.found.values[token]), own, levels, colours=colours),
        how_to_read="Activity per group: median, quartiles, and whiskers from the 5th to the 95th percentile of "
        "cells. Cells of one donor or batch are not independent, so overlapping boxes say more than any p-value over "
        "cells.",
        name="token-groups",
        table=lambda: pd.DataFrame({column: np.array([*levels, ""])[own], "activity": one.found.values[token]}),
    )


def _kind_of_table(one: Subject, token: int) -> None:
    kind = one.kinds[token]
    if kind == "rank":
        _genes_at_rank(one, token)
    elif kind in ("free", "set"):
        _sets(one, token)
    elif kind == "gene":
        st.markdown("**What it may be called**")
        st.caption("This token is a gene, and that is its name. Its paths through the network are shown on Regulation.")
    else:
        st.markdown("**What it may be called**")
        st.caption(
            "One vector holds the whole cell; its first component is a mixture of everything, so no name is proposed."
        )


def _genes_at_rank(one: Subject, token: int) -> None:
    from genediff.inspection.at_rank import genes_at

    genes = tokens_data.drives(one, (token,)).genes if token not in one.asked else tokens_data.drives(one).genes
    table = genes_at(tokens_data.ranked(one), token, genes)
    st.markdown(f"**Genes that stand at {one.found.names[token]}**")
    st.dataframe(
        table,
        hide_index=True,
        height="content",
        column_config={"share": st.column_config.NumberColumn(format="percent")},
    )
    st.caption(
        "Share of up to 2,000 cells. The more genes share a rank, the less the token can mean by itself; no name is "
        "proposed."
    )


def _sets(one: Subject, token: int) -> None:
    own = one.found.names[token]
    if one.kinds[token] == "free":
        found = tokens_all.naming(one)
        if found is None:
            return
        table = found[1]
        named = found[2].loc[own] if own in found[2].index else None
        _proposal(named)
    else:
        chosen = tokens_all.choose_sets()
        if chosen is None:
            return
        told = tokens_data.drives(one, (token,))
        found_sets = tokens_data.enrichment(one, told, chosen)
        if found_sets is None:
            return
        table = found_sets
        st.markdown(f"**Its name is {explain.plain(tokens_words.called(one, token))}**, given before training")
    for end, words in (("up", "Sets among the genes that rise"), ("down", "Sets among the genes that fall")):
        rows = table[table["list"] == f"{own} {end}"].head(MOST_SETS)
        st.caption(words)
        if not len(rows):
            st.caption("No set shares a gene with them.")
            continue
        shown = rows.assign(
            set=rows["set"].map(lambda name: short_name(name, width=44)), genes=rows["genes"].map(", ".join)
        )
        st.dataframe(
            shown[["set", "overlap", "size", "fdr", "genes"]],
            hide_index=True,
            height=min(38 + 35 * len(shown), 38 + 35 * 5),
            column_config={"fdr": st.column_config.NumberColumn("FDR", format="%.1e")},
        )
    st.caption(
        "One-sided hypergeometric test by gseapy against the genes of the model; the false discovery rate counts "
        "every token, both ends and every set. The test takes genes for independent, which co-expressed genes are "
        "not: see *Can it be trusted?* for what chance gives."
    )


def _proposal(named: pd.Series | None) -> None:
    if named is None or (named["up"] is None and named["down"] is None):
        st.markdown("**No name**: no set is found among its genes more often than by chance")
        return
    said = [
        f"{arrow} **{explain.plain(short_name(named[end], width=60))}** (FDR {named[f'{end}_fdr']:.1e})"
        for end, arrow in (("up", "↑"), ("down", "↓"))
        if named[end] is not None
    ]
    st.markdown("Proposed name: " + ", ".join(said))
