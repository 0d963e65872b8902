"""From a configuration to a comparison that runs: measure where the budget is in minutes, plan, start."""

from __future__ import annotations

from typing import TYPE_CHECKING

from genediff.comparison.paces import measure_paces
from genediff.comparison.plan import make_plan
from genediff.comparison.store import start
from genediff.runs import LOCAL

if TYPE_CHECKING:
    from collections.abc import Callable

    from genediff.comparison.config import ComparisonConfig
    from genediff.comparison.store import Comparison
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
    paces = measure_paces(config, dataset, workspace.library(), progress=progress)
    return start(make_plan(config, dataset.info, paces), workspace, dataset_name=dataset.info.name, profile=profile)
