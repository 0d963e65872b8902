"""Below the verdict: looks at generated cells that take a moment more, one at a time, when the reader asks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from genediff.errors import InputError
from genediff.ui import explain, generate_markers, generate_nearest, generate_settings, generate_steps

if TYPE_CHECKING:
    from genediff.data import Dataset
    from genediff.model_info import ModelInfo
    from genediff.ui.generate_job import Job

LOOKS = {
    "Out of noise": generate_steps.show,
    "Marker genes": generate_markers.show,
    "Nearest real cells": generate_nearest.show,
    "Other settings": generate_settings.show,
}


def show(job: Job, dataset: Dataset, info: ModelInfo, *, name: str) -> None:
    """Offer the looks, and draw the one that is chosen; the choice stands in the address.

    Parameters
    ----------
    name
        Stem of downloaded files.
    """
    st.subheader("Look closer", anchor=False)
    chosen = st.segmented_control(
        "Look closer", list(LOOKS), key="closer", bind="query-params", label_visibility="collapsed"
    )
    if chosen is None:
        st.caption(
            "**Out of noise**: drag a slider from noise to cells · **Marker genes** beside those of real cells · "
            "**Nearest real cells** of any generated one · **Other settings** side by side"
        )
        return
    try:
        LOOKS[chosen](job, dataset, info, name=name)
    except InputError as error:
        explain.show_input_error(error)
