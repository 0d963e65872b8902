"""The leaderboard on the page: figures or gains, filtered, sorted by a click, best figures marked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from genediff.comparison.comparison_verdict import difference
from genediff.comparison.gain_over_baseline import FEWEST_SEEDS
from genediff.comparison.table_metrics import FIGURES, GROUPS, MAIN
from genediff.ui.kit import explain, layout, tables

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pandas.io.formats.style import Styler

    from genediff.comparison.comparison_table import Row

VALUES, GAINS = "Figures", "Improvement over the MLP"
_BEST = "font-weight: 700; background-color: rgba(0, 158, 115, 0.22)"
_BEYOND = {"better": "background-color: rgba(0, 114, 178, 0.22)", "worse": "background-color: rgba(213, 94, 0, 0.20)"}
_COLUMNS = {
    # As many as a laptop shows; what they cost is a group of its own.
    "Main": ("nats_over_independent", "nats_over_start", "reconstruction_r", *MAIN),
    "All": tuple(FIGURES),
    **{group.capitalize(): names for group, names in GROUPS.items()},
}


def show(rows: Sequence[Row]) -> tuple[Row, ...]:
    """Draw filters and table; return the rows that the reader left in."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        what = st.segmented_control(
            "Show", [VALUES, GAINS], default=VALUES, key="cmp_show", bind="query-params", required=True
        )
        group = st.segmented_control(
            "Columns", list(_COLUMNS), default="Main", key="cmp_columns", bind="query-params", required=True
        )
        spaces = sorted({row.space for row in rows if row.space})
        space = None
        if len(spaces) > 1:
            space = st.segmented_control("Space", spaces, key="cmp_space", bind="query-params")
        hide = st.toggle("Hide columns that are the same for all", value=True, key="cmp_hide", bind="query-params")
    kept = tuple(row for row in rows if space in (None, row.space) or not row.space)
    names = [name for name in _COLUMNS[group or "Main"] if any(name in row.cells for row in kept)]
    if what == GAINS:
        _gains(kept, names, hide=hide)
    else:
        _values(kept, names, hide=hide)
    return kept


def values(rows: Sequence[Row], names: Sequence[str]) -> pd.DataFrame:
    """Return the means, a line per row, NaN where there is none."""
    return pd.DataFrame(
        {
            FIGURES[name].heading: [row.cells[name].mean if name in row.cells else None for row in rows]
            for name in names
        },
        dtype=float,
    )


def gains(rows: Sequence[Row], names: Sequence[str]) -> pd.DataFrame:
    """Return the improvements over the MLP in the figures' units, a line per row, NaN where there is none."""
    return pd.DataFrame(
        {
            FIGURES[name].title: [row.gains[name].difference if name in row.gains else None for row in rows]
            for name in names
        },
        dtype=float,
    )


def best(rows: Sequence[Row], names: Sequence[str]) -> list[dict[str, bool]]:
    """Return for each row which of its figures are the best among trained rows.

    A lone row is not marked, nor are rows of so few seeds that none of them can be told from the others.
    """
    marks: list[dict[str, bool]] = [{} for _ in rows]
    for name in names:
        costs = {i: FIGURES[name].cost(row.cells[name].mean) for i, row in enumerate(rows) if _judged(row, name)}
        enough = all(len(rows[i].models) >= FEWEST_SEEDS for i in costs)
        if len(costs) < 2 or min(costs.values()) == max(costs.values()) or not enough:
            continue
        for i, cost in costs.items():
            marks[i][name] = cost == min(costs.values())
    return marks


def _judged(row: Row, name: str) -> bool:
    return row.place is not None and name in row.cells


def _values(rows: Sequence[Row], names: Sequence[str], *, hide: bool) -> None:
    table = values(rows, names)
    words = [[row.cells[name].text(FIGURES[name]) if name in row.cells else "–" for name in names] for row in rows]
    marks = best(rows, names)
    css = [[_BEST if mark.get(name) else "" for name in names] for mark in marks]
    _draw(rows, table, words, css, hide=hide)
    explain.how_to_read(
        "Mean ± standard deviation over seeds. ↓ lower is better, ↑ higher is better, → "
        "the value to reach. Bold on green: the best mean, where rows have three seeds, whether or not it leads by "
        "more than chance. Rows without seeds are no models: real cells against other real cells (the floor), and "
        "simple baselines; their ± is over draws of cells."
    )


def _gains(rows: Sequence[Row], names: Sequence[str], *, hide: bool) -> None:
    shown = [row for row in rows if row.gains]
    if not shown:
        st.info("There is nothing to compare with yet: the MLP row has no results, or is not part of this comparison.")
        return
    table = gains(shown, names)
    words = [[_gain(row, name) for name in names] for row in shown]
    css = [[_BEYOND.get(row.gains[name].finding, "") if name in row.gains else "" for name in names] for row in shown]
    _draw(shown, table, words, css, hide=hide)
    explain.how_to_read(
        "Above 0 is better than the MLP, whatever the figure's direction: in per cent of the MLP's value, or in the "
        "figure's own unit where it aims at a value or may be near zero (an AUC, a distance). Blue: better, orange: "
        "worse (Welch's t-test over seeds, false discovery rate of 5% in each row); plain: no difference detected. "
        "Three seeds detect large differences only; fewer detect none."
    )


def _gain(row: Row, name: str) -> str:
    own = row.gains.get(name)
    return "–" if own is None else difference(name, own)


def _draw(
    rows: Sequence[Row], table: pd.DataFrame, words: list[list[str]], css: list[list[str]], *, hide: bool
) -> None:
    about = pd.DataFrame({"row": [row.title for row in rows], "seeds": [_seeds(row) for row in rows]})
    # A lone value is no column that is the same for all.
    kept = [i for i, column in enumerate(table) if not hide or table[column].count() < 2 or table[column].nunique() > 1]
    whole = pd.concat([about, table.iloc[:, kept]], axis=1)
    tables.show(
        whole,
        "leaderboard",
        style=lambda shown: _styled(
            shown,
            [[words[row][i] for i in kept] for row in shown.index],
            [[css[row][i] for i in kept] for row in shown.index],
        ),
        placeholder="–",
        height=min(36 * (len(rows) + 1) + 3, 640),
        column_config={
            "row": st.column_config.TextColumn(
                pinned=not layout.on_phone(),
                width="large",  # a model and its shuffled control differ at their ends
            )
        },
    )


def _styled(table: pd.DataFrame, words: list[list[str]], css: list[list[str]]) -> Styler:
    """Show words while the numbers below them sort."""
    styler = table.style
    for row, line in zip(table.index, words, strict=True):
        for column, word in enumerate(line, start=2):
            styler = styler.format(lambda _, word=word: word, subset=(row, table.columns[column]), na_rep="–")
    marks = pd.DataFrame("", index=table.index, columns=table.columns)
    for row, line in enumerate(css):
        marks.iloc[row, 2:] = line
    return styler.apply(lambda _: marks, axis=None)


def _seeds(row: Row) -> str:
    return "" if row.place is None else f"{len(row.models)} of {row.n_planned}"
