"""What the Generate page asks of a model: how many cells, of which kind, and how they are sampled."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from genediff.models.conditions import LARGE
from genediff.models.config import SampleConfig, SpeedConfig
from genediff.models.generate_request import GenerateRequest
from genediff.ui.generate.generate_job import n_seen
from genediff.ui.kit import explain, forms

if TYPE_CHECKING:
    from genediff.models.model_info import ModelInfo, ModelSpec

AS_IN_DATA = "as in the data"
LARGEST = 10_000_000
FEW = 30  # training cells of a kind below which the form says so


def ask(info: ModelInfo, spec: ModelSpec) -> GenerateRequest:
    """Draw the form and return what it asks for; every choice stands in the address."""
    fixed = _conditions(info, spec)
    drawn = _how(info)
    return GenerateRequest(
        model_id=info.id,
        n=int(drawn["n"]),
        conditions=dict(sorted(fixed.items())),
        guidance=float(drawn["guidance"]),
        sampler=str(drawn["sampler"]),
        n_steps=int(drawn["n_steps"]),
        seed=int(drawn["seed"]),
        precision=str(drawn["precision"]),
        compiled=bool(drawn["compiled"]),
    )


def _conditions(info: ModelInfo, spec: ModelSpec) -> dict[str, str]:
    left, right = st.columns(2)
    with left:
        st.number_input(
            "Cells", 1, LARGEST, 1000, step=100, key="n", bind="query-params",
            help=f"More than {LARGE:,} become a background job that writes a file; it can be cancelled, resumed and "
            "opened again.",
        )  # fmt: skip
    with right:
        st.number_input("Seed", 0, 2**31 - 1, 0, key="seed", bind="query-params",
                        help="The same seed and settings give the same cells.")  # fmt: skip
    fixed = {}
    for column, known in info.conditions.items():
        title = explain.plain(column.replace("_", " "))
        chosen = st.selectbox(title, [AS_IN_DATA, *known], key=f"c_{column}", bind="query-params")
        if chosen != AS_IN_DATA:
            fixed[column] = chosen
    if not info.conditions:
        st.caption("This model was trained without conditions: it generates cells in the proportions of its data.")
    n = n_seen(spec, fixed)
    if fixed and 0 < n < FEW:
        st.caption(
            f":material/warning: The model was trained on only {n} such cells, and few test cells are left to judge "
            "what it generates."
        )
    if len(fixed) > 1 and not n:
        together = " and ".join(f"“{explain.plain(level)}”" for level in fixed.values())
        st.warning(
            f"No training cell was both {together}: these cells are an extrapolation that cannot be validated here."
        )
    return fixed


def _how(info: ModelInfo) -> dict[str, forms.Value]:
    known = forms.options(SampleConfig)
    start = info.config.sample.model_dump()
    drawn: dict[str, forms.Value] = {}
    with st.expander("Sampling: guidance, sampler, steps, precision"):
        for name in ("guidance", "sampler", "n_steps"):
            drawn[name] = forms.widget(known[name], start[name], key=name)
        drawn |= forms.fields(SpeedConfig, SpeedConfig(), ("precision", "compiled"), key="speed", columns=1)
    return {**drawn, "n": st.session_state["n"], "seed": st.session_state["seed"]}
