"""Runs that import a file of cells into the workspace; their data set can be used while its map is still drawn."""

from __future__ import annotations

import os
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genediff.core.errors import Cancelled, InputError
from genediff.runs.kinds.map_run import STAGE
from genediff.runs.kinds.run_kind import Kind

if TYPE_CHECKING:
    from genediff.data import Dataset, ImportConfig
    from genediff.runs.job import Job

MEMORY_TIMES = 4
"""How many times the estimate an import may reserve: threads and libraries reserve more than they use."""
SECONDS, SECONDS_PER_CELL, BYTES_PER_SECOND = 600.0, 0.05, 50_000
"""How much processor time it may take until its cells are ready; a million cells took 0.0005 s each."""
BASELINES = "baselines"
"""The last stage: what stands beside generated cells depends on the data alone, and is there before the first model."""
LESS = 10
"""How far the last stage stands back for others, as Unix counts niceness: cells and map are there by then."""


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
    from genediff.core.isolated import limits
    from genediff.data import ImportConfig, diagnose, import_cells, require_usable

    choices, path = ImportConfig.parse(config.choices), Path(config.path)
    importing, drawing = job.progress("import"), job.progress(STAGE)
    made: list[Dataset] = []

    def ready(dataset: Dataset) -> None:
        made.append(dataset)
        lift()  # the map is drawn from what is ours, and takes its time
        job.result(dataset_id=dataset.info.id, message=_said(dataset))
        job.note(_said(dataset))

    def progress(share: float, what: str) -> None:
        (drawing if made else importing)(share, what)

    # A stranger's file is opened first in a process that may be lost; what it says of itself sets the limits.
    found = diagnose(path, rows=choices.table_rows)
    require_usable(found)
    n_bytes = MEMORY_TIMES * found.memory_needed_bytes
    try:
        with limits(n_bytes, SECONDS + found.n_cells * SECONDS_PER_CELL + found.file_bytes / BYTES_PER_SECOND) as lift:
            dataset = import_cells(
                path, choices, job.workspace.datasets, progress=progress, cancelled=job.stop, ready=ready
            )
    except MemoryError:
        raise InputError(
            f"{path.name} took more than {n_bytes / 1e9:.0f} GB, far more than a file like it should, so it is damaged "
            "or the machine's memory is full; write it again, or import it on a larger machine."
        ) from None
    _keep_baselines(job, dataset)
    return _said(dataset)


def _keep_baselines(job: Job, dataset: Dataset) -> None:
    """Work out floor and baselines; the data set is there, so whatever stops this costs later minutes at most."""
    from genediff.evaluation.evaluate_cells import keep_rows

    os.nice(LESS)
    report = job.progress(BASELINES)
    try:
        for share, what in keep_rows(dataset, cancelled=job.stop):
            report(share, f"Floor and baselines: {what}")
    except (Cancelled, InputError) as reason:
        job.note(f"Floor and baselines were not worked out ahead: {reason}")
    except Exception:  # noqa: BLE001  imported cells are worth more than a figure that can be worked out later
        traceback.print_exc()


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
