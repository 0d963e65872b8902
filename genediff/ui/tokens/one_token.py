"""One token: where it is active, which genes it affects, which gene sets it matches, and how robust that is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import streamlit as st

from genediff.core.errors import InputError
from genediff.plots import embedding, palettes, publication, token_views
from genediff.plots.set_names import short_name
from genediff.ui.kit import choices, explain, figures, obs_columns, region, selection_picker, subsample, tables, theme
from genediff.ui.tokens import token_data, token_table, token_wording

if TYPE_CHECKING:
    from genediff.inspection.tokens.output_effects import OutputEffects
    from genediff.ui.tokens.token_data import Subject

MOST_SETS = 8


def show(one: Subject) -> None:
    """Draw the view."""
    left, right = st.columns([0.6, 0.4], vertical_alignment="bottom")
    with left:
        token = _choose(one)
    with right:
        column = token_table.choose_column(one)
    effects = token_data.output_effects(one, (token,)) if token not in one.asked else token_data.output_effects(one)
    place = int(np.flatnonzero(effects.tokens == token)[0])
    _facts(one, token, effects, place)
    where, what = st.columns([0.58, 0.42], gap="medium")
    with where:
        chosen = _map(one, token)
    with what:
        _bars(one, token, effects, place)
    if chosen is not None:
        selected(one, chosen, key="one-token")
    left, right = st.columns(2, gap="large")
    with left:
        if column is not None:
            _boxes(one, token, column, chosen)
    with right:
        _kind_of_table(one, token)


def _choose(one: Subject) -> int:
    names = one.found.names
    kind = token_wording.KIND_TITLES
    titles = {name: f"{token_wording.called(one, i)} · {kind[one.kinds[i]]}" for i, name in enumerate(names)}
    name = choices.select("Token", titles, key=token_table.TOKEN, default=_first(one))
    return names.index(name)


def _first(one: Subject) -> str:
    """Return the active token that changes genes most, where that is known; else the one that separates groups."""
    alive = ~token_data.inactive_tokens(one).dead
    strength = one.found.loadings.spread
    if one.free and len(one.asked) == len(one.kinds):
        strength = token_data.output_effects(one).strength()
    elif (apart := token_table.marks(one)) is not None:
        strength = apart  # a gene of few cells may vary most, and then there is little to see
    return one.found.names[int(np.where(alive, strength, -1.0).argmax())]


def _facts(one: Subject, token: int, effects: OutputEffects, place: int) -> None:
    found, health = one.found, token_data.inactive_tokens(one)
    sentences = []
    if health.dead[token]:
        sentences.append(":orange[**inactive**: it hardly differs between cells, so what follows is noise]")
    if health.redundant[token]:
        sentences.append(
            f":orange[**redundant** with {explain.plain(found.names[health.partner[token]])} (r = "
            f"{health.likeness[token]:+.2f})]"
        )
    if np.isfinite(found.divergence[token]):
        sentences.append(f"information content: {found.divergence[token]:.2f} nats per cell")
    if found.loadings.share[token] < 0.995:
        sentences.append(f"its activity holds {100 * found.loadings.share[token]:.0f}% of its variance")
    sentences.append(f"affects the same genes in two halves of the cells (r = {effects.repeats[place]:.2f})")
    st.markdown(" · ".join(one if one.startswith(":") else one[:1].upper() + one[1:] for one in sentences))


def _map(one: Subject, token: int) -> np.ndarray | None:
    """Draw the activity on the map; return the cells inside a lasso, (cell,) of the data set, None without one."""
    found, dataset = one.found, one.dataset
    name = token_wording.called(one, token)
    values = np.asarray(found.values[token])
    if dataset.info.has_umap:
        xy, axes, words = dataset.umap[found.rows], embedding.AXES, "the UMAP of the data set"
    else:
        points = token_data.cell_points(one)
        xy, axes = points.positions[:, :2], ("token axis 1", "token axis 2")
        words = "the main axes of token space, as the data set has no UMAP"
        if xy.shape[1] < 2:
            xy = np.column_stack([xy[:, 0], values])
    title, some = f"{short_name(name)}: activity", subsample.rows(dataset, found.rows)
    corners = region.read(region.MAP) if dataset.info.has_umap else None

    def draw(*, dark: bool) -> token_views.go.Figure:
        figure = token_views.signed_map(xy[some], values[some], title=title, dark=dark, axes=axes)
        return embedding.with_region(figure, corners) if corners else figure

    event = figures.show_figure(
        draw(dark=theme.is_dark()),
        how_to_read=f"Each dot is a cell on {words}; warm colours: more active than the average cell, blue: less. "
        "Draw a lasso to compare cells. The sign follows the genes that the token raises; of a latent token it is "
        f"arbitrary.{subsample.sample_note(dataset, found.rows, lasso=True)}",
        name=f"token-map-{one.info.id}",
        table=lambda: pd.DataFrame(
            {"x": xy[:, 0], "y": xy[:, 1], "activity": values},
            index=pd.Index(dataset.obs.index[found.rows], name="cell"),
        ),
        publication=lambda: publication.from_plotly(draw(dark=False)),
        select=("lasso", "box"),
        when_selected=(lambda event: region.remember(region.MAP, event)) if dataset.info.has_umap else None,
    )
    if dataset.info.has_umap:  # kept in the address: it stays when another token or view is chosen
        if corners:
            region.clear_button(region.MAP)
        return region.on_map(dataset)
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
    from genediff.inspection.groups.two_groups import compare_groups

    number = int(chosen.sum())
    with st.container(border=True):
        st.markdown(f"**{number:,} cells selected** :gray[{number / len(chosen):.1%} of all]")
        inside = chosen[one.found.rows]
        try:
            table = compare_groups(one.found.values, inside, ~inside, one.found.names).table
        except InputError as error:
            st.caption(str(error))
            return
        left, right = st.columns([0.55, 0.45], gap="large")
        with left:
            st.caption("Tokens that differ most from all other cells")
            tables.show(
                table.head(10)[["token", "difference", "auc", "fdr"]],
                "token-differences",
                height="content",
                column_config={
                    "difference": st.column_config.NumberColumn("difference (SD)", format="%+.2f"),
                    "auc": st.column_config.NumberColumn(
                        "AUC",
                        format="%.2f",
                        help="Chance that a selected cell is more active than another; 0.5: alike.",
                    ),
                    "fdr": st.column_config.NumberColumn("FDR", format="%.0e", help="Mann-Whitney test over cells"),
                },
            )
            st.caption("Read the effect first: an outline drawn on the map was chosen because the cells look alike.")
        with right:
            columns = obs_columns.colour_columns(one.dataset).classes
            if columns:
                codes, levels = obs_columns.classes(one.dataset, columns[0])
                counts = np.bincount(codes[chosen & (codes >= 0)], minlength=len(levels))
                order = np.argsort(-counts, kind="stable")[:6]
                st.caption(f"By {explain.plain(obs_columns.title(columns[0]))}")
                tables.show(
                    pd.DataFrame(
                        {columns[0]: [levels[i] for i in order if counts[i]], "cells": counts[order][counts[order] > 0]}
                    ),
                    "token-groups",
                    height="content",
                )
            selection_picker.save_box(one.dataset, chosen, key=f"{key}-save", note="lasso on Inspect")


def _bars(one: Subject, token: int, effects: OutputEffects, place: int) -> None:
    fig = token_views.drive_bars(effects.genes, effects.change[place])
    figures.show_figure(
        fig,
        how_to_read="Change of expected expression per standard deviation of the token, all other tokens fixed (mean "
        "over up to 128 cells). It describes the model, not an experiment.",
        name=f"token-genes-{one.found.names[token]}",
        table=lambda: pd.DataFrame(
            {"change": effects.change[place]}, index=pd.Index(effects.genes, name="gene")
        ).sort_values("change", ascending=False),
        key="token-genes",
    )


def _boxes(one: Subject, token: int, column: str, chosen: np.ndarray | None) -> None:
    codes, levels = obs_columns.classes(one.dataset, column)
    own = codes[one.found.rows]
    values, groups, names = np.asarray(one.found.values[token]), own, levels
    colours = {**palettes.for_levels(levels), palettes.SELECTED: palettes.SELECTED_COLOUR}
    if chosen is not None and (inside := chosen[one.found.rows]).any():  # once more, as a group of their own
        values, groups = np.append(values, values[inside]), np.append(own, np.full(inside.sum(), len(levels)))
        names = (*levels, palettes.SELECTED)
    figures.show_figure(
        token_views.group_boxes(values, groups, names, colours=colours),
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
        st.markdown("**Gene sets**")
        st.caption("This token is a gene. Its paths through the network are shown on Regulation.")
    else:
        st.markdown("**Gene sets**")
        st.caption("One vector holds the whole cell; its first component mixes everything, so no gene set is proposed.")


def _genes_at_rank(one: Subject, token: int) -> None:
    from genediff.inspection.tokens.at_rank import genes_at

    genes = (
        token_data.output_effects(one, (token,)).genes
        if token not in one.asked
        else token_data.output_effects(one).genes
    )
    table = genes_at(token_data.ranked(one), token, genes)
    st.markdown(f"**Genes at {one.found.names[token]}**")
    tables.show(
        table, "token-genes", height="content", column_config={"share": st.column_config.NumberColumn(format="percent")}
    )
    st.caption("Share of up to 2,000 cells. The more genes share a rank, the less the token means by itself.")


def _sets(one: Subject, token: int) -> None:
    own = one.found.names[token]
    if one.kinds[token] == "free":
        found = token_table.naming(one)
        if found is None:
            return
        table = found[1]
        named = found[2].loc[own] if own in found[2].index else None
        _proposal(named)
    else:
        chosen = token_table.choose_sets()
        if chosen is None:
            return
        effects = token_data.output_effects(one, (token,))
        found_sets = token_data.enrichment(one, effects, chosen)
        if found_sets is None:
            return
        table = found_sets
        st.markdown(f"**Built on the gene set {explain.plain(token_wording.called(one, token))}**")
    for end, words in (
        ("up", "Gene sets enriched among genes that rise"),
        ("down", "Gene sets enriched among genes that fall"),
    ):
        rows = table[table["list"] == f"{own} {end}"].head(MOST_SETS)
        st.caption(words)
        if not len(rows):
            st.caption("No set shares a gene with them.")
            continue
        shown = rows.assign(
            set=rows["set"].map(lambda name: short_name(name, width=44)), genes=rows["genes"].map(", ".join)
        )
        tables.show(
            shown[["set", "overlap", "size", "fdr", "genes"]],
            f"token-sets-{end}",
            height=min(38 + 35 * len(shown), 38 + 35 * 5),
            column_config={"fdr": st.column_config.NumberColumn("FDR", format="%.1e")},
        )
    st.caption(
        "One-sided hypergeometric test (gseapy) against the genes of the model; FDR over all tokens, both directions "
        "and all sets. Co-expressed genes are not independent: *Validation* shows what chance gives."
    )


def _proposal(named: pd.Series | None) -> None:
    if named is None or (named["up"] is None and named["down"] is None):
        st.markdown("**No enriched gene set** (FDR < 5%, three shared genes or more)")
        return
    sentences = [
        f"{arrow} **{explain.plain(short_name(named[end], width=60))}** (FDR {named[f'{end}_fdr']:.1e})"
        for end, arrow in (("up", "↑"), ("down", "↓"))
        if named[end] is not None
    ]
    st.markdown("Best gene set: " + ", ".join(sentences))
