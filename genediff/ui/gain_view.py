"""What an adapted model stands on, and what adapting was worth."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from genediff.adaptation.gain import read_gain
from genediff.ui import explain

if TYPE_CHECKING:
    from pathlib import Path

    from genediff.model_info import ModelInfo
    from genediff.workspace import Workspace


def show(folder: Path) -> None:
    """Draw the outcome of an adaptation in words and as a table; nothing for other models."""
    gain = read_gain(folder)
    if gain is None:
        return
    st.markdown(f"**Was adapting worth it?** {gain.sentence}")
    head, *rows = gain.table()
    st.dataframe(pd.DataFrame(rows, columns=["model", *head[1:]]), hide_index=True)
    own, other = gain.n_trained
    beside = (
        f" Training from scratch: {other:,} trained numbers, {gain.seconds[1]:.0f} s. Both saw as many cells in as "
        f"many steps ({gain.steps[0]:,} and {gain.steps[1]:,})."
        if other
        else ""
    )
    explain.how_to_read(
        "All rows are judged by the same held-out cells of the new data, in the genes that both share; the nearer to "
        f"two real samples, the better. Adapting: {own:,} trained numbers, {gain.seconds[0]:.0f} s.{beside}"
    )


def base_of(info: ModelInfo, workspace: Workspace) -> None:
    """Say which base an adapted model needs, and whether it is here; nothing for other models."""
    if info.adapter is None:
        return
    adapter = info.adapter
    here = {model.id for model in workspace.list_models()}
    st.caption(
        f"An adapter of rank {adapter.rank} on “{adapter.base_title}” ({adapter.base_id}): {adapter.n_trained:,} "
        "trained numbers; it needs that model in the library."
    )
    if adapter.base_id not in here:
        st.warning(f"Its base {adapter.base_id} is not in the library; upload or restore that model to use this one.")
