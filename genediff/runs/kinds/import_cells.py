"""Runs that import a file of cells into the workspace."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genediff.runs.kinds.base import Kind

if TYPE_CHECKING:
    from genediff.data import ImportConfig
    from genediff.runs.job import Job


@dataclass(frozen=True)
class ImportJob:
    """Which file, and how; `choices` are the fields of an `ImportConfig` as plain values (see `ImportJob.of`)."""

    path: str
    choices: dict[str, Any]

    @classmethod
    def of(cls, path: Path, config: ImportConfig) -> ImportJob:
        """Return the job that imports `path` as `config` says."""
        return cls(str(path.resolve()), config.model_dump(mode="json"))


def _run(job: Job, config: ImportJob) -> str:
    from genediff.data import ImportConfig, import_cells

    choices = ImportConfig.parse(config.choices)
    dataset = import_cells(
        Path(config.path), choices, job.workspace, progress=job.progress("import"), cancelled=job.stop
    )
    job.result(dataset_id=dataset.info.id)
    return f"{dataset.info.n_cells:,} cells and {dataset.info.n_genes:,} genes are ready as '{dataset.info.name}'."


IMPORT: Kind[ImportJob] = Kind(
    name="import",
    title="Import",
    config=ImportJob,
    run=_run,
    device=None,
    label=lambda config: config.choices.get("name") or Path(config.path).name,
)
