"""How far to believe what the page says: names beside controls, and tokens beside those of another model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import streamlit as st

from genediff.plots import token_views
from genediff.ui import caching, choices, explain, figures, frame, tokens_all, tokens_data, tokens_words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from genediff.inspection.controls import Control
    from genediff.inspection.drives import Drives
    from genediff.model_info import ModelInfo
    from genediff.ui.tokens_data import Subject

NONE = "none"


def show(one: Subject) -> None:
    """Draw the view."""
    left, right = st.columns(2, gap="large")
    with left:
        _names(one)
    with right:
        _again(one)


def _names(one: Subject) -> None:
    st.subheader("Do the names mean anything?", anchor=False)
    if not one.free:
        st.caption(tokens_words.applies(one))
        return
    chosen = tokens_all.choose_sets()
    if chosen is None:
        return
    told = tokens_data.drives(one, one.free[: tokens_data.MOST_ASKED])
    rows = tokens_data.controls(one, told, chosen)
    st.markdown(verdict(rows))
    figures.show_figure(
        token_views.control_bars(
            [row.words for row in rows], [row.named for row in rows], [row.n_lists for row in rows]
        ),
        how_to_read=f"Share of gene lists (the {told.n_listed} genes at each end of a token) that share more genes "
        "with some set than chance allows, with 95% intervals. Mixtures add up tokens with random weights; shuffled "
        "sets keep their sizes and how many sets each gene is in. It does not say that any single name is right.",
        name="token-controls",
        table=pd.DataFrame([{"lists": r.words, "named": r.named, "of": r.n_lists, "share": r.share} for r in rows]),
    )


def verdict(rows: Sequence[Control]) -> str:
    """Say in words what the controls mean."""
    share = {row.name: row.share for row in rows}
    own, mixed, shuffled = share["tokens"], share["mixtures"], share["shuffled"]
    n_mixed = next(row.n_lists for row in rows if row.name == "mixtures")
    if own == 0:
        return (
            "**No end of any token gets a name** from this collection, so there is nothing to doubt: try another one."
        )
    if shuffled >= own / 2:
        return (
            f"**These names are weak**: {own:.0%} of the tokens' ends (genes that rise, genes that fall) get one, "
            f"and with shuffled sets still {shuffled:.0%}. Genes that are in many sets explain much of them."
        )
    if n_mixed and mixed >= 0.8 * own:
        return (
            f"**The directions have names, the single tokens do not own them**: {own:.0%} of the ends get a name, and "
            f"random mixtures of tokens as often ({mixed:.0%}). What the tokens span is biology; which token carries "
            "what is a matter of the training's seed."
        )
    return (
        f"**The tokens are better named than chance**: {own:.0%} of the ends get a name, against {mixed:.0%} of "
        f"random mixtures and {shuffled:.0%} with shuffled sets."
    )


def _again(one: Subject) -> None:
    st.subheader("Would it come out again?", anchor=False)
    told = tokens_data.drives(one) if one.asked else None
    if told is None or len(told.names) < 2:
        st.caption(
            "Tokens of this model are asked one at a time which genes they drive, so they are not compared as a whole; "
            "*One token* says of each whether it drives the same genes in two halves of the cells."
        )
        return
    low = int((told.repeats < 0.5).sum())
    st.markdown(
        "**In other cells of the same model**: tokens drive the same genes in two halves of the probed cells with r "
        f"= {np.median(told.repeats):.2f} (median; lowest {told.repeats.min():.2f})"
        + (f"; {low} below 0.5 depend on the cell." if low else ".")
    )
    others = _others(one)
    if not others:
        st.markdown("**In another model**: there is no other model of these cells with few enough tokens to compare.")
        frame.link("train", "Train one with another seed", icon=":material/arrow_forward:",
                   extra={"strategy": one.info.strategy})  # fmt: skip
        return
    titles = {NONE: "Choose a model", **{info.id: info.title for info in others}}
    chosen = choices.select("In another model of these cells", titles, key="other")
    if chosen == NONE:
        st.caption("Above all one of the same strategy, trained with another seed, says which tokens can be relied on.")
        return
    _match(one, told, next(info for info in others if info.id == chosen))


def _others(one: Subject) -> list[ModelInfo]:
    return [
        info
        for info in caching.workspace().list_models()
        if info.dataset_id == one.info.dataset_id and info.id != one.info.id
    ]


def _match(one: Subject, told: Drives, info: ModelInfo) -> None:
    from genediff.inspection.drives import matched

    other = tokens_data.subject(info, one.dataset)
    if len(other.asked) < 2:
        st.caption(
            f"{explain.plain(info.title)} has too many tokens, or too few, to ask all of them which genes they drive; "
            "choose another model."
        )
        return
    theirs = tokens_data.drives(other)
    best, likeness = matched(told, theirs)
    chance = _by_chance(told, theirs)
    over = float((likeness > chance).mean())
    st.markdown(
        f"**{over:.0%} of the tokens have a partner there** that drives genes more alike (|r|) than {chance:.2f}, "
        "which is what the best of as many random mixtures of its tokens reaches."
    )
    if info.config.seed == one.info.config.seed:
        st.warning(
            "Both trainings began with the same seed, so perhaps with the same random weights: tokens may be alike "
            "for that reason alone. A model of another seed is the honest comparison."
        )
    table = pd.DataFrame(
        {"token": told.names, "partner": [theirs.names[i] for i in best], "|r| of driven genes": likeness}
    ).sort_values("|r| of driven genes", ascending=False)
    st.dataframe(
        table,
        hide_index=True,
        height=min(38 + 35 * len(table), 38 + 35 * 9),
        column_config={"|r| of driven genes": st.column_config.ProgressColumn(format="%.2f", min_value=0, max_value=1)},
    )
    st.caption(
        "For each token, the token of the other model that drives genes most alike; sign and order do not count, and "
        "one partner may serve several. Tokens without a partner are this training's own way to cut the cell."
    )


def _by_chance(told: Drives, theirs: Drives) -> float:
    """Return the median likeness that tokens find among as many random mixtures of the other model's tokens."""
    from dataclasses import replace

    from genediff.inspection.drives import matched

    rng = np.random.default_rng(0)
    found = []
    for _ in range(5):
        weights = rng.normal(size=(len(theirs.tokens), len(theirs.tokens)))
        mixed = replace(theirs, change=(weights @ theirs.change).astype(np.float32))
        found.append(np.median(matched(told, mixed)[1]))
    return float(np.mean(found))
