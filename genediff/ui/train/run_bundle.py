"""What it takes to train the same model again, before and after it is trained."""

from __future__ import annotations

from typing import TYPE_CHECKING

from genediff.models.config import RunConfig
from genediff.training.reproduction import train_command, training_sentence
from genediff.ui.kit import caching, reproduction_bundle

if TYPE_CHECKING:
    from genediff.data.cells.dataset_info import DatasetInfo
    from genediff.runs import Run


def of_config(config: RunConfig, dataset: DatasetInfo) -> None:
    """Draw "Reproduce" for a run that has not begun: its whole configuration and the command that does the same."""
    reproduction_bundle.bundle_button(
        "Train: a new model",
        dataset=dataset,
        settings={"run": config.model_dump(mode="json")},
        seed=config.seed,
        command=train_command(config, dataset),
        sentence=training_sentence(config),
    )


def of_run(run: Run) -> None:
    """Draw "Reproduce" for a run: of its model once that is in the library, of its configuration before."""
    workspace = caching.workspace()
    dataset = next((one for one in workspace.list_datasets() if one.id == run.config.get("dataset_id")), None)
    model = next((one for one in workspace.list_models() if one.id == run.id), None)
    if model is not None:
        reproduction_bundle.bundle_button(
            "Train: a run and its model", model=model, dataset=dataset, settings={"run": run.config},
            seed=run.config.get("seed"),
        )  # fmt: skip
    elif run.kind == "train" and dataset is not None:
        of_config(RunConfig.model_validate(run.config), dataset)
    else:
        reproduction_bundle.bundle_button(
            f"Train: a run of kind {run.kind}", dataset=dataset, settings={"run": run.config},
            seed=run.config.get("seed"),
        )  # fmt: skip
