"""What a training tells, passed on to the run that does it; shared by the kinds that train."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from genediff.runs.job import Job
    from genediff.training.train import TrainEvent


def follow(job: Job, events: Iterable[TrainEvent], *, prefix: str = "") -> dict[str, float]:
    """Report the events of a training; return the last loss on held-out cells of each stage."""
    losses: dict[str, float] = {}
    for event in events:
        if event.total_steps == 0:
            job.note(event.message)
            continue
        if event.validation is not None:
            losses[event.stage] = event.validation
        job.step(
            f"{prefix}{event.stage}",
            step=event.step,
            total=event.total_steps,
            loss=event.loss,
            validation=event.validation,
            cells_per_second=event.cells_per_second,
            message=event.message,
        )
    return losses
