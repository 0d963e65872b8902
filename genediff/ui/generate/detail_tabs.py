"""Below the evaluation: further views of generated cells, which take a moment, one at a time when the reader asks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from genediff.core.errors import InputError
from genediff.ui.generate import denoising_steps, dot_plot, generate_settings, nearest_cells
from genediff.ui.kit import explain

if TYPE_CHECKING:
    from genediff.data import Dataset
    from genediff.models.model_info import ModelInfo
    from genediff.ui.generate.generate_job import Job

LOOKS = {
    "Denoising trajectory": denoising_steps.show,
    "Marker genes": dot_plot.show,
    "Nearest real cells": nearest_cells.show,
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
            "**Denoising trajectory**: from noise to cells, step by step · **Marker genes** in generated and real "
            "cells · "
            "**Nearest real cells** of a generated cell · **Other settings** side by side"
        )
        return
    try:
        LOOKS[chosen](job, dataset, info, name=name)
    except InputError as error:
        explain.show_input_error(error)
