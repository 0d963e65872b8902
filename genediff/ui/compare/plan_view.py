"""What a comparison will take on this machine, measured row by row in the background, and the button that starts it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from genediff.comparison.comparison_plan import Throughput, base_run, judging_seconds, judging_throughput, make_plan
from genediff.comparison.comparison_store import start
from genediff.core.errors import InputError
from genediff.ui.kit import button_events, caching, explain, tables
from genediff.ui.run_views import profile_choice, run_actions, timed_in_turn

if TYPE_CHECKING:
    from genediff.comparison.comparison_plan import Plan
    from genediff.comparison.config import ComparisonConfig, Entry
    from genediff.data.cells.dataset_info import DatasetInfo
    from genediff.ui.run_views.timed_in_turn import Measurement


def show(config: ComparisonConfig, info: DatasetInfo) -> None:
    """Draw steps and time of every row, the time of all, and the button; wrong choices are named instead."""
    try:
        make_plan(config.model_copy(update={"minutes": None}), info)
        own = caching.place()
        timed = {e.key: _throughput(own, _key(config, e, info), info.id, config, e) for e in config.entries}
    except InputError as error:
        # What was wrong when it was pressed must not start by itself once it is right.
        button_events.pop_press("compare")
        explain.show_input_error(error)
        return
    waiting = not all(one.done.is_set() for one in timed.values())
    st.fragment(_body, run_every="1s" if waiting else None)(config, info, timed, waiting)


def _body(
    config: ComparisonConfig, info: DatasetInfo, timed: dict[str, Measurement[Throughput]], was_waiting: bool
) -> None:
    n_done = sum(one.look() for one in timed.values())
    if n_done < len(timed):
        st.progress(n_done / len(timed), text=f"Timing each row on this machine: {n_done} of {len(timed)}")
        return
    problem = next((one.problem for one in timed.values() if one.problem is not None), None)
    throughputs = {key: one.result for key, one in timed.items() if one.result is not None}
    if was_waiting or (problem is None and len(throughputs) < len(timed)):  # some were forgotten meanwhile
        st.rerun()
    if problem is not None:
        explain.show_input_error(problem)
        return
    try:
        plan = make_plan(config, info, throughputs)
    except InputError as error:
        explain.show_input_error(error)
        return
    _draw(plan, throughputs, info)


def _draw(plan: Plan, throughputs: dict[str, Throughput], info: DatasetInfo) -> None:
    n_seeds, n_test = len(plan.config.seeds), info.split_sizes.get("test", 0)
    training = {row.entry.key: row.seconds or 0.0 for row in plan.rows}
    judging_rate = judging_throughput(caching.workspace().models)
    judging = {
        row.entry.key: judging_seconds(row.run, throughputs[row.entry.key], n_test, judging_rate) for row in plan.rows
    }
    total = n_seeds * (sum(training.values()) + sum(judging.values()))
    columns = st.columns(3)
    columns[0].metric("Models to train", f"{len(plan.rows)} × {n_seeds}", help="Rows × seeds.")
    columns[1].metric("Longest training", run_actions.duration(max(training.values())))
    columns[2].metric(
        "All of it",
        f"about {run_actions.duration(total)}",
        help="Training and judging, one model at a time on a device.",
    )
    table = pd.DataFrame(
        [
            {
                "row": row.title,
                "space": row.space,
                "autoencoder steps": row.run.train.tokenizer_steps if row.space == "latent" else None,
                "flow steps": row.run.train.steps,
                "training": run_actions.duration(training[row.entry.key]),
                "judging": run_actions.duration(judging[row.entry.key]),
            }
            for row in plan.rows
        ]
    )
    with st.expander("Steps and time of every row", icon=":material/timer:"):
        tables.show(table, "plan")
        explain.how_to_read(
            "For one seed. Seconds per step were measured just now, as busy as the machine is: a busy machine means "
            "fewer steps in the same minutes, for every row alike."
        )
    profile = profile_choice.ask(key="cmp_profile")
    if button_events.pop_press("compare"):
        _start(plan, info.name, profile)
    if problem := st.session_state.pop("cmp_problem", None):
        st.error(problem)
    st.button(
        "Start the comparison",
        type="primary",
        icon=":material/play_arrow:",
        key="cmp_start",
        on_click=button_events.note,
        args=("compare",),
    )


def _start(plan: Plan, dataset_name: str, profile: str) -> None:
    try:
        comparison = start(plan, caching.workspace(), dataset_name=dataset_name, profile=profile)
    except InputError as error:
        st.session_state["cmp_problem"] = str(error)
        return
    st.query_params["comparison"] = comparison.id
    st.session_state["comparison"] = comparison.id
    st.rerun()


def _key(config: ComparisonConfig, entry: Entry, info: DatasetInfo) -> str:
    run = base_run(config, entry, info)
    return run.model_copy(update={"model": run.model.model_copy(update={"shuffled": False})}).model_dump_json()


@st.cache_resource(max_entries=256, show_spinner=False)
def _throughput(
    place: str, key: str, dataset_id: str, _config: ComparisonConfig, _entry: Entry
) -> Measurement[Throughput]:
    workspace = caching.workspace()

    def measure() -> Throughput:
        from genediff.comparison.throughput import measure_throughput

        alone = _config.model_copy(update={"entries": (_entry,), "minutes": None})
        return measure_throughput(alone, workspace.open_dataset(dataset_id), workspace.library())[_entry.key]

    return timed_in_turn.begin(measure, lambda: _throughput.clear(place, key, dataset_id, _config, _entry))
