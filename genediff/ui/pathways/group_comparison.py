"""Which pathways differ between two groups of cells: a lasso, labels or named selections against each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st

from genediff.plots import embedding
from genediff.plots import pathway_plots as plots
from genediff.plots.set_names import short_names
from genediff.ui.data import differential_view
from genediff.ui.kit import choices, explain, figures, missing_map, obs_columns, region, selection_picker, tables
from genediff.ui.kit import subsample as drawn
from genediff.ui.pathways import pathways_data

if TYPE_CHECKING:
    from genediff.data import Dataset
    from genediff.inspection.groups.two_groups import Comparison
    from genediff.models.model_info import ModelInfo
    from genediff.ui.pathways.pathways_data import Scored

PATHWAYS, GENES = "Pathways", "Genes"
_CLICK = "pathways-volcano-click"
_DECIMALS = {
    "auc": "AUC",
    "auc_low": "AUC, low end",
    "auc_high": "AUC, high end",
    "difference": "difference",
    "difference_low": "difference, low end",
    "difference_high": "difference, high end",
}
_SMALL = {"p_value": "p", "fdr": "FDR", "p_replicates": "p over donors", "fdr_replicates": "FDR over donors"}


def show(scored: Scored, info: ModelInfo, dataset: Dataset) -> None:
    """Draw the map with the lasso, the choice of groups, and the test between them."""
    # Without a map nothing would stand beside the choice.
    two = dataset.info.has_umap
    picture, choice = st.columns([0.56, 0.44], gap="medium") if two else (st.container(), st.container())
    with picture:
        drawn = _map(dataset)
    with choice:
        masks, names, key = _groups(dataset, drawn)
    with choice:
        what = st.segmented_control(
            "Compare", [PATHWAYS, GENES], default=PATHWAYS, required=True, key="compare", bind="query-params"
        )
    if what == GENES:
        differential_view.result(dataset, masks, names, replicate=dataset.info.batch)
        return
    found = pathways_data.compared(scored, info, dataset, key, masks)
    if isinstance(found, str):
        st.info(found)
        return
    with choice:
        _headline(found, names)
    _result(found, names)


def _map(dataset: Dataset) -> np.ndarray | None:
    """Draw the cells by their label; return which lie in the drawn region, bool (cell,), None without one."""
    if not dataset.info.has_umap:
        missing_map.show(dataset, "Until then groups are chosen by name.")
        return None
    columns = obs_columns.colour_columns(dataset).classes
    codes, levels = obs_columns.classes(dataset, columns[0]) if columns else (np.full(dataset.info.n_cells, -1), ())
    corners = region.read(region.MAP)
    some = drawn.rows(dataset)
    fig = embedding.by_label(dataset.umap[some], codes[some], levels, height=430)
    if corners:
        embedding.with_region(fig, corners)
    key = f"pathways-lasso-{dataset.info.id}"
    figures.show_figure(
        fig,
        how_to_read="Choose the lasso or the box in the corner of the map and draw around cells to test them. A group "
        "drawn after looking differs in what the map shows: small p-values are expected, so read the effect."
        f"{drawn.sample_note(dataset, lasso=True)}",
        name=key,
        select=("lasso", "box"),
        when_selected=lambda selection: region.remember(region.MAP, selection),
    )
    return region.inside(corners, dataset.umap) if corners else None


def _groups(
    dataset: Dataset, drawn: np.ndarray | None
) -> tuple[tuple[np.ndarray, np.ndarray], tuple[str, str], tuple[str, ...]]:
    """Return the two masks over all cells, the names of the groups, and what names the comparison in a cache."""
    with st.container(border=True):
        if drawn is not None:
            first, first_name = drawn, "drawn region"
            st.markdown(f"**First group:** {int(drawn.sum()):,} cells in the drawn region")
            st.button("Clear the region", icon=":material/deselect:", on_click=region.forget, args=(region.MAP,))
        else:
            first, first_name = selection_picker.pick_group(
                dataset, key="first", label="First group", default=_default(dataset)
            )
        second, second_name = selection_picker.pick_group(dataset, key="second", label="Second group", rest_of=first)
        among, among_name = selection_picker.pick_group(dataset, key="among", label="Only among")
        held_out = st.toggle(
            "Held-out cells only",
            key="heldout",
            bind="query-params",
            help="Test cells, which the model was not trained on. A model fits its training cells a little too well.",
        )
    if drawn is not None:
        selection_picker.save_box(dataset, drawn, key="pathways-region", note="region on the map of Pathways")
    within = among & (dataset.obs["split"].to_numpy() == "test") if held_out else among
    corners = st.query_params.get(region.MAP, "") if drawn is not None else ""
    key = (first_name, second_name, among_name, str(held_out), corners)
    both = first & second
    masks = first & within, second & within
    if second_name == selection_picker.ALL or (both & within).any():
        masks = masks[0], masks[1] & ~masks[0]  # what is in both counts for the first
        second_name = f"{second_name} (others)"
    return masks, (_short(first_name), _short(second_name)), key


def _default(dataset: Dataset) -> str | None:
    """Return the group that stands there first: a level of a condition, else the largest of the label.

    Of a column with untreated cells it is a treated one: "higher" then means higher after the treatment.
    """
    info = dataset.info
    known = obs_columns.colour_columns(dataset).classes
    for column in (*(one for one in info.conditions if one != info.label), info.perturbation, info.label):
        if column is not None and column in known:
            codes, levels = obs_columns.classes(dataset, column)
            if len(levels) > 1:
                sizes = np.bincount(codes[codes >= 0], minlength=len(levels))
                if column == info.perturbation and info.control in levels:
                    sizes[levels.index(info.control)] = 0
                return f"{column}: {levels[int(sizes.argmax())]}"
    return None


def _headline(found: Comparison, names: tuple[str, str]) -> None:
    table = found.table
    sure = table["fdr"] < plots.SIGNIFICANT
    top = table.iloc[0]
    clear = int((sure & ((table["auc"] - 0.5).abs() >= 0.1)).sum())
    st.markdown(
        f"**{found.n_first:,}** against **{found.n_second:,}** cells. **{int(sure.sum())}** of {len(table):,} pathways "
        f"differ (FDR < 0.05), **{clear}** of them clearly (AUC beyond 0.4 to 0.6). Furthest apart: "
        f"**{explain.plain(plots.short_names([top['token']], width=60)[0])}**, AUC {top['auc']:.2f}."
    )
    if found.replicates is not None:
        n = int((table["fdr_replicates"] < plots.SIGNIFICANT).sum())
        st.markdown(f"Between replicates, **{n}** differ (FDR < 0.05).")


def _result(found: Comparison, names: tuple[str, str]) -> None:
    by_replicates = found.replicates is not None and st.toggle(
        "Test between replicates instead of cells", key="replicates", bind="query-params", value=True
    )
    chosen = st.query_params.get("pathway")
    left, right = st.columns(2, gap="medium")
    used = (
        f" Ranked were {found.n_used:,} cells, drawn at random."
        if found.n_used < found.n_first + found.n_second
        else ""
    )
    with left:
        event = figures.show_figure(
            plots.volcano(found.table, first=names[0], second=names[1], chosen=chosen, by_replicates=by_replicates),
            how_to_read=f"Each dot is a pathway: to the right, higher in {explain.plain(names[0])}; further up, less "
            "likely by chance. Click one to see it on the other views. Height grows with the number of cells: far up "
            "need not mean a large effect.",
            name="pathways-volcano",
            table=found.table,
            select=("points",),
        )
        _click(event)
    with right:
        figures.show_figure(
            plots.effects(found.table, first=names[0]),
            how_to_read="The largest effects with 95% intervals. 0.5: a cell of either group is as likely to be the "
            f"higher one; 1 or 0: the groups do not overlap.{used}",
            name="pathways-effects",
            table=found.table,
        )
    st.caption(f":material/warning: {found.caution}")
    _table(found)


def _table(found: Comparison) -> None:
    columns: dict[str, Any] = {
        "token": st.column_config.TextColumn("pathway", width="large"),
        **{name: st.column_config.NumberColumn(title, format="%.3f") for name, title in _DECIMALS.items()},
        **{name: st.column_config.NumberColumn(title, format="%.1e") for name, title in _SMALL.items()},
        "log10_p": None,
    }
    with st.expander(f"All {len(found.table):,} pathways as a table"):
        table = found.table.assign(token=short_names(list(found.table["token"]), width=60))
        tables.show(table, "pathway-groups", column_config=columns)


def _click(event: dict[str, Any]) -> None:
    for point in event.get("points") or []:
        told = point.get("customdata")
        name = told[0] if isinstance(told, list | tuple) else (told or {}).get("0")
        if name and name != st.session_state.get(_CLICK):
            st.session_state[_CLICK] = name
            choices.choose("pathway", str(name))
            st.rerun()


def _short(name: str) -> str:
    return name if len(name) <= 28 else name[:27] + "…"
