"""What an adapted model stands on, and what adapting was worth."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from genediff.training.adapt.gain import read_gain
from genediff.ui.kit import explain

if TYPE_CHECKING:
    from pathlib import Path

    from genediff.models.model_info import ModelInfo
    from genediff.workspace import Workspace


def show(folder: Path) -> None:
    """Draw the outcome of an adaptation in words and as a table; nothing for other models."""
    gain = read_gain(folder)
    if gain is None:
        return
    st.markdown(f"**Benefit of adaptation.** {explain.plain(gain.sentence)}")
    head, *rows = gain.table()
    st.dataframe(pd.DataFrame(rows, columns=["model", *head[1:]]), hide_index=True)
    own, other = gain.n_trained
    beside = (
        f" Training from scratch: {other:,} trained parameters, {gain.seconds[1]:.0f} s. Both used the same number of "
        f"cells and steps ({gain.steps[0]:,} and {gain.steps[1]:,})."
        if other
        else ""
    )
    explain.how_to_read(
        "All rows are compared with the same held-out cells of the new data in the shared genes; closer to real vs. "
        "real "
        f"is better. Adaptation: {own:,} trained parameters, {gain.seconds[0]:.0f} s.{beside}"
    )


def base_of(info: ModelInfo, workspace: Workspace) -> None:
    """Say which base an adapted model needs, and whether it is here; nothing for other models."""
    if info.adapter is None:
        return
    adapter = info.adapter
    here = {model.id for model in workspace.list_models()}
    st.caption(
        f"Low-rank adapter (rank {adapter.rank}) of “{explain.plain(adapter.base_title)}” "
        f"({explain.plain(adapter.base_id)}): {adapter.n_trained:,} trained parameters; needs that model in the "
        "library."
    )
    if adapter.base_id not in here:
        st.warning(f"Its base {explain.plain(adapter.base_id)} is not in the library; upload or restore it first.")
