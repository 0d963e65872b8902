"""All tokens of a model at once: a table, groups of cells, tokens as points, and the parts of a hybrid."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import streamlit as st

from genediff.plots import publication, token_views
from genediff.plots.set_names import short_name
from genediff.ui.kit import caching, choices, figures, layout, obs_columns, tables, theme
from genediff.ui.tokens import token_data, token_wording

if TYPE_CHECKING:
    from genediff.inspection.tokens.output_effects import OutputEffects
    from genediff.ui.tokens.token_data import Subject

TOKEN = "token"  # the part of the address that names a token
VIEW = layout.view_key("tokens")
SETS = "sets"
GENES_SHOWN = 4
LEAST_CELLS = 10  # of a group, for its mean to be named
_NAME = 220  # pixels that the name of a set and its rate take
_GROUP = 180  # and those of a group of cells


def show(one: Subject) -> None:
    """Draw the view."""
    st.markdown(token_wording.applies(one))
    effects = token_data.output_effects(one) if one.asked else None
    names = _names(one, effects)
    _figures_in_words(one, names)
    _table(one, effects, names)
    left, right = st.columns(2, gap="large")
    with left:
        _heat(one)
    with right:
        _points(one, names)
    _parts(one)
    _links(one)


def choose_sets() -> str | None:
    """Let the reader choose the collection of gene sets; None where the library is empty."""
    items = {item.id: item.title for item in caching.workspace().library().list("gene_sets")}
    if not items:
        st.caption("There are no gene sets here, so no names can be proposed; add some on the Train page.")
        return None
    default = "hallmark" if "hallmark" in items else None
    with st.container(width=380):
        return choices.select(
            "Gene sets", items, key=SETS, default=default, help="Collection that the tokens' genes are tested against."
        )


def naming(one: Subject) -> tuple[OutputEffects, pd.DataFrame, pd.DataFrame] | None:
    """Return free tokens' genes, their enrichment and proposed names; None where nothing can be named, or not yet."""
    from genediff.inspection.tokens.token_naming import proposed

    if not one.free:
        return None
    chosen = choose_sets()
    if chosen is None:
        return None
    effects = token_data.output_effects(one, one.free[: token_data.MOST_ASKED])
    if not caching.workspace().library().gene_sets(chosen).within(effects.genes).sets:
        st.caption(
            "No set of this collection has five of the model's genes, so it cannot name any token; choose another."
        )
    table = token_data.enrichment(one, effects, chosen)
    return None if table is None else (effects, table, proposed(table, effects.names))


def _names(one: Subject, effects: OutputEffects | None) -> pd.DataFrame | None:
    if not one.free:
        return None
    found = naming(one)
    return None if found is None else found[2]


def _figures_in_words(one: Subject, names: pd.DataFrame | None) -> None:
    health = token_data.inactive_tokens(one)
    n = len(one.kinds)
    redundant, titled = f"{int(health.redundant.sum()):,}", "Redundant tokens"
    if names is not None:
        redundant, titled = f"{redundant} / {same_name(names)}", "Redundant (by activity / gene set)"
    places = st.columns(4)
    places[0].metric("Tokens", f"{n:,}", border=True, help=f"{one.found.tokens.shape[1]} numbers each.")
    places[1].metric(
        "Inactive tokens", f"{int(health.dead.sum()):,}", border=True,
        help="They hardly differ between cells: posterior KL below 0.05 nats per cell, or a variance below 0.01 of the "
        "prior's (of the median token's, where the model pays no KL).",
    )  # fmt: skip
    places[2].metric(
        titled, redundant, border=True,
        help="The activity correlates with another token's over cells, |r| above 0.9"
        + ("; or the same gene set is the best match of both." if names is not None else "."),
    )  # fmt: skip
    if names is not None:
        found = int(names["up"].notna().sum() + names["down"].notna().sum())
        places[3].metric(
            "Directions with an enriched gene set", f"{found:,} of {2 * len(names):,}", border=True,
            help="Each token has two directions: the genes that rise and those that fall with it. See *Validation* "
            "for how many would be enriched by chance.",
        )  # fmt: skip
    elif one.free:
        places[3].metric("Directions with an enriched gene set", "…", border=True, help="Still being looked up.")
    else:
        column = _column(one)
        varies = None if column is None else _of_large_groups(one, column)[0]
        apart = 0 if varies is None else int((np.abs(varies).max(axis=1, initial=0) > 1).sum())
        places[3].metric(
            "Separate a group of cells", f"{apart:,}", border=True,
            help="In some group of cells the mean activity is more than one standard deviation from that of all cells.",
        )  # fmt: skip
    st.caption(token_wording.caveats(one))


def same_name(names: pd.DataFrame) -> int:
    """Return how many tokens have a direction whose gene set is also that of another token."""
    ends = names[["up", "down"]].stack().dropna().reset_index()
    ends.columns = pd.Index(["token", "end", "set"])
    tokens = ends.drop_duplicates(["token", "set"])
    return int(tokens.loc[tokens["set"].duplicated(keep=False), "token"].nunique())


def _table(one: Subject, effects: OutputEffects | None, names: pd.DataFrame | None) -> None:
    table = table_of(one, effects, names)
    order = _order(one)
    tables.show(
        table.iloc[order].reset_index(),
        f"tokens-{one.info.id}",
        on_pick=lambda row: _open(one.found.names[order[row]]),
        height=min(38 + 35 * len(table), 38 + 35 * 9),
        column_config={
            # Wide enough for names: the genes beside them would take the room.
            "token": st.column_config.TextColumn(width=_NAME if "set" in one.kinds else None),
            **{f"gene set {arrow} (FDR)": st.column_config.TextColumn(width=_NAME) for arrow in "↑↓"},
            "most active in": st.column_config.TextColumn(
                width=_GROUP,
                help="The group of cells whose mean activity lies furthest above that of all cells, in standard "
                f"deviations over cells. Groups of fewer than {LEAST_CELLS} cells are left out.",
            ),
            "KL": st.column_config.NumberColumn(
                format="%.2f",
                help="Information content: nats per cell (Kullback-Leibler divergence from the prior).",
            ),
            "variance on its first axis": st.column_config.NumberColumn(
                format="percent", help="Share of the token's variance that its activity, one number, holds."
            ),
        },
    )
    st.caption(_how_to_read(table))


def _how_to_read(table: pd.DataFrame) -> str:
    sentences = ["One row per token; click the box at its left to open it."]
    if "genes ↑" in table:
        sentences.append("↑ and ↓ are its two directions: the genes that rise and fall as it becomes more active.")
    if "gene set ↑ (FDR)" in table:
        sentences.append(
            "A gene set stands beside a direction that is enriched in it (FDR over all tokens, directions and sets): a "
            "hint about those genes, no proof that the token is that process. *Validation* shows how many would be "
            "enriched by chance."
        )
    return " ".join(sentences)


def _order(one: Subject) -> np.ndarray:
    """Return the order of the table's rows: free tokens first; of many genes those that separate groups."""
    if len(one.kinds) > token_data.MOST_ASKED and (apart := marks(one)) is not None:
        return np.argsort(-apart, kind="stable")
    return np.argsort([kind != "free" for kind in one.kinds], kind="stable")


def _open(token: str) -> None:
    choices.choose(TOKEN, token)
    st.session_state[VIEW] = "One token"


def marks(one: Subject) -> np.ndarray | None:
    """Return how far each token separates the groups of the first column, (token,); None where there are none.

    Variance of the mean activity between groups, so that a handful of cells does not decide.
    """
    column = _column(one)
    if column is None:
        return None
    codes, levels = obs_columns.classes(one.dataset, column)
    shown = codes[one.found.rows]
    sizes = np.bincount(shown[shown >= 0], minlength=len(levels))
    means = np.nan_to_num(token_data.group_means(one, column)[0])  # a group without a cell has no mean
    return np.asarray(means**2 @ sizes / max(sizes.sum(), 1))


def table_of(one: Subject, effects: OutputEffects | None, names: pd.DataFrame | None) -> pd.DataFrame:
    """Return what is known of every token, one row each."""
    found, health = one.found, token_data.inactive_tokens(one)
    called = [token_wording.called(one, i) for i in range(len(found.names))]
    called = [one if called.count(one) == 1 else name for one, name in zip(called, found.names, strict=True)]
    table = pd.DataFrame({"token": list(found.names)})
    if (active := _most_active(one)) is not None:
        table["most active in"] = active
    if names is not None:
        for end, arrow in (("up", "↑"), ("down", "↓")):
            table[f"gene set {arrow} (FDR)"] = (
                table["token"]
                .map({name: _with_rate(row[end], row[f"{end}_fdr"]) for name, row in names.iterrows()})
                .fillna("")
            )
    if effects is not None:
        inside = effects.listed()
        for e, arrow in enumerate(("↑", "↓")):
            order = np.argsort(-effects.change if e == 0 else effects.change, axis=1, kind="stable")[:, :GENES_SHOWN]
            top = [
                ", ".join(effects.genes[g] for g in row if inside[i, e, g]) for i, row in enumerate(order)
            ]  # the strongest first
            table[f"genes {arrow}"] = table["token"].map(dict(zip(effects.names, top, strict=True)))
    if np.isfinite(found.divergence).any():
        table["KL"] = found.divergence
    if len(found.names) > 1:
        alike = [f"{called[p]} ({r:+.2f})" for p, r in zip(health.partner, health.likeness, strict=True)]
        table["most alike"] = alike
    table["variance on its first axis"] = found.loadings.share
    table["token"] = called
    same = np.array([f"same as {called[partner]}" for partner in health.partner], dtype=object)
    flags = np.where(health.dead, "inactive", np.where(health.redundant, same, ""))
    if (flags != "").any():
        table.insert(1, "caution", flags)
    return table.set_index("token")


def _most_active(one: Subject) -> list[str] | None:
    """Return for each token the group of the first column that it is most active in; None without groups."""
    column = _column(one)
    if column is None:
        return None
    means, levels = _of_large_groups(one, column)
    if not levels:
        return None
    best = means.argmax(axis=1)
    return [f"{levels[place]} ({row[place]:+.1f} SD)" for place, row in zip(best, means, strict=True)]


def _of_large_groups(one: Subject, column: str) -> tuple[np.ndarray, list[str]]:
    """Return mean activities in groups with cells enough to be named, (token, group), and these groups."""
    means, levels = token_data.group_means(one, column)
    codes = obs_columns.classes(one.dataset, column)[0][one.found.rows]
    large = np.flatnonzero(np.bincount(codes[codes >= 0], minlength=len(levels)) >= LEAST_CELLS)
    return means[:, large], [levels[place] for place in large]


def _with_rate(name: str | None, rate: float) -> str:
    return "none" if name is None else f"{short_name(name, width=48)} ({rate:.0e})"


def _column(one: Subject) -> str | None:
    columns = obs_columns.colour_columns(one.dataset).classes
    return columns[0] if columns else None


def choose_column(one: Subject, *, key: str = "groups") -> str | None:
    """Let the reader choose the classes that cells are grouped by; None where the file has none."""
    columns = obs_columns.colour_columns(one.dataset).classes
    if not columns:
        return None
    return choices.select("Groups of cells", {name: obs_columns.title(name) for name in columns}, key=key)


def _heat(one: Subject) -> None:
    st.subheader("Tokens by groups of cells", anchor=False)
    column = choose_column(one)
    if column is None:
        st.caption("This data set has no column of groups.")
        return
    values, levels = token_data.group_means(one, column)
    names = [token_wording.called(one, i) for i in range(len(one.kinds))]
    codes, _ = obs_columns.classes(one.dataset, column)
    sizes = np.bincount(codes[codes >= 0], minlength=len(levels))
    titles = [f"{level} · {n:,}" for level, n in zip(levels, sizes, strict=True)]
    most = token_views.MOST_ROWS
    few = f" Of {len(names):,} tokens the {most} that differ most between groups." if len(names) > most else ""
    figures.show_figure(
        token_views.group_heat(names, titles, values, dark=theme.is_dark()),
        how_to_read="Mean activity per group in standard deviations over all cells; rows and columns are ordered by "
        f"likeness.{few} A mean says nothing of the spread inside a group, and small groups vary by chance.",
        name="token-heat",
        table=pd.DataFrame(values, index=pd.Index(one.found.names, name="token"), columns=list(levels)),
        publication=lambda: publication.from_plotly(token_views.group_heat(names, titles, values, dark=False)),
    )


def _points(one: Subject, names: pd.DataFrame | None) -> None:
    st.subheader("Tokens as points", anchor=False)
    if len(one.kinds) < 3:
        st.caption("There are fewer than three tokens, so they have no arrangement to show.")
        return
    left, right = st.columns([0.62, 0.38], vertical_alignment="bottom")
    all_asked = len(one.asked) == len(one.kinds)
    ways = ["the genes they affect", "their activity over cells"] if all_asked else ["their activity over cells"]
    with left:
        way = st.selectbox("Alike by", ways, key="alike", bind="query-params")
    with right:
        flat = st.segmented_control(
            "Axes", ["2-D", "3-D"], default="2-D", required=True, key="axes", bind="query-params"
        ) == "2-D"  # fmt: skip
    points = token_data.token_points(one, by_genes=way == ways[0] and all_asked)
    health = token_data.inactive_tokens(one)
    kinds = [
        "inactive" if dead else token_wording.KIND_TITLES[kind]
        for kind, dead in zip(one.kinds, health.dead, strict=True)
    ]
    hover = [_hover(one, i, names) for i in range(len(kinds))]

    def draw(n_axes: int) -> token_views.go.Figure:
        return token_views.token_points(
            points.positions[:, :n_axes],
            points.explained[:n_axes],
            [token_wording.called(one, i) for i in range(len(kinds))],
            hover,
            kinds,
            colours=token_wording.KIND_COLOURS,
        )

    n_axes = 2 if flat else min(3, points.positions.shape[1])
    table = pd.DataFrame(points.positions, index=pd.Index(one.found.names, name="token"))
    figures.show_figure(
        draw(n_axes),
        how_to_read=f"Each point is a token, placed by {way} (principal components of normalised profiles): tokens "
        "that lie close are similar, a token and its mirror image lie opposite each other. The percentages are the "
        "share of variance on these axes.",
        name="token-points",
        table=table.rename(columns=lambda axis: f"axis {int(axis) + 1}"),
        publication=lambda: publication.from_plotly(draw(2)),
        key=f"token-points-{n_axes}",
    )


def _hover(one: Subject, token: int, names: pd.DataFrame | None) -> str:
    sentences = [token_wording.called(one, token)]
    if names is not None and one.found.names[token] in names.index:
        row = names.loc[one.found.names[token]]
        sentences += [f"{arrow} {short_name(row[end])}" for end, arrow in (("up", "↑"), ("down", "↓")) if row[end]]
    if np.isfinite(one.found.divergence[token]):
        sentences.append(f"KL {one.found.divergence[token]:.2f} nats")
    return "<br>".join(sentences)


def _parts(one: Subject) -> None:
    effects = token_data.parts(one)
    if not effects:
        return
    st.subheader("Variance explained by each part of the hybrid", anchor=False)
    left, right = st.columns([0.55, 0.45], gap="large", vertical_alignment="center")
    table = pd.DataFrame(
        {
            "part": [part.title for part in effects],
            "decoded variance": [part.variance for part in effects],
            "cost of silencing it (nats per cell)": [part.cost for part in effects],
        }
    )
    with left:
        figures.show_figure(
            token_views.part_bars(list(table["part"]), list(table["decoded variance"])),
            how_to_read="Share of how decoded genes differ between test cells that each part is responsible for. The "
            "shares add up to 100%; one can be negative where a part works against the other.",
            name="token-parts",
            table=table,
        )
    with right:
        tables.show(
            table,
            "token-costs",
            column_config={
                "decoded variance": st.column_config.NumberColumn(format="percent"),
                "cost of silencing it (nats per cell)": st.column_config.NumberColumn(format="%.1f"),
            },
        )
        st.caption(
            "The cost is the loss of log-likelihood of test cells when the part is held at its mean. A part that costs "
            "nothing to silence explains nothing."
        )


def _links(one: Subject) -> None:
    gates = token_data.links(one)
    if gates is None:
        return
    st.subheader("Learned links between tokens", anchor=False)
    apart = gates[~np.eye(len(gates), dtype=bool)]
    figures.show_figure(
        token_views.links_heat(one.found.names, gates, dark=theme.is_dark()),
        how_to_read="How open each token (row) is to each other one (column) while the model draws cells: 1 is as "
        f"open as to itself, and training starts at 0.88. Here openness runs from {apart.min():.2f} to "
        f"{apart.max():.2f}. An open link may still carry nothing, and tokens have no meaning of their own, so this "
        "is no gene network.",
        name="token-links",
        table=pd.DataFrame(gates, index=pd.Index(one.found.names, name="token"), columns=list(one.found.names)),
        publication=lambda: publication.from_plotly(token_views.links_heat(one.found.names, gates, dark=False)),
    )
