"""Named selections on a page: keep what a lasso holds under a name, and choose groups of cells by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from genediff.core.errors import InputError
from genediff.data.cells import selections as kept
from genediff.ui.kit import caching, cell_filter, explain, obs_columns, region
from genediff.ui.kit.library_list import LibraryList

if TYPE_CHECKING:
    from genediff.data import Dataset
    from genediff.data.cells.selections import Selection

ALL = "All cells"
REGION = "Cells in the region on the map"
SHOWN = "Cells shown on the map"
REST = "All other cells"
_SELECTION = "Selection: "
_PROBLEM = "selection_problem"


def save_box(dataset: Dataset, chosen: np.ndarray, *, key: str, note: str = "") -> None:
    """Offer to keep real cells under a name; every page's choice of groups then has it.

    Parameters
    ----------
    chosen
        Which cells, (cell,) of bool, or their positions.
    key
        Stem of the widgets' keys.
    note
        Where they were drawn, such as "lasso on the UMAP".
    """
    name_key = f"{key}-name"
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        st.text_input(
            "Name this selection", key=name_key, max_chars=kept.MOST_LETTERS, placeholder="such as activated T cells"
        )
        st.button(
            "Save selection", key=f"{key}-keep", icon=":material/bookmark_add:", on_click=_save,
            args=(dataset, chosen, name_key, note), help="Other pages can then compare and colour these cells by name.",
        )  # fmt: skip
    problem = st.session_state.pop(_PROBLEM, None)
    if problem:
        st.warning(explain.plain(problem))
    manage(dataset, key=key)


def manage(dataset: Dataset, *, key: str) -> None:
    """List the named selections of a data set with a way to delete each, and to undo that; nothing without any."""
    own = _library(dataset, key)
    own.messages()
    found = named(dataset)
    if not found:
        return
    with st.expander(f"Named selections ({len(found)})"):
        for one in found:
            with st.container(horizontal=True, vertical_alignment="center", gap="small"):
                st.markdown(f"**{explain.plain(one.name)}** :gray[{len(one.rows):,} cells]", width="stretch")
                own.delete_button(one.name, one.name)


def pick_group(
    dataset: Dataset, *, key: str, label: str, default: str | None = None, rest_of: np.ndarray | None = None
) -> tuple[np.ndarray, str]:
    """Let the reader choose a group of cells: all, a named selection, or a level of a column.

    Parameters
    ----------
    key
        Of the widget, and of its part of the address.
    default
        The option that stands there first, as `group_names` has it; "All cells" when None or unknown.
    rest_of
        Another group, (cell,) of bool: "All other cells" is then offered too, and stands there first.

    Returns
    -------
    tuple
        Which cells, (cell,) of bool, and the group's name.
    """
    options = group_names(dataset)
    if rest_of is not None:
        options = [REST, *options]
    index = options.index(default) if default in options else 0
    chosen: str = st.selectbox(label, options, index=index, key=key, bind="query-params", filter_mode="contains")
    if rest_of is not None and chosen == REST:
        return ~rest_of, REST
    return group(dataset, chosen), chosen


def group_names(dataset: Dataset) -> list[str]:
    """Return the groups that can be chosen: all cells, those in the region on the map, named selections, then levels.

    Levels are called "column: level".
    """
    drawn = [REGION] if region.on_map(dataset) is not None else []
    if cell_filter.shown(dataset) is not None:
        drawn.append(SHOWN)
    return [ALL, *drawn, *(_SELECTION + one.name for one in named(dataset)), *obs_columns.levels(dataset)]


def group(dataset: Dataset, name: str) -> np.ndarray:
    """Return the cells of a group by its name, (cell,) of bool.

    Raises
    ------
    InputError
        When there is no such group.
    """
    if name == ALL:
        return np.ones(dataset.info.n_cells, dtype=bool)
    if name == REGION and (inside := region.on_map(dataset)) is not None:
        return inside
    if name == SHOWN and (shown := cell_filter.shown(dataset)) is not None:
        return shown
    for one in named(dataset):
        if name == _SELECTION + one.name:
            return one.mask
    if (found := obs_columns.levels(dataset).get(name)) is not None:
        column, place = found
        return obs_columns.classes(dataset, column)[0] == place
    raise InputError(f"There is no group of cells called {name!r}; choose another one.")


def named(dataset: Dataset) -> list[Selection]:
    """Return the named selections of a data set."""
    return kept.list_selections(caching.workspace().selections, dataset)


def _save(dataset: Dataset, chosen: np.ndarray, name_key: str, note: str) -> None:
    try:
        selection = kept.save_selection(
            caching.workspace().selections, dataset, st.session_state.get(name_key) or "", chosen, note=note
        )
    except InputError as error:
        st.session_state[_PROBLEM] = str(error)
        return
    st.session_state[name_key] = ""
    st.toast(
        f"{len(selection.rows):,} cells are saved as “{explain.plain(selection.name)}”.", icon=":material/bookmark:"
    )


def _library(dataset: Dataset, key: str) -> LibraryList:
    folder, trash, own = caching.workspace().selections, caching.workspace().trash / "selections", dataset.info.id
    return LibraryList(
        f"{key}-selection-{own}", "selections", lambda name: kept.delete_selection(folder, trash, own, name),
        lambda name: kept.restore_selection(folder, trash, own, name),
    )  # fmt: skip
