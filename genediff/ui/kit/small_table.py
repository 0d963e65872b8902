"""A small table as plain HTML: there with the page, selectable, and read out by a screen reader.

Streamlit's grid is a program of its own of a megabyte, which the browser loads and starts before it draws twelve rows.
It is worth that where rows are chosen, sorted or very many. The look stands in the app's style sheet.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import streamlit as st

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import pandas as pd


def show(
    table: pd.DataFrame,
    *,
    formats: Mapping[str, str] | None = None,
    shade: Callable[[float], str] | None = None,
    shaded: Sequence[str] = (),
) -> None:
    """Draw the columns of a table, not its index.

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


def _text(value: object, how: str) -> str:
    if value is None or value != value:  # a missing number is not itself
        return "–"
    return format(value, how) if how else str(value)
