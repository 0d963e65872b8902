"""What each tokenization is good for: claims, measured where they could be true."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from genediff.comparison.experiments import Experiment, shipped_experiments
from genediff.comparison.gain_over_baseline import LEVEL
from genediff.plots import comparison_plots as plots
from genediff.ui.kit import explain, figures, tables


def show() -> None:
    """Draw each experiment: its question, what was found, the figure and the tests."""
    found = shipped_experiments()
    st.markdown(
        "Each claim is tested where it could be true: on cells whose biology is known, with few cells, on genes that "
        "were never knocked out. Beside it stand the MLP or the best baseline, and the same model on shuffled "
        "knowledge."
    )
    for one in found.experiments:
        _experiment(one)
    st.subheader("Not measured yet", anchor=False)
    st.markdown("\n".join(f"- {what}" for what in found.not_measured))


def _experiment(one: Experiment) -> None:
    st.subheader(one.question, anchor=False)
    for sentence in one.answers():
        st.markdown(f"- {explain.plain(sentence)}")
    figures.show_figure(
        plots.with_intervals(one.curves, x_title=one.x_title, y_title=one.y_title),
        how_to_read=f"{one.data} {one.how_to_read}",
        name=one.id,
        table=lambda: _table(one),
    )
    if one.tests:
        with st.expander("All tests"):
            tables.show(_table(one), f"tests-{one.id}", column_config={
                "difference": st.column_config.NumberColumn(f"difference ({one.unit})", format="%+.3g"),
                "sd": st.column_config.NumberColumn("SD", format="%.3g"),
                "fdr": st.column_config.NumberColumn("FDR", format="%.3g"),
            })  # fmt: skip
            st.caption(
                f"FDR: Benjamini and Hochberg's over all tests of this page; a difference is found below {LEVEL:.0%}. "
                "What would be found in 8 of 10 such experiments is for a single test, without correction. "
                f"Measured by `python -m benchmarks.{one.benchmark}`."
            )


def _table(one: Experiment) -> pd.DataFrame:
    return pd.DataFrame([test.model_dump() for test in one.tests])
