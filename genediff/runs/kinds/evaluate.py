"""Runs that judge a model of the library, or a file of generated cells from anywhere."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from genediff.errors import InputError
from genediff.runs.kinds.base import Kind
from genediff.runs.kinds.judge import generate_like_test, judge

if TYPE_CHECKING:
    from anndata import AnnData

    from genediff.runs.job import Job


@dataclass(frozen=True)
class EvaluateJob:
    """What to judge (a model id, or the path of an h5ad file), on which data set, on which device."""

    source: str
    dataset_id: str
    device: str = "auto"


def _run(job: Job, config: EvaluateJob) -> str:
    dataset = job.workspace.open_dataset(config.dataset_id)
    target = job.folder / "evaluation.json"
    if _is_file(config):
        return judge(job, read_generated(Path(config.source)), dataset, target)
    model = job.workspace.model_folder(config.source)
    verdict = judge(job, generate_like_test(job, model, dataset), dataset, target)
    job.result(model_id=config.source)
    return verdict


def read_generated(path: Path) -> AnnData:
    """Read a file of generated cells."""
    import anndata

    if not path.is_file():
        raise InputError(f"There is no file {path}.")
    try:
        return anndata.read_h5ad(path)
    except (OSError, KeyError, ValueError, TypeError):
        raise InputError(
            f"{path.name} cannot be read as an h5ad file; save it again with AnnData.write_h5ad."
        ) from None


def _is_file(config: EvaluateJob) -> bool:
    return config.source.endswith(".h5ad")


EVALUATE: Kind[EvaluateJob] = Kind(
    name="evaluate",
    title="Evaluation",
    config=EvaluateJob,
    run=_run,
    device=lambda config: "cpu" if _is_file(config) else config.device,
    label=lambda config: f"Evaluation of {Path(config.source).name}",
)
