"""Runs that train a model of responses to perturbations and put it into the library.

The closed-form part takes seconds and is done again on a resume; the flow goes on from its checkpoint.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from genediff.core.disk_errors import draft
from genediff.core.errors import Cancelled
from genediff.models.response_config import ResponseConfig
from genediff.models.response_info import RESPONSE_FILE, ResponseInfo
from genediff.runs.kinds.run_kind import Kind

if TYPE_CHECKING:
    from pathlib import Path

    from genediff.runs.job import Job


def _run(job: Job, config: ResponseConfig) -> str:
    made = job.folder / "checkpoint" / "model"
    if not (made / RESPONSE_FILE).is_file():
        from genediff.perturbation.model.train_response import train_response

        said: list[str] = []

        def progress(stage: str, done: float, message: str) -> None:
            news = message if message not in said[-1:] else ""
            said.append(message)
            job.step(stage, step=round(100 * done), total=100, message=news)

        try:
            train_response(
                config,
                job.workspace.open_dataset(config.dataset_id),
                folder=job.folder / "checkpoint",
                model_id=job.id,
                library=job.workspace.library(),
                base=None if config.base_id is None else job.workspace.model_folder(config.base_id),
                device=job.device,
                progress=progress,
                stop=job.stop,
            )
        except Cancelled:
            raise Cancelled("Stopped. Resume goes on from the flow's last checkpoint, if there is one.") from None
    info = ResponseInfo.read(_publish(made, job.workspace.responses / job.id))
    job.result(response_id=job.id)
    return f"The model of perturbations is in the library. {_outcome(info)}".strip()


def _publish(made: Path, target: Path) -> Path:
    """Copy a model's folder into the library, all or nothing."""
    if (target / RESPONSE_FILE).is_file():
        return target
    with draft(target) as partial:
        shutil.copytree(made, partial)
    return target


def _outcome(info: ResponseInfo) -> str:
    said = [
        f"{row['n']:.0f} held-out {kind.replace('_', ' ')}: r {row['r']:.3f} (baseline {row['r_baseline']:.3f})"
        for kind, row in info.tested.items()
    ]
    return "; ".join(said) + "." if said else ""


PERTURB: Kind[ResponseConfig] = Kind(
    name="perturb",
    title="Model of perturbations",
    config=ResponseConfig,
    run=_run,
    device=lambda config: config.device,
    label=lambda config: config.name or f"Perturbations of {config.dataset_id}",
)
