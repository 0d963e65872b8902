"""Tables: a small one as plain HTML, and a grid that can be sorted without a mouse."""

from __future__ import annotations

import re
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import streamlit as st

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pandas.io.formats.style import Styler

FEWEST = 6  # rows: fewer are seen at a glance
_NUMBER = re.compile(r"((?<![\w.])[-+]?\d[\d,]*(?:\.\d+)?|\d+)")


def show(
    table: pd.DataFrame,
    name: str,
    *,
    style: Callable[[pd.DataFrame], Styler] | None = None,
    on_pick: Callable[[int], object] | None = None,
    mark: str = "",
    column_config: dict[str, Any] | None = None,
    **options: Any,
) -> None:
    """Draw the columns of a table, not its index, below a choice of the column to sort by.

    Streamlit's grid is a drawing: no key reaches its headings.

    Parameters
    ----------
    name
        Stem of the widgets' keys: once on a page.
    style
        Colours the rows in the order in which they are drawn; they keep their index.
    on_pick
        Called with the place in `table` of a row that was clicked, before the page runs again.
    mark
        Of the rows' own order: another one takes the mark from the row that was clicked.
    column_config
        As `st.dataframe` takes it.
    options
        More of what `st.dataframe` takes.
    """
    chosen = _sort_by(table, name, column_config or {}) if len(table) >= FEWEST else None
    order = np.arange(len(table)) if chosen is None else _order(table[chosen[0]], descending=chosen[1])
    key = f"{name}-{chosen}-{mark}"  # a marked row is marked by its place, which is another one in another order
    shown = table.iloc[order]

    def picked() -> None:
        rows = st.session_state[key].selection.rows
        if rows and on_pick is not None:
            on_pick(int(order[rows[0]]))

    if on_pick is not None:
        options |= {"on_select": picked, "selection_mode": "single-row"}
    st.dataframe(
        shown if style is None else style(shown), hide_index=True, key=key, column_config=column_config, **options
    )


def small(
    table: pd.DataFrame,
    *,
    formats: Mapping[str, str] | None = None,
    shade: Callable[[float], str] | None = None,
    shaded: Sequence[str] = (),
) -> None:
    """Draw the columns of a table, not its index, as plain HTML: there with the page, and read out by a screen reader.

    Streamlit's grid is a program of its own of a megabyte, which the browser loads and starts before it draws twelve
    rows. It is worth that where rows are chosen, sorted or very many. The look stands in the app's style sheet.

    Parameters
    ----------
    formats
        How numbers of a column are written, as `format` takes it (".2f", ".1%"); missing ones are a dash.
    shade
        Returns the background of a cell of the columns `shaded`, as CSS.
    """
    formats = formats or {}
    right = {name: ' class="gd-number"' if name in formats else "" for name in table.columns}
    head = "".join(f'<th scope="col"{right[name]}>{escape(str(name))}</th>' for name in table.columns)
    rows = []
    for values in table.itertuples(index=False):
        cells = []
        for name, value in zip(table.columns, values, strict=True):
            style = f' style="{shade(value)}"' if shade is not None and name in shaded else ""
            cells.append(f"<td{right[name]}{style}>{escape(_text(value, formats.get(name, '')))}</td>")
        rows.append(f"<tr>{''.join(cells)}</tr>")
    body = f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
    st.html(f'<div class="gd-table" tabindex="0">{body}</div>')  # a tabindex, so that keys can scroll it


def _sort_by(table: pd.DataFrame, name: str, config: dict[str, Any]) -> tuple[str, bool] | None:
    columns = [column for column in table if config.get(column, "") is not None and table[column].nunique() > 1]
    titles = {column: _title(column, config.get(column)) for column in columns}
    chosen: tuple[str, bool] | None = st.selectbox(
        "Sort by",
        [(column, down) for column in columns for down in (True, False)],
        format_func=lambda one: f"{titles[one[0]]}, {'descending' if one[1] else 'ascending'}",
        index=None,
        placeholder="Sort by",
        label_visibility="collapsed",
        width=260,
        key=f"sort-{name}",
    )
    return chosen


def _title(column: str, config: Any) -> str:
    label = config if isinstance(config, str) else (config or {}).get("label")
    return str(label or column)


def _order(values: pd.Series[Any], *, descending: bool) -> np.ndarray:
    """Return the places of the rows, (row,), missing values last whichever the direction."""
    places = pd.Series(np.arange(len(values)))
    numbers = values.reset_index(drop=True)
    if numbers.dtype == object:
        numbers = numbers.map(_natural, na_action="ignore")
    return places[numbers.sort_values(ascending=not descending, kind="stable").index].to_numpy()


def _natural(value: object) -> tuple[str | float, ...]:
    """Return text as words and numbers in turn, so that 9% stands before 12% and CD8A before CD14."""
    parts = _NUMBER.split(str(value).casefold().replace("−", "-"))
    return tuple(float(part.replace(",", "")) if place % 2 else part for place, part in enumerate(parts))


def _text(value: object, how: str) -> str:
    if value is None or value != value:  # a missing number is not itself
        return "–"
    return format(value, how) if how else str(value)
