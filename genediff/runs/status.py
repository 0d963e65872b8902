"""Where a run stands: status.json, and what a reader may conclude from it."""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

from genediff.runs.files import read_json, write_json
from genediff.runs.process import HOST, is_alive

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

State = Literal["queued", "running", "finished", "cancelled", "failed", "lost"]
ENDED: tuple[State, ...] = ("finished", "cancelled", "failed", "lost")
"""States from which a run does not move by itself."""

START_GRACE = 60.0
"""Seconds that a worker may take from submission to its first word."""

SILENCE = 90.0
"""Seconds without a heartbeat after which a worker on another machine counts as gone."""

LOST = (
    "The worker process is gone: it was killed, ran out of memory, or the machine was restarted. "
    "Resume goes on from the last checkpoint."
)
NEVER_STARTED = "The worker process never started; its log may say why. Resume tries again."
UNREADABLE = "The status of this run cannot be read (status.json is missing or damaged). Resume starts a new worker."
FORCED = "Stopped by force. The last checkpoint is kept; resume goes on from there."
STOPPING = "Stopping; a checkpoint is being written."


@dataclass(frozen=True)
class Status:
    """What the worker last said of its run. Times are seconds since 1970; `seconds_left` counts from `heartbeat`."""

    state: State = "queued"
    message: str = ""
    stage: str | None = None
    step: int | None = None
    total: int | None = None
    loss: float | None = None
    validation: float | None = None
    cells_per_second: float | None = None
    seconds_left: float | None = None
    device: str | None = None
    submitted: float | None = None
    started: float | None = None
    ended: float | None = None
    heartbeat: float | None = None
    host: str | None = None
    pid: int | None = None
    process_mark: str | None = None

    @property
    def has_ended(self) -> bool:
        """Whether nothing more will happen without a resume."""
        return self.state in ENDED

    @property
    def fraction(self) -> float | None:
        """Done part of the current stage, 0 to 1; None where it is not known."""
        if self.step is None or not self.total:
            return None
        return min(max(self.step / self.total, 0.0), 1.0)

    def write(self, folder: Path) -> None:
        """Replace status.json in the run's folder."""
        write_json(folder / "status.json", dataclasses.asdict(self))


def read_status(folder: Path, *, pending: Callable[[], bool] = lambda: False) -> Status:
    """Return the status of the run in `folder`, corrected by what is known of its worker.

    Never raises on a damaged file: the state is then "lost" and the message says so. `pending` is asked whether a
    worker that is overdue may still come (a cluster may let it wait for hours).
    """
    said = _parse(read_json(folder / "status.json"))
    if said is None:
        return Status(state="lost", message=UNREADABLE)
    if said.has_ended:
        return said
    if said.pid is None:
        return _before_start(said, folder, pending)
    if not _worker_is_there(said):
        return _ended_unsaid(said, folder)
    if (folder / "cancel").exists():
        return dataclasses.replace(said, message=STOPPING)
    return said


def _parse(content: dict[str, Any] | None) -> Status | None:
    if content is None or content.get("state") not in get_args(State):
        return None
    known = {field.name for field in dataclasses.fields(Status)}
    return Status(**{key: value for key, value in content.items() if key in known})


def _worker_is_there(said: Status) -> bool:
    if said.host == HOST:
        return is_alive(said.pid, said.process_mark)
    return time.time() - (said.heartbeat or 0.0) < SILENCE


def _before_start(said: Status, folder: Path, pending: Callable[[], bool]) -> Status:
    if (folder / "cancel").exists():
        return dataclasses.replace(said, state="cancelled", message="Cancelled before it started.")
    if time.time() - (said.submitted or 0.0) < START_GRACE or pending():
        return said
    return dataclasses.replace(said, state="lost", message=NEVER_STARTED)


def _ended_unsaid(said: Status, folder: Path) -> Status:
    if (folder / "cancel").exists():
        return dataclasses.replace(said, state="cancelled", message=FORCED)
    return dataclasses.replace(said, state="lost", message=LOST)
