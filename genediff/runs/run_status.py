"""Where a run stands: status.json, and what a reader may conclude from it."""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

from genediff.core.disk_errors import disk_trouble
from genediff.core.json_files import read_or_none, write_json
from genediff.runs.backend import Look
from genediff.runs.run_process import HOST, is_alive

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

DOUBT = 10.0
"""Seconds without a heartbeat after which the backend is asked where a worker on another machine is."""

LOST = (
    "The worker process is gone: it was killed, ran out of memory, or the machine was restarted. "
    "Resume goes on from the last checkpoint."
)
NEVER_STARTED = "The worker process never started; its log may say why. Resume tries again."
UNREADABLE = "The status of this run cannot be read (status.json is missing or damaged). Resume starts a new worker."
STARTED = "Its job has started; the worker is loading."
RESUME = "Resume then goes on from the last checkpoint."
FORCED = "Stopped by force. The last checkpoint is kept; resume goes on from there."
LEFT_THE_LINE = "Cancelled while it waited to go on. Resume goes on from the last checkpoint."
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


def read_status(folder: Path, *, look: Callable[[], Look] = lambda: Look("gone")) -> Status:
    """Return the status of the run in `folder`, corrected by what is known of its worker.

    Never raises on a damaged file: the state is then "lost" and the message says so. `look` is asked where the run's
    job stands when its worker has not spoken yet (a cluster may let it wait for hours) or no longer.
    """
    said = _parse(read_or_none(folder / "status.json"))
    if said is None:
        return Status(state="lost", message=UNREADABLE)
    if said.has_ended:
        return said
    concluded = _before_start(said, folder, look) if said.pid is None else _after_start(said, folder, look)
    if not concluded.has_ended:
        return concluded
    # The worker may have spoken between the two looks; its word counts.
    again = _parse(read_or_none(folder / "status.json"))
    if again is not None and again.has_ended:
        return again
    if concluded.state == "lost" and (trouble := disk_trouble(folder)) is not None:  # it could not say its last words
        return dataclasses.replace(concluded, state="failed", message=f"{trouble} {RESUME}")
    return concluded


def _parse(content: dict[str, Any] | None) -> Status | None:
    if content is None or content.get("state") not in get_args(State):
        return None
    known = {field.name for field in dataclasses.fields(Status)}
    return Status(**{key: value for key, value in content.items() if key in known})


def _before_start(said: Status, folder: Path, look: Callable[[], Look]) -> Status:
    if (folder / "cancel").exists():
        message = "Cancelled before it started." if said.started is None else LEFT_THE_LINE
        return dataclasses.replace(said, state="cancelled", message=message)
    seen = look()
    if seen.place == "gone":
        if seen.sentence:
            return dataclasses.replace(said, state=seen.ends_as, message=seen.sentence)
        if time.time() - (said.submitted or 0.0) < START_GRACE:
            return said
        return dataclasses.replace(said, state="lost", message=NEVER_STARTED)
    message = STARTED if seen.place == "going" else seen.sentence
    return dataclasses.replace(said, message=message or said.message)


def _after_start(said: Status, folder: Path, look: Callable[[], Look]) -> Status:
    here, silent = said.host == HOST, time.time() - (said.heartbeat or 0.0)
    if is_alive(said.pid, said.process_mark) if here else silent < DOUBT:
        return dataclasses.replace(said, message=STOPPING) if (folder / "cancel").exists() else said
    seen = look()
    if seen.place == "gone" and not seen.sentence and not here and silent < SILENCE:
        return said
    if (folder / "cancel").exists() and seen.place in ("gone", "waiting"):
        return dataclasses.replace(said, state="cancelled", message=FORCED)
    if seen.place == "gone":
        return dataclasses.replace(said, state=seen.ends_as, message=seen.sentence or LOST)
    if seen.place == "waiting":  # its node failed, say, and the job was queued again without the worker's word
        return dataclasses.replace(said, state="queued", message=seen.sentence)
    if seen.place == "unknown" or silent > SILENCE:
        since = f"Its worker has been silent for {silent / 60:.0f} minutes." if silent > SILENCE else ""
        return dataclasses.replace(said, message=f"{seen.sentence} {since}".strip())
    return said
