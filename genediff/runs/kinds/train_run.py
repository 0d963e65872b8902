"""Runs that train a model, put it into the library, and judge it on held-out cells.

Each part leaves files behind by which a resumed worker knows that it is done.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from genediff.core.disk_errors import draft
from genediff.core.errors import Cancelled
from genediff.core.json_files import read_or_none
from genediff.distributed import launch_size
from genediff.models.config import RunConfig
from genediff.runs.devices import acceptable_devices
from genediff.runs.kinds.evaluate_generated import judge_as_task, judge_model
from genediff.runs.kinds.forward_events import follow
from genediff.runs.kinds.measure_reconstruction import measure_model
from genediff.runs.kinds.run_kind import Kind

if TYPE_CHECKING:
    from pathlib import Path

    from genediff.runs.job import Job
    from genediff.workspace import Workspace


def _run(job: Job, config: RunConfig) -> str:
    made = job.folder / "checkpoint" / "model"
    if not is_trained(made):
        _train(job, config)
    if not is_trained(made):
        if not (made.parent / "resume").exists():
            raise Cancelled("Stopped before the first step; resume begins anew.")
        raise Cancelled("Stopped; the checkpoint is kept, and resume goes on from there.")
    model = publish(made, job.workspace.models / job.id)
    job.result(model_id=job.id)
    # Further tasks of a cluster wait to judge with the worker, so what it does alone comes last.
    verdict = judge_model(job, model, config.dataset_id, processes=launch_size(config.devices))
    measure_model(job, model, config.dataset_id)
    return f"The model is in the library. {verdict}".strip()


def _train(job: Job, config: RunConfig) -> None:
    from genediff.training.train import train_model

    dataset = job.workspace.open_dataset(config.dataset_id)
    events = train_model(
        config,
        dataset,
        folder=job.folder / "checkpoint",
        model_id=job.id,
        library=job.workspace.library(),
        stop=job.stop,
        samples=True,
    )
    follow(job, events)


def _along(folder: Path, workspace: Workspace, config: RunConfig) -> None:
    """Take part in the training, and where it came to its end in the judging."""
    trained = is_trained(folder / "checkpoint" / "model") or _train_along(folder, workspace, config)
    if trained:
        device = acceptable_devices(config.device)[0].name
        judge_as_task(workspace.models / folder.name, workspace, config.dataset_id, device=device)


def _train_along(folder: Path, workspace: Workspace, config: RunConfig) -> bool:
    from genediff.training.train import train_model

    dataset = workspace.open_dataset(config.dataset_id)
    events = train_model(
        config, dataset, folder=folder / "checkpoint", model_id=folder.name, library=workspace.library()
    )
    while True:
        try:
            next(events)
        except StopIteration as end:
            return bool(end.value)


def is_trained(model: Path) -> bool:
    """Whether a model folder is there and was trained to its end."""
    trained = (read_or_none(model / "model.json") or {}).get("trained", {})
    return isinstance(trained, dict) and trained.get("finished") is True


def publish(model: Path, target: Path) -> Path:
    """Copy a model folder into the library, all or nothing; a finished one that is there already stays as it is."""
    if is_trained(target):
        return target
    with draft(target) as partial:
        shutil.copytree(model, partial)
    return target


TRAIN: Kind[RunConfig] = Kind(
    name="train",
    title="Training",
    config=RunConfig,
    run=_run,
    device=lambda config: config.device,
    label=lambda config: config.name or f"{config.preset} model",
    along=_along,
    processes=lambda config: config.devices,
)
