"""What the Generate page asks of a model: how many cells, of which kind, and how they are drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from genediff.conditions import LARGE
from genediff.config import SampleConfig, SpeedConfig
from genediff.ui import forms
from genediff.ui.generate_job import Request, seen_together

if TYPE_CHECKING:
    from genediff.model_info import ModelInfo, ModelSpec

AS_IN_DATA = "as in the data"
LARGEST = 10_000_000


def ask(info: ModelInfo, spec: ModelSpec) -> Request:
    """Draw the form and return what it asks for; every choice stands in the address."""
    fixed = _conditions(info, spec)
    drawn = _how(info)
    return Request(
        model_id=info.id,
        n=int(drawn["n"]),
        conditions=tuple(sorted(fixed.items())),
        guidance=float(drawn["guidance"]),
        sampler=str(drawn["sampler"]),
        n_steps=int(drawn["n_steps"]),
        seed=int(drawn["seed"]),
        precision=str(drawn["precision"]),
        compiled=bool(drawn["compiled"]),
    )


def _conditions(info: ModelInfo, spec: ModelSpec) -> dict[str, str]:
    columns = list(info.conditions)
    places = st.columns([1, 1, *[1.6] * max(len(columns), 1)])
    with places[0]:
        st.number_input(
            "Cells", 1, LARGEST, 1000, step=100, key="n", bind="query-params",
            help=f"More than {LARGE:,} become a job that writes a file; it can be cancelled, resumed and found again.",
        )  # fmt: skip
    with places[1]:
        st.number_input("Seed", 0, 2**31 - 1, 0, key="seed", bind="query-params", help="The same seed, the same cells.")
    fixed = {}
    for place, column in zip(places[2:], columns, strict=False):
        levels = [AS_IN_DATA, *info.conditions[column]]
        with place:
            chosen = st.selectbox(column.replace("_", " "), levels, key=f"c_{column}", bind="query-params")
        if chosen != AS_IN_DATA:
            fixed[column] = chosen
    if not columns:
        places[2].caption("This model was trained without conditions: cells come as they are in the data.")
    if len(fixed) > 1 and not seen_together(spec, fixed):
        together = " and ".join(f"“{level}”" for level in fixed.values())
        st.warning(
            f"No training cell was both {together}: these cells are an extrapolation, and nothing can check them."
        )
    return fixed


def _how(info: ModelInfo) -> dict[str, forms.Value]:
    known = forms.options(SampleConfig)
    start = info.config.sample.model_dump()
    drawn: dict[str, forms.Value] = {}
    with st.expander("How cells are drawn: guidance, sampler, steps, precision"):
        for place, name in zip(st.columns(3), ("guidance", "sampler", "n_steps"), strict=True):
            with place:
                drawn[name] = forms.widget(known[name], start[name], key=name)
        drawn |= forms.fields(SpeedConfig, SpeedConfig(), ("precision", "compiled"), key="speed")
    return {**drawn, "n": st.session_state["n"], "seed": st.session_state["seed"]}
