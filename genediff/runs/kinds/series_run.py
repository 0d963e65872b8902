"""Runs that have other runs done, one for each device at a time: a comparison is a series of trainings.

The series takes no device itself. It is a small process that submits the next training when one has ended, so a
hundred trainings do not stand in the queue as a hundred processes. It keeps the ids of its trainings in children.json,
by which a resumed worker goes on.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from genediff.core.errors import Cancelled, InputError
from genediff.core.json_files import read_or_none, write_json
from genediff.models.config import RunConfig  # noqa: TC001  pydantic reads it at run time
from genediff.runs.backends import find_backend
from genediff.runs.devices import acceptable_devices
from genediff.runs.kinds.run_kind import Kind
from genediff.runs.profiles import LOCAL, find_profile

if TYPE_CHECKING:
    from pathlib import Path

    from genediff.runs.job import Job, OtherRun

STAGE = "series"
CHILDREN = "children.json"
LOOK = 0.5
"""Seconds between two looks at the trainings."""


@dataclass(frozen=True)
class SeriesJob:
    """The trainings, in order, as the configurations of runs of their own."""

    runs: tuple[RunConfig, ...]
    name: str = ""
    profile: str = LOCAL
    """Where the trainings run; the series itself is always a small process on this machine."""


def children(folder: Path) -> dict[int, str]:
    """Return the run ids of the trainings of a series that were begun, by their place in it."""
    found: dict[str, Any] = read_or_none(folder / CHILDREN) or {}
    return {int(place): str(run_id) for place, run_id in found.items()}


def _run(job: Job, config: SeriesJob) -> str:
    series = _Series(job, config)
    while waiting_or_running := series.look():
        if job.stop():
            series.stop()
            raise Cancelled("Stopped; what is finished stays, and resume goes on with the rest.")
        series.fill(waiting_or_running)
        time.sleep(LOOK)
    return series.closing()


class _Series:
    """Where each training stands: not begun, begun, or done with in this worker's life."""

    def __init__(self, job: Job, config: SeriesJob) -> None:
        self.job, self.configs, self.profile = job, config.runs, config.profile
        self.begun = children(job.folder)
        self.tried: set[int] = set()
        self.ended: dict[int, str] = {}
        self.told = -1

    def look(self) -> list[int]:
        """Return the places that have not ended, and tell when one more has."""
        for place in self.tried - set(self.ended):
            if (run := self._child(place)) is None:
                self.ended[place] = "deleted"
            elif run.status.has_ended:
                self.ended[place] = run.status.state
        if len(self.ended) != self.told:
            self.told = len(self.ended)
            self.job.step(STAGE, step=self.told, total=len(self.configs), message=self._sentence())
        return [place for place in range(len(self.configs)) if place not in self.ended]

    def fill(self, left: list[int]) -> None:
        """Begin, or take up again, as many trainings as there are devices for them."""
        for place in left:
            config = self.configs[place]
            going = [other for other in left if other in self.tried]
            if place in self.tried or len(going) >= self._at_once(config):
                continue
            self.tried.add(place)
            self._begin(place, config)

    def stop(self) -> None:
        """Ask the trainings that go on to stop, and wait a while for their checkpoints."""
        live = [run for place in self.tried if (run := self._child(place)) is not None and not run.status.has_ended]
        for run in live:
            run.cancel(wait=0)
        end = time.monotonic() + 60
        while any(not run.status.has_ended for run in live) and time.monotonic() < end:
            time.sleep(LOOK)

    def closing(self) -> str:
        """Return the last sentence; InputError where not every training finished, so that a resume is offered."""
        failed = [place for place, state in self.ended.items() if state != "finished"]
        if failed:
            first = self.configs[min(failed)].name or f"training {min(failed) + 1}"
            others = f" and {len(failed) - 1} more" if len(failed) > 1 else ""
            raise InputError(
                f"{len(failed)} of {len(self.configs)} trainings did not finish ({first}{others}); their own logs say "
                "why, and resume tries them again."
            )
        return f"All {len(self.configs)} trainings are finished."

    def _at_once(self, config: RunConfig) -> int:
        """How many trainings may go on or wait: one for each device here, as many as the profile says on a cluster."""
        profile = find_profile(self.job.workspace.root, self.profile)
        if find_backend(profile.backend).gives_out_devices:
            return profile.parallel
        return len(acceptable_devices(config.device))

    def _begin(self, place: int, config: RunConfig) -> None:
        run = self._child(place)
        try:
            if run is None:
                run = self.job.runs.submit(config, self.job.workspace, profile=self.profile)
            elif run.status.has_ended and run.status.state != "finished":
                run.resume()
        except InputError as problem:
            self.ended[place] = "failed"
            self.job.note(f"{config.name or f'Training {place + 1}'} could not be started: {problem}")
            return
        self.begun[place] = run.id
        write_json(self.job.folder / CHILDREN, {str(key): value for key, value in self.begun.items()})

    def _child(self, place: int) -> OtherRun | None:
        folder = self.job.folder.parent / self.begun.get(place, ".none")
        return self.job.runs.open(folder) if folder.is_dir() else None

    def _sentence(self) -> str:
        return f"{len(self.ended)} of {len(self.configs)} trainings have ended."


SERIES: Kind[SeriesJob] = Kind(
    name="series",
    title="Series of trainings",
    config=SeriesJob,
    run=_run,
    device=None,
    label=lambda config: config.name or f"{len(config.runs)} trainings",
)
