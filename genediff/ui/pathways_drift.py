"""Names put to the test: does an activation follow an independent score of its set, and which genes does it hear?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import streamlit as st

from genediff.inspection.agreement import VERDICTS
from genediff.inspection.set_scores import SCORES
from genediff.plots import pathways as plots
from genediff.plots.set_names import short_name
from genediff.ui import explain, figures, pathways_data, pathways_source

if TYPE_CHECKING:
    from genediff.data import Dataset
    from genediff.inspection.agreement import Agreement
    from genediff.model_info import ModelInfo
    from genediff.ui.pathways_data import Scored

MOST_IGNORED = 12
MOST_DRIVERS = 16


def show(scored: Scored, info: ModelInfo, dataset: Dataset) -> None:
    """Draw the agreement of all pathways, and the chosen one in detail."""
    if scored.source == pathways_data.CELLS:
        st.info(
            "These activations are computed from the cells alone, so there is nothing to hold them against. Choose the "
            "model's activations above."
        )
        return
    kind = st.segmented_control(
        "Held against",
        list(SCORES),
        default="ssgsea",
        required=True,
        format_func=lambda one: SCORES[one].title,
        key="score",
        bind="query-params",
        help="A score of the same genes that is computed from expression alone: the model is not asked.",
    )
    found = pathways_data.agreed(scored, info, dataset, kind)
    table = found.table
    _headline(table, scored)
    left, right = st.columns([0.5, 0.5], gap="medium")
    with right:
        first = str(table.sort_values("r", kind="stable")["token"].iloc[0])
        chosen = pathways_source.pathway(scored, first)
        _one(scored, found, dataset, chosen, kind)
    with left:
        figures.show_figure(
            plots.agreement_dots(table, chosen=chosen),
            how_to_read=f"Spearman's correlation over {len(found.rows):,} cells between an activation and the "
            f"{SCORES[kind].title} score of its set, with 95% intervals. Grey marks: what sets of as many random "
            "genes of like expression reach (95%), since most genes say something of the type. Agreement does not "
            "show that the process is at work; it shows that the name is deserved.",
            name="pathways-agreement",
            table=table,
        )
    if scored.source == pathways_data.TOKENS:
        with right:  # last: while it is measured the page ends here
            _drivers(info, dataset, chosen)
    _table(table)


def _headline(table: pd.DataFrame, scored: Scored) -> None:
    counts = table["verdict"].value_counts()
    said = [f"**{int(counts.get(verdict, 0))}** {words}" for verdict, words in (
        ("agrees", "follow their sets"), ("shared", "follow another set better"), ("drifted", "have drifted"),
        ("silent", "are silent"),
    )]  # fmt: skip
    what = "tokens" if scored.source == pathways_data.TOKENS else "decoded pathways"
    st.markdown(f"Of {len(table):,} {what}: " + ", ".join(said) + ".")


def _one(scored: Scored, found: Agreement, dataset: Dataset, chosen: str, kind: str) -> None:
    row = found.table.set_index("token").loc[chosen]
    verdict = str(row["verdict"])
    within = "" if np.isnan(row["r_within"]) else f" · inside groups r = {row['r_within']:.2f}"
    st.markdown(
        f"**{verdict.capitalize()}.** {VERDICTS[verdict]}  \nr = **{row['r']:.2f}** ({row['low']:.2f} to "
        f"{row['high']:.2f}) · random sets reach {row['chance']:.2f}{within}  \n"
        f"Best other set: {explain.plain(short_name(str(row['rival']), width=60))}, r = {row['rival_r']:.2f} · "
        f"{int(row['genes'])} genes of the set were measured"
    )
    place = scored.names.index(chosen)
    values, score = np.asarray(scored.values[place][found.rows]), found.scores[place]
    label = dataset.info.label
    codes = np.full(len(values), -1) if label is None else dataset.codes(label)[scored.rows][found.rows]
    levels = () if label is None else dataset.vocabulary(label)
    figures.show_figure(
        plots.against_score(
            values, score, codes, levels, titles=(f"{SCORES[kind].title} score", f"activation: {scored.unit}")
        ),
        how_to_read="Each dot is a cell. A cloud that rises as a whole: the name holds. Clouds that rise only between "
        "groups: the activation tells types apart, and perhaps not more. A token that speaks in few cells only can "
        "be right and correlate weakly: then a small cloud stands apart.",
        name="pathway-against-score",
        table=lambda: pd.DataFrame(
            {"activation": values, "score": score},
            index=pd.Index(dataset.obs.index[scored.rows[found.rows]], name="cell"),
        ),
    )


def _drivers(info: ModelInfo, dataset: Dataset, chosen: str) -> None:
    st.markdown(f"#### Which genes drive {explain.plain(short_name(chosen, width=60))}")
    found = pathways_data.driven(info, dataset, chosen)
    table = found.table
    own = table[table["in_set"]]
    outside = int((~table["in_set"].head(MOST_DRIVERS)).sum())
    figures.show_figure(
        plots.driver_bars(table, most=MOST_DRIVERS),
        how_to_read="How much the activation grows when a gene grows by one standard deviation, all others as they are "
        f"(mean gradient over {found.n_cells:,} cells). It is what the encoder hears, not what causes the pathway. "
        "Bars below zero: the gene counts against it.",
        name="pathway-drivers",
        table=table,
    )
    st.markdown(
        f"- **{found.own_share:.0%}** of the activation's variance remains when only the {len(own):,} genes of the set "
        "are told to the model; the rest it hears from other genes.\n"
        f"- **{outside}** of the {MOST_DRIVERS} genes that move it most are **not in the set**.\n"
        f"- **{len(found.ignored)}** of {len(own):,} members hardly move it: {_list(found.ignored)}"
    )
    with st.expander(f"The {len(own):,} genes of the set"):
        st.caption(
            "A member is ignored for a good reason (it is never seen in these cells) or a bad one (the token has "
            "learned something else)."
        )
        st.dataframe(
            own,
            hide_index=True,
            column_config={
                "in_set": None,
                "pull": st.column_config.NumberColumn(
                    "moves it by", format="%.3f", help="Activation per SD of the gene"
                ),
                "spread": None,
                "seen": st.column_config.NumberColumn("seen in", format="percent", help="Share of cells above zero"),
                "drives": st.column_config.NumberColumn(
                    "is moved by", format="%.3f", help="Log-normalised expression per SD of the token"
                ),
            },
        )


def _list(names: tuple[str, ...]) -> str:
    if not names:
        return "none."
    more = f" and {len(names) - MOST_IGNORED} more" if len(names) > MOST_IGNORED else ""
    return explain.plain(", ".join(names[:MOST_IGNORED])) + more + "."


def _table(table: pd.DataFrame) -> None:
    decimals = st.column_config.NumberColumn(format="%.2f")
    with st.expander(f"All {len(table):,} pathways as a table"):
        st.dataframe(
            table.sort_values("r", kind="stable"),
            hide_index=True,
            column_config={
                "token": st.column_config.TextColumn("pathway", width="large"),
                **dict.fromkeys(("r", "low", "high", "chance", "rival_r", "r_within"), decimals),
            },
        )
