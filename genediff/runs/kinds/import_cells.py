"""Runs that import a file of cells into the workspace; their data set can be used while its map is still drawn."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genediff.runs.kinds.base import Kind
from genediff.runs.kinds.draw_map import STAGE

if TYPE_CHECKING:
    from genediff.data import Dataset, ImportConfig
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
    importing, drawing = job.progress("import"), job.progress(STAGE)
    made: list[Dataset] = []

    def ready(dataset: Dataset) -> None:
        made.append(dataset)
        job.result(dataset_id=dataset.info.id, message=_said(dataset))
        job.note(_said(dataset))

    def progress(share: float, what: str) -> None:
        (drawing if made else importing)(share, what)

    return _said(
        import_cells(Path(config.path), choices, job.workspace, progress=progress, cancelled=job.stop, ready=ready)
    )


def _said(dataset: Dataset) -> str:
    return f"{dataset.info.n_cells:,} cells and {dataset.info.n_genes:,} genes are ready as '{dataset.info.name}'."


IMPORT: Kind[ImportJob] = Kind(
    name="import",
    title="Import",
    config=ImportJob,
    run=_run,
    device=None,
    label=lambda config: config.choices.get("name") or Path(config.path).name,
)
