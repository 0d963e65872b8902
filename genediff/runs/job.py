"""A run as its own worker sees it: report progress, be told to stop, and keep the folder's files true."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import functools
import os
import threading
import time
from typing import TYPE_CHECKING, Protocol

from genediff.core.json_files import read_or_none, write_json
from genediff.core.users import limits_of
from genediff.runs.events import Event, EventLog

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from genediff.runs.run_status import Status
    from genediff.workspace import Workspace

WATCH = 0.25
"""Seconds between two looks at the `cancel` file."""
HEARTBEAT = 2.0
"""Seconds between two signs of life when nothing else changes."""
RESERVE = 1 << 16
"""Bytes of disk that are held for how a run ended."""
GRACE = 60.0
"""Seconds that a run has for its last checkpoint once it has taken as long as its owner's runs may."""
EVENT_EVERY = 0.2
"""Seconds between two plain step events; validation and messages are always written."""


class OtherRun(Protocol):
    """What a run that has others done needs of them: `genediff.runs.run.Run`."""

    @property
    def id(self) -> str:
        """Its name in the workspace."""

    @property
    def status(self) -> Status:
        """Where it stands now."""

    def cancel(self, *, wait: float = 2.0) -> Status:
        """Ask it to stop."""

    def resume(self) -> None:
        """Start a new worker for it."""


class OtherRuns(Protocol):
    """Submits and opens other runs."""

    def submit(self, config: object, workspace: Workspace, *, profile: str) -> OtherRun:
        """Start a run."""

    def open(self, folder: Path) -> OtherRun:
        """Return the run of a folder."""


class Job:
    """The worker's hand on its run folder. A thread writes the status, so that steps cost no file each.

    `runs` starts and opens the runs that this one has done.
    """

    def __init__(self, folder: Path, root: Path, status: Status, *, runs: OtherRuns) -> None:
        self.folder = folder
        self.runs = runs
        self.id = folder.name
        self._root = root
        self._status = status
        self._events = EventLog(folder / "events.jsonl")
        self._lock = threading.Lock()
        # A plain attribute: signal handlers may not wait for locks. Looked at now, or a run that was cancelled before
        # its worker came would be "running" again until its model is loaded.
        self._stop = (folder / "cancel").exists()
        self._over = threading.Event()
        self.most_minutes = limits_of(root).minutes
        self.is_out_of_time = False
        self._pace: collections.deque[tuple[float, int]] = collections.deque(maxlen=200)
        self._last_event = 0.0
        self._reserve = folder / "reserve"
        with contextlib.suppress(OSError):
            self._reserve.write_bytes(bytes(RESERVE))
        try:
            self._write()
        except OSError:
            self.make_room()
            raise
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._watcher.start()

    @functools.cached_property
    def workspace(self) -> Workspace:
        """The workspace of the run; opened late, since it brings pandas and a queued worker should stay small."""
        from genediff.workspace import Workspace

        return Workspace(self._root)

    @property
    def device(self) -> str:
        """Torch's name of the device this run holds."""
        return self._status.device or "cpu"

    @property
    def position(self) -> tuple[str | None, int | None]:
        """The stage and the step that the run has come to."""
        return self._status.stage, self._status.step

    def stop(self) -> bool:
        """Whether the run was asked to stop."""
        return self._stop

    def ask_to_stop(self) -> None:
        """Make `stop` true from now on."""
        self._stop = True

    def update(self, **fields: object) -> None:
        """Change fields of the status and write it now."""
        with self._lock:
            self._status = dataclasses.replace(self._status, **fields)  # type: ignore[arg-type]
        self._write()

    def note(self, message: str, *, stage: str = "") -> None:
        """Say something in words: in the events and as the status's message."""
        self._events.note(message, stage=stage)
        _log(message)
        self.update(message=message)

    def step(
        self,
        stage: str,
        *,
        step: int,
        total: int,
        loss: float | None = None,
        validation: float | None = None,
        cells_per_second: float | None = None,
        message: str = "",
    ) -> None:
        """Report one step of a stage."""
        now = time.time()
        first = stage != self._status.stage
        if first:
            self._pace.clear()
        self._pace.append((now, step))
        with self._lock:
            self._status = dataclasses.replace(
                self._status,
                stage=stage,
                step=step,
                total=total,
                loss=loss,
                validation=validation if validation is not None or first else self._status.validation,
                cells_per_second=cells_per_second,
                seconds_left=self._seconds_left(step, total),
                message=message or ("" if first else self._status.message),
            )
        if first or message or validation is not None:
            _log(_line(stage, step, total, loss, validation, message))
        if first or message or validation is not None or step >= total or now - self._last_event >= EVENT_EVERY:
            self._last_event = now
            self._events.append(
                Event(now, "step", stage, step, total, loss, validation, cells_per_second, message),
            )

    def progress(self, stage: str) -> Callable[[float, str], None]:
        """Return a function (fraction from 0 to 1, message) that reports a stage in per cent."""

        def report(fraction: float, message: str = "") -> None:
            changed = message if message != self._status.message else ""
            self.step(stage, step=round(100 * fraction), total=100, message=changed)

        return report

    def result(self, **values: str) -> None:
        """Note what the run made (ids, and what is to be said of it), in result.json."""
        write_json(self.folder / "result.json", {**(read_or_none(self.folder / "result.json") or {}), **values})

    def close(self, **fields: object) -> None:
        """Write the last status and event, and end the thread; a run that is "queued" goes on in another worker."""
        self.make_room()
        _log(f"{fields['state']}. {fields.get('message', '')}")
        self._over.set()
        self._watcher.join()
        now = time.time()
        goes_on = fields["state"] == "queued"
        self._events.note(
            f"{fields['state']}: {fields.get('message', '')}".rstrip(": "), what="note" if goes_on else "ended"
        )
        self._events.close()
        self.update(**fields, ended=None if goes_on else now, seconds_left=None)

    def make_room(self) -> None:
        """Give back the disk that was held for the last words, which have to be written on a full disk too."""
        self._reserve.unlink(missing_ok=True)

    def resumed(self) -> None:
        """Note that a new worker takes the run on."""
        self._events.note("A new worker goes on with this run.", what="resumed")
        _log("A new worker goes on with this run.")

    def _seconds_left(self, step: int, total: int) -> float | None:
        earliest, first_step = self._pace[0]
        done = step - first_step
        if done <= 0:
            return None
        return (time.time() - earliest) / done * max(total - step, 0)

    def _watch(self) -> None:
        written, seen = time.time(), self._status
        while not self._over.wait(WATCH):
            if (self.folder / "cancel").exists():
                self.ask_to_stop()
            if self.most_minutes is not None and self._status.started is not None:
                self._bound(time.time() - self._status.started - 60 * self.most_minutes)
            if self._status is not seen or time.time() - written >= HEARTBEAT:
                written, seen = time.time(), self._status
                with contextlib.suppress(OSError):  # on a full disk the run itself stumbles, and says so
                    self._write()

    def _bound(self, over: float) -> None:
        """Stop a run that is some seconds over its time, and end a process that does not stop."""
        self.is_out_of_time = self.is_out_of_time or over > 0
        if self.is_out_of_time:
            self.ask_to_stop()
        if over > GRACE:
            self.update(state="failed", message=self.out_of_time(), ended=time.time())
            end_process_tree()

    def out_of_time(self) -> str:
        """Say that the run has taken as long as it may."""
        return (
            f"Stopped after {self.most_minutes:g} minutes, the most that a run may take on this server: choose fewer "
            "steps or a smaller model. What it has saved by then stays."
        )

    def _write(self) -> None:
        with self._lock:
            dataclasses.replace(self._status, heartbeat=time.time()).write(self.folder)


def end_process_tree() -> None:
    """End this process and those that it has started, at once."""
    import psutil

    for child in psutil.Process().children(recursive=True):
        child.kill()
    os._exit(1)


def _log(message: str) -> None:
    """Print a line with the time; a worker's output is its log."""
    with contextlib.suppress(OSError):  # it lies on the disk that the run may fill
        print(time.strftime("%Y-%m-%d %H:%M:%S"), message, flush=True)


def _line(stage: str, step: int, total: int, loss: float | None, validation: float | None, message: str) -> str:
    numbers = [f"{name} {value:.4g}" for name, value in (("loss", loss), ("held out", validation)) if value is not None]
    return ", ".join([f"{stage} {step:,} of {total:,}", *numbers, *([message] if message else [])])
