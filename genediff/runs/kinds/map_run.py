"""Runs that draw the map (UMAP) of a data set that has none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from genediff.runs.kinds.run_kind import Kind

if TYPE_CHECKING:
    from genediff.runs.job import Job

STAGE = "map"


@dataclass(frozen=True)
class MapJob:
    """Which data set."""

    dataset_id: str


def _run(job: Job, config: MapJob) -> str:
    from genediff.data.importing.umap_drawing import draw_umap

    dataset = job.workspace.open_dataset(config.dataset_id)
    draw_umap(dataset, progress=job.progress(STAGE), cancelled=job.stop)
    job.result(dataset_id=config.dataset_id)
    return f"The map of '{dataset.info.name}' is drawn."


MAP: Kind[MapJob] = Kind(
    name="map",
    title="Map",
    config=MapJob,
    run=_run,
    device=None,
    label=lambda config: f"Map of {config.dataset_id}",
)
