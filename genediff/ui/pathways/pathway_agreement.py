"""Token-pathway agreement: activations against independent scores of the same sets, and the genes that move them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import streamlit as st

from genediff.inspection.pathways.agreement import VERDICTS
from genediff.inspection.pathways.set_scores import SCORES
from genediff.plots import pathway_plots as plots
from genediff.plots.set_names import short_name
from genediff.ui.kit import explain, figures, obs_columns, tables
from genediff.ui.pathways import gene_set_choice, pathways_data

if TYPE_CHECKING:
    from genediff.data import Dataset
    from genediff.inspection.pathways.agreement import Agreement
    from genediff.models.model_info import ModelInfo
    from genediff.ui.pathways.pathways_data import Scored

MOST_IGNORED = 12
MOST_DRIVERS = 16


def show(scored: Scored, info: ModelInfo, dataset: Dataset) -> None:
    """Draw the agreement of all pathways, and the chosen one in detail."""
    if scored.source == pathways_data.CELLS:
        st.info(
            "These activations are computed from the cells alone, so there is nothing to compare. Choose the model's "
            "activations above."
        )
        return
    kind = st.segmented_control(
        "Compare with",
        list(SCORES),
        default="ssgsea",
        required=True,
        format_func=lambda one: SCORES[one].title,
        key="score",
        bind="query-params",
        help="A score of the same gene set computed from expression alone, without the model.",
    )
    found = pathways_data.agreed(scored, info, dataset, kind)
    table = found.table
    _headline(table, scored)
    left, right = st.columns([0.5, 0.5], gap="medium")
    with right:
        first = str(table.sort_values("r", kind="stable")["token"].iloc[0])
        chosen = gene_set_choice.pathway(scored, first)
        _one(scored, found, dataset, chosen, kind)
    with left:
        figures.show_figure(
            plots.agreement_dots(table, chosen=chosen),
            how_to_read=f"Spearman's correlation over {len(found.rows):,} cells between an activation and the "
            f"{SCORES[kind].title} score of its set, with 95% intervals. Grey marks: the 95th percentile for random "
            "sets of the same size and expression. Agreement means that the name describes the token, not that the "
            "process is active.",
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
        ("agrees", "agree with their gene set"), ("weak", "only weakly"), ("ambiguous", "better with another set"),
        ("no agreement", "not detectably"), ("inactive", "are inactive"),
    )]  # fmt: skip
    what = "tokens" if scored.source == pathways_data.TOKENS else "decoded pathways"
    st.markdown(f"Of {len(table):,} {what}: " + ", ".join(said) + ".")


def _one(scored: Scored, found: Agreement, dataset: Dataset, chosen: str, kind: str) -> None:
    row = found.table.set_index("token").loc[chosen]
    verdict = str(row["verdict"])
    within = "" if np.isnan(row["r_within"]) else f" · within cell types r = {row['r_within']:.2f}"
    st.markdown(
        f"**{verdict.capitalize()}.** {VERDICTS[verdict]}  \nr = **{row['r']:.2f}** ({row['low']:.2f} to "
        f"{row['high']:.2f}) · FDR {row['fdr']:.2g} · random sets reach {row['chance']:.2f}{within}  \n"
        f"Best other set: {explain.plain(short_name(str(row['rival']), width=60))}, r = {row['rival_r']:.2f} · "
        f"{int(row['genes'])} genes of the set were measured"
    )
    place = scored.names.index(chosen)
    values, score = np.asarray(scored.values[place][found.rows]), found.scores[place]
    label = dataset.info.label
    codes, levels = (np.full(dataset.info.n_cells, -1), ()) if label is None else obs_columns.classes(dataset, label)
    codes = codes[scored.rows][found.rows]
    figures.show_figure(
        plots.against_score(
            values, score, codes, levels, titles=(f"{SCORES[kind].title} score", f"activation: {scored.unit}")
        ),
        how_to_read="Each dot is a cell. If the points rise within each group, the token follows its set; if only the "
        "groups differ, it may separate cell types and nothing else. A token that is active in few cells can be right "
        "and correlate weakly.",
        name="pathway-against-score",
        width=420,
        table=lambda: pd.DataFrame(
            {"activation": values, "score": score},
            index=pd.Index(dataset.obs.index[scored.rows[found.rows]], name="cell"),
        ),
    )


def _drivers(info: ModelInfo, dataset: Dataset, chosen: str) -> None:
    st.markdown(f"#### Genes that move {explain.plain(short_name(chosen, width=60))}")
    found = pathways_data.driven(info, dataset, chosen)
    table = found.table
    own = table[table["in_set"]]
    outside = int((~table["in_set"].head(MOST_DRIVERS)).sum())
    figures.show_figure(
        plots.driver_bars(table, most=MOST_DRIVERS),
        how_to_read="Change of the activation per standard deviation of a gene, all other genes fixed (mean gradient "
        f"over {found.n_cells:,} cells). It describes the encoder, not causes of the pathway.",
        name="pathway-drivers",
        table=table,
    )
    st.markdown(
        f"- **{found.own_share:.0%}** of the activation's variance is explained by the set's {len(own):,} genes; the "
        "rest comes from other genes.\n"
        f"- **{outside}** of the {MOST_DRIVERS} genes that move it most are **not in the set**.\n"
        f"- **{len(found.ignored)}** of {len(own):,} members hardly move it: {_list(found.ignored)}"
    )
    with st.expander(f"The {len(own):,} genes of the set"):
        st.caption(
            "A gene may be ignored because it is hardly expressed in these cells, or because the token has learned "
            "something else."
        )
        tables.show(
            own,
            "pathway-genes",
            column_config={
                "in_set": None,
                "pull": st.column_config.NumberColumn(
                    "effect on the token", format="%.3f", help="Activation per SD of the gene"
                ),
                "spread": None,
                "seen": st.column_config.NumberColumn("detected", format="percent", help="Share of cells above zero"),
                "drives": st.column_config.NumberColumn(
                    "effect of the token", format="%.3f", help="Log-normalised expression per SD of the token"
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
        tables.show(
            table.sort_values("r", kind="stable"),
            "pathway-agreement",
            column_config={
                "token": st.column_config.TextColumn("pathway", width="large"),
                **dict.fromkeys(("r", "low", "high", "chance", "rival_r", "r_within"), decimals),
            },
        )
