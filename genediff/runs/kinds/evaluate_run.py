"""Runs that judge a model of the library, or a file of generated cells from anywhere."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from genediff.distributed import launch_size
from genediff.runs.devices import acceptable_devices
from genediff.runs.kinds.evaluate_generated import STAGE, evaluate_file, evaluate_model
from genediff.runs.kinds.run_kind import Kind

if TYPE_CHECKING:
    from genediff.runs.job import Job
    from genediff.workspace import Workspace


@dataclass(frozen=True)
class EvaluateJob:
    """What to judge (a model id, or the path of an h5ad file), on which data set and device, by how many processes."""

    source: str
    dataset_id: str
    device: str = "auto"
    devices: int = 1


def _run(job: Job, config: EvaluateJob) -> str:
    dataset = job.workspace.open_dataset(config.dataset_id)
    progress = job.progress(STAGE)
    if _is_file(config):
        evaluation = evaluate_file(Path(config.source), dataset, progress=progress, cancelled=job.stop)
    else:
        model = job.workspace.model_folder(config.source)
        evaluation = evaluate_model(
            model, dataset, device=job.device, progress=progress, cancelled=job.stop,
            processes=launch_size(config.devices),
        )  # fmt: skip
        job.result(model_id=config.source)
    evaluation.save(job.folder / "evaluation.json")
    return evaluation.verdict.sentence


def _along(folder: Path, workspace: Workspace, config: EvaluateJob) -> None:
    """Take part in judging a model as a further task of a cluster; a file is judged by the worker alone."""
    if not _is_file(config):
        evaluate_model(
            workspace.model_folder(config.source),
            workspace.open_dataset(config.dataset_id),
            device=acceptable_devices(config.device)[0].name,
            progress=lambda share, what: None,
            cancelled=lambda: False,
            processes=launch_size(1),
        )


def _is_file(config: EvaluateJob) -> bool:
    return config.source.endswith(".h5ad")


EVALUATE: Kind[EvaluateJob] = Kind(
    name="evaluate",
    title="Evaluation",
    config=EvaluateJob,
    run=_run,
    device=lambda config: "cpu" if _is_file(config) else config.device,
    along=_along,
    processes=lambda config: 1 if _is_file(config) else config.devices,
    label=lambda config: f"Evaluation of {Path(config.source).name}",
)
