"""The choices of the Regulation page: genes, cells, settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from genediff.ui.kit import gene_search as gene_widgets
from genediff.ui.kit import selection_picker
from genediff.ui.regulation.regulation_data import DEFAULT, Population, Settings

if TYPE_CHECKING:
    from genediff.data import Dataset
    from genediff.inspection.regulation.attention_flow import Measure
    from genediff.models.model_info import ModelInfo
    from genediff.ui.regulation.regulation_data import Genes

REAL, GENERATED = "Real cells", "Generated cells"
_MEASURES: dict[str, Measure] = {"What arrives": "variation", "Attention weights": "attention"}
_ANY = "any"


def settings(info: ModelInfo) -> Settings:
    """Draw how paths are measured, behind one button."""
    counted = info.space == "counts"
    title, most = ("Molecules read (share of each cell)", 0.9) if counted else ("Time t", 1.0)
    with st.popover("Settings", icon=":material/tune:", width="stretch"):
        t = st.slider(
            title, 0.1, most, DEFAULT.t, 0.1, key="t", bind="query-params",
            help="The model sees so many and predicts the rest. Regulators matter most where about half is known."
            if counted
            else "0 is noise, 1 the cell itself. Regulators matter most at intermediate noise.",
        )  # fmt: skip
        steps = st.segmented_control(
            "Longest path (edges)", [1, 2, 3], default=DEFAULT.steps, required=True, key="steps", bind="query-params"
        )
        measure = st.segmented_control(
            "Flow", list(_MEASURES), default="What arrives", required=True, key="flow", bind="query-params",
            help="What arrives: what an edge adds that differs from cell to cell. Attention weights: rollout as first "
            "published, heads averaged, half of each token kept.",
        )  # fmt: skip
        n_shuffled = st.select_slider(
            "Shuffled networks", [0, 5, 9, 19, 49, 99], value=DEFAULT.n_shuffled, key="shuffled", bind="query-params",
            help="Controls: the trained weights on networks whose edges were shuffled, degrees kept. 0: none.",
        )  # fmt: skip
        n_cells = st.select_slider(
            "Cells", [64, 128, 256, 512, 1024], value=DEFAULT.n_cells, key="looked", bind="query-params",
            help="A random sample of the group, the same each time; of the model's own data only cells that it was not "
            "trained on. More cells: more edges can be found.",
        )  # fmt: skip
    return Settings(float(t), int(steps), _MEASURES[measure], int(n_cells), int(n_shuffled))


def moment(info: ModelInfo, t: float) -> str:
    """Say how much of the cells a model was shown."""
    return f"{t:.0%} of the molecules read" if info.space == "counts" else f"t = {t:g}"


def population(
    info: ModelInfo, dataset: Dataset, *, key: str = "group", label: str = "In which cells", default: str | None = None
) -> Population:
    """Draw the choice of cells: a group of real ones (`default` stands there first), or cells that are generated."""
    kind = st.segmented_control(
        label, [REAL, GENERATED], default=REAL, required=True, key=f"{key}kind", bind="query-params"
    )
    if kind == REAL:
        mask, title = selection_picker.pick_group(dataset, key=key, label="Group", default=default)
        return Population(title, np.flatnonzero(mask))
    asked = []
    for column, levels in info.conditions.items():
        level = st.selectbox(column, [_ANY, *levels], key=f"{key}-{column}", bind="query-params")
        if level != _ANY:
            asked.append((column, level))
    words = ", ".join(level for _, level in asked) or "as in training"
    return Population(f"generated cells ({words})", None, tuple(asked))


def target(known: Genes, *, key: str = "target") -> str:
    """Draw the choice of a target; the one to begin with stands there first."""
    chosen = gene_widgets.gene_search(known.targets, key=key, label="Target", placeholder=f"{known.default} (a start)")
    return chosen or known.default


def ends(known: Genes) -> tuple[str | None, str | None]:
    """Draw the choice of regulator and target, either of which may be left open: (regulator, target)."""
    regulator = gene_widgets.gene_search(
        known.regulators, key="regulator", label="Regulator (or leave open)", placeholder="any regulator"
    )
    chosen = gene_widgets.gene_search(
        known.targets, key="target", label="Target (or leave open)",
        placeholder="any target" if regulator else f"{known.default} (a start)",
    )  # fmt: skip
    if regulator is None and chosen is None:
        return None, known.default
    return regulator, chosen
