"""What a run will need, measured in the background and shown before the button that starts it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psutil
import streamlit as st

from genediff.core.errors import InputError
from genediff.knowledge import stand_in
from genediff.runs import LOCAL, find_profile
from genediff.ui.kit import caching, explain
from genediff.ui.run_views import run_actions, timed_in_turn

if TYPE_CHECKING:
    from genediff.data import Dataset
    from genediff.knowledge import Library
    from genediff.models.config import RunConfig
    from genediff.training.estimate import Estimate
    from genediff.ui.run_views.timed_in_turn import Measurement


def show(config: RunConfig, dataset: Dataset, profile: str = LOCAL) -> None:
    """Draw parameters, memory and time; while they are measured, say so and look again every half second."""
    key = config.model_dump_json(exclude={"name", "seed", "sample"})
    processes = _processes(config, profile)
    of = caching.place(), dataset.info.content_hash
    measurement = _measure(*of, key, processes, config, dataset, caching.workspace().library())
    waiting = not measurement.done.wait(timeout=0.3)
    st.fragment(_body, run_every="0.5s" if waiting else None)(measurement, waiting, profile != LOCAL)


def _processes(config: RunConfig, profile: str) -> int:
    """Return how many processes train together: as the form says here, as its profile says on a cluster."""
    if profile == LOCAL:
        return config.devices
    try:
        place = find_profile(caching.workspace().root, profile)
    except InputError:
        return 1
    return place.nodes * place.tasks_per_node


def _body(measurement: Measurement[Estimate], was_waiting: bool, elsewhere: bool) -> None:
    if not measurement.look():
        st.caption(":material/timer: Measuring two steps of this model on this machine …")
        return
    if was_waiting:
        st.rerun()
    if measurement.problem is not None:
        explain.show_input_error(measurement.problem)
        return
    if measurement.result is None:
        st.caption("The time could not be measured here.")
        return
    _draw(measurement.result, elsewhere=elsewhere)


def _draw(estimate: Estimate, *, elsewhere: bool) -> None:
    columns = st.columns(3)
    columns[0].metric("Parameters", _count(estimate.n_parameters), help="Trained parameters of all stages.")
    here = not elsewhere and not estimate.on_gpu
    memory = estimate.memory_bytes * (estimate.processes if here else 1)
    each = estimate.processes > 1 and not here
    columns[1].metric(
        "Memory of each process" if each else "Memory",
        _bytes(memory),
        help="Weights, gradients, averaged weights and activations of one batch"
        + (f", in each of {estimate.processes} processes." if estimate.processes > 1 else "."),
    )
    columns[2].metric(
        "Time",
        f"{'up to' if estimate.may_stop else 'about'} {run_actions.duration(estimate.seconds)}",
        help="Extrapolated from a few timed steps of each stage; accurate to about a factor of two. "
        + ("Training ends sooner where held-out cells no longer improve. " if estimate.may_stop else "")
        + _shared(estimate),
    )
    if elsewhere:
        st.caption(
            f"Time is that of this machine; on the cluster {estimate.processes} "
            f"{'processes share each batch' if estimate.processes > 1 else 'process does it'}, and a node with a GPU "
            "is faster."
        )
        return
    free = psutil.virtual_memory().available
    if here and memory > 0.9 * free:
        st.warning(
            f"This machine has {_bytes(free)} of memory free: choose a smaller batch, fewer layers or another preset."
        )


def _shared(estimate: Estimate) -> str:
    if estimate.processes == 1:
        return ""
    if estimate.on_gpu:
        return f"{estimate.processes} GPUs share each batch; communication comes on top."
    return f"{estimate.processes} processes share the cores of a CPU, which saves no time."


@st.cache_resource(max_entries=64, show_spinner=False)
def _measure(
    place: str, content: str, key: str, processes: int, _config: RunConfig, _dataset: Dataset, _library: Library
) -> Measurement[Estimate]:
    genes, model = _dataset.genes, _config.model

    def measure() -> Estimate:
        from genediff.training.estimate import estimate

        known = stand_in(_library, gene_sets=model.gene_sets, network=model.network, genes=genes)
        return estimate(_config, _dataset.info, genes=genes, knowledge=known, processes=processes)

    return timed_in_turn.begin(
        measure, lambda: _measure.clear(place, content, key, processes, _config, _dataset, _library)
    )


def _count(n: int) -> str:
    return f"{n / 1e6:.1f} million" if n >= 1e6 else f"{n / 1e3:.0f} thousand"


def _bytes(n: float) -> str:
    return f"{n / 1e9:.1f} GB" if n >= 1e9 else f"{n / 1e6:.0f} MB"
