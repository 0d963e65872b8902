"""A run as its own worker sees it: report progress, be told to stop, and keep the folder's files true."""

from __future__ import annotations

import collections
import dataclasses
import functools
import threading
import time
from typing import TYPE_CHECKING

from genediff.runs.events import Event, EventLog
from genediff.runs.files import read_json, write_json

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from genediff.runs.status import Status
    from genediff.workspace import Workspace

WATCH = 0.25
"""Seconds between two looks at the `cancel` file."""
HEARTBEAT = 2.0
"""Seconds between two signs of life when nothing else changes."""
EVENT_EVERY = 0.2
"""Seconds between two plain step events; validation and messages are always written."""


class Job:
    """The worker's hand on its run folder. A thread writes the status, so that steps cost no file each."""

    def __init__(self, folder: Path, root: Path, status: Status) -> None:
        self.folder = folder
        self.id = folder.name
        self._root = root
        self._status = status
        self._events = EventLog(folder / "events.jsonl")
        self._lock = threading.Lock()
        # A plain attribute: signal handlers may not wait for locks. Looked at now, or a run that was cancelled before
        # its worker came would be "running" again until its model is loaded.
        self._stop = (folder / "cancel").exists()
        self._over = threading.Event()
        self._pace: collections.deque[tuple[float, int]] = collections.deque(maxlen=200)
        self._last_event = 0.0
        self._write()
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
        write_json(self.folder / "result.json", {**(read_json(self.folder / "result.json") or {}), **values})

    def close(self, **fields: object) -> None:
        """Write the last status and event, and end the thread; a run that is "queued" goes on in another worker."""
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
            if self._status is not seen or time.time() - written >= HEARTBEAT:
                written, seen = time.time(), self._status
                self._write()

    def _write(self) -> None:
        with self._lock:
            dataclasses.replace(self._status, heartbeat=time.time()).write(self.folder)


def _log(message: str) -> None:
    """Print a line with the time; a worker's output is its log."""
    print(time.strftime("%Y-%m-%d %H:%M:%S"), message, flush=True)


def _line(stage: str, step: int, total: int, loss: float | None, validation: float | None, message: str) -> str:
    numbers = [f"{name} {value:.4g}" for name, value in (("loss", loss), ("held out", validation)) if value is not None]
    return ", ".join([f"{stage} {step:,} of {total:,}", *numbers, *([message] if message else [])])
