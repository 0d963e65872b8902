"""Validation: enriched gene sets beside controls, and tokens beside those of another model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import streamlit as st

from genediff.plots import token_views
from genediff.ui.kit import caching, choices, explain, figures, layout, tables
from genediff.ui.tokens import token_data, token_table, token_wording

if TYPE_CHECKING:
    from collections.abc import Sequence

    from genediff.inspection.tokens.naming_controls import Control
    from genediff.inspection.tokens.output_effects import OutputEffects
    from genediff.models.model_info import ModelInfo
    from genediff.ui.tokens.token_data import Subject

NONE = "none"


def show(one: Subject) -> None:
    """Draw the view."""
    left, right = st.columns(2, gap="large")
    with left:
        _names(one)
    with right:
        _again(one)


def _names(one: Subject) -> None:
    st.subheader("Enrichment beside controls", anchor=False)
    if not one.free:
        st.caption(token_wording.applies(one))
        return
    chosen = token_table.choose_sets()
    if chosen is None:
        return
    effects = token_data.output_effects(one, one.free[: token_data.MOST_ASKED])
    rows = token_data.controls(one, effects, chosen)
    st.markdown(verdict(rows))
    figures.show_figure(
        token_views.control_bars(
            [row.words for row in rows], [row.named for row in rows], [row.n_lists for row in rows]
        ),
        how_to_read=f"Share of gene lists (the {effects.n_listed} genes in each direction of a token) with an enriched "
        "gene set, with 95% intervals. Mixtures add tokens with random weights; shuffled sets keep their sizes and the "
        "number of sets per gene. It does not show that any single match is right.",
        name="token-controls",
        table=pd.DataFrame([{"lists": r.words, "named": r.named, "of": r.n_lists, "share": r.share} for r in rows]),
    )


def verdict(rows: Sequence[Control]) -> str:
    """Return the sentence about the controls."""
    by_name = {row.name: row for row in rows}
    own, mixed, shuffled = (by_name[name].share for name in ("tokens", "mixtures", "shuffled"))
    if own == 0:
        return "**No direction of any token is enriched** for a set of this collection; try another one."
    if shuffled >= own / 2 or not by_name["tokens"].more_often_than(by_name["shuffled"]):
        return (
            f"**Enrichment is weak**: {own:.0%} of the tokens' directions are enriched for a gene set, and still "
            f"{shuffled:.0%} with shuffled sets. Genes that are in many sets explain much of it."
        )
    if not by_name["tokens"].more_often_than(by_name["mixtures"]):
        return (
            f"**Individual tokens are not detectably more enriched than random mixtures of them**: {own:.0%} of their "
            f"{by_name['tokens'].n_lists} directions, {mixed:.0%} of mixtures ({shuffled:.0%} with shuffled sets). "
            "Enrichment may then belong to the token space, and which token carries what depend on the seed of "
            "training."
        )
    return (
        f"**Individual tokens are more enriched than controls**: {own:.0%} of their directions, against {mixed:.0%} of "
        f"random mixtures and {shuffled:.0%} with shuffled sets."
    )


def _again(one: Subject) -> None:
    st.subheader("Reproducibility", anchor=False)
    effects = token_data.output_effects(one) if one.asked else None
    if effects is None or len(effects.names) < 2:
        st.caption(
            "This model has too many tokens to compare all; *One token* shows for each whether it affects the same "
            "genes in two halves of the cells."
        )
        return
    low = int((effects.repeats < 0.5).sum())
    st.markdown(
        "**Same model, other cells**: effects of tokens on genes correlate between two halves of the cells with r = "
        f"{np.median(effects.repeats):.2f} (median; lowest {effects.repeats.min():.2f})"
        + (f"; {low} are below 0.5 and depend on the cell." if low else ".")
    )
    others = _others(one)
    if not others:
        st.markdown("**Other training**: there is no other model of these cells to compare with.")
        layout.link("train", "Train one with another seed", icon=":material/arrow_forward:",
                   extra={"strategy": one.info.strategy})  # fmt: skip
        return
    titles = {NONE: "Choose a model", **{info.id: info.title for info in others}}
    chosen = choices.select("Other model of these cells", titles, key="other")
    if chosen == NONE:
        st.caption("A model of the same tokenization, trained with another seed, shows which tokens are reproducible.")
        return
    _match(one, effects, next(info for info in others if info.id == chosen))


def _others(one: Subject) -> list[ModelInfo]:
    return [
        info
        for info in caching.workspace().list_models()
        if info.dataset_id == one.info.dataset_id and info.id != one.info.id
    ]


def _match(one: Subject, effects: OutputEffects, info: ModelInfo) -> None:
    from genediff.inspection.tokens.output_effects import likeness_by_chance, matched

    other = token_data.subject(info, one.dataset)
    if len(other.asked) < 2:
        st.caption(f"{explain.plain(info.title)} has too many tokens, or too few, to compare; choose another model.")
        return
    theirs = token_data.output_effects(other)
    best, likeness = matched(effects, theirs)
    chance = likeness_by_chance(effects, theirs)
    over = float((likeness > chance).mean())
    st.markdown(
        f"**{over:.0%} of the tokens have a counterpart** (5% expected by chance): a token with effects on genes more "
        "alike than the best of as many random mixtures of that model's tokens is in 95 of 100 draws."
    )
    if info.config.seed == one.info.config.seed:
        st.warning(
            "Both models were trained with the same seed, so their tokens may be alike for that reason alone. Compare "
            "with a model of another seed."
        )
    table = pd.DataFrame(
        {
            "token": effects.names,
            "counterpart": [theirs.names[i] for i in best],
            "|r| of effects": likeness,
            "by chance (95%)": chance,
        }
    ).sort_values("|r| of effects", ascending=False)
    tables.show(
        table,
        "token-stability",
        height=min(38 + 35 * len(table), 38 + 35 * 9),
        column_config={
            "|r| of effects": st.column_config.ProgressColumn(format="%.2f", min_value=0, max_value=1),
            "by chance (95%)": st.column_config.NumberColumn(format="%.2f"),
        },
    )
    st.caption(
        "For each token, the most similar token of the other model; sign and order do not count, and one counterpart "
        "may serve several. Tokens without a counterpart may be specific to this training."
    )
