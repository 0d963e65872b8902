"""From a configuration to a comparison that runs: measure where the budget is in minutes, plan, start."""

from __future__ import annotations

from typing import TYPE_CHECKING

from genediff.comparison.comparison_plan import make_plan
from genediff.comparison.comparison_store import start
from genediff.comparison.throughput import measure_throughput
from genediff.runs import LOCAL

if TYPE_CHECKING:
    from collections.abc import Callable

    from genediff.comparison.comparison_store import Comparison
    from genediff.comparison.config import ComparisonConfig
    from genediff.workspace import Workspace


def begin(
    config: ComparisonConfig,
    workspace: Workspace,
    *,
    profile: str = LOCAL,
    progress: Callable[[float, str], None] = lambda share, what: None,
) -> Comparison:
    """Start a comparison and return it; its first model trains as soon as the device is free.

    Its trainings go where ``profile`` says; a budget in minutes is measured on this machine all the same.

    Raises
    ------
    InputError
        When a row cannot be built, the device is not there, or no worker can be started.
    """
    dataset = workspace.open_dataset(config.dataset_id)
    make_plan(config.model_copy(update={"minutes": None}), dataset.info)  # what is wrong is said before measuring
    # Measured for any budget, so that the time left is known from the start.
    throughputs = measure_throughput(config, dataset, workspace.library(), progress=progress)
    return start(
        make_plan(config, dataset.info, throughputs), workspace, dataset_name=dataset.info.name, profile=profile
    )
