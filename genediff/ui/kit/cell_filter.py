"""Which classes of cells a map shows: kept in the address, like a region, so that the page's other views keep to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from genediff.ui.kit import obs_columns

if TYPE_CHECKING:
    from genediff.data import Dataset

_KEY = "only"  # the part of the address that holds the classes
_WIDGET = "cell-filter"


def chosen(dataset: Dataset) -> list[str]:
    """Return the classes that the reader filters by, as "column: class"; those that are not here are left out."""
    named = dict.fromkeys(st.query_params.get_all(_KEY))
    known = obs_columns.levels(dataset) if named else {}  # every plot asks, and most maps show all cells
    return [name for name in named if name in known]


def shown(dataset: Dataset) -> np.ndarray | None:
    """Return the cells of the chosen classes, bool (cell,); None where all are shown.

    A cell is in one of the chosen classes of every column that has any.
    """
    names = chosen(dataset)
    if not names:
        return None
    known = obs_columns.levels(dataset)
    places: dict[str, list[int]] = {}
    for column, place in (known[name] for name in names):
        places.setdefault(column, []).append(place)
    return np.logical_and.reduce(
        [np.isin(obs_columns.classes(dataset, column)[0], wanted) for column, wanted in places.items()]
    )


def control(dataset: Dataset) -> None:
    """Let the reader choose the classes that are shown."""
    st.session_state[_WIDGET] = chosen(dataset)
    st.multiselect(
        "Show only", list(obs_columns.levels(dataset)), key=_WIDGET, placeholder="All cells", on_change=_write,
        filter_mode="contains",
        help="Cells of any of these classes; with classes of several columns, cells that are in one of each.",
    )  # fmt: skip


def clear() -> None:
    """Show all cells again."""
    st.query_params.pop(_KEY, None)


def _write() -> None:
    st.query_params[_KEY] = st.session_state[_WIDGET]
