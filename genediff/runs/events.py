"""What happened in a run, one JSON line each, written while others read."""

from __future__ import annotations

import dataclasses
import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

What = Literal["step", "note", "resumed", "ended"]


@dataclass(frozen=True)
class Event:
    """One line of events.jsonl; a "step" carries numbers, the others a message."""

    time: float
    what: What = "step"
    stage: str = ""
    step: int | None = None
    total: int | None = None
    loss: float | None = None
    validation: float | None = None
    cells_per_second: float | None = None
    message: str = ""


@dataclass(frozen=True)
class Events:
    """Some events and the place (in bytes) to read on from."""

    items: tuple[Event, ...]
    since: int


class EventLog:
    """Append events to a file; a line torn by a killed predecessor is closed first, so that it spoils nothing."""

    def __init__(self, path: Path) -> None:
        self.path = path
        torn = path.exists() and path.stat().st_size > 0 and not path.read_bytes().endswith(b"\n")
        self._file = path.open("ab", buffering=0)  # unbuffered: one write per line, visible at once
        if torn:
            self._file.write(b"\n")

    def append(self, event: Event) -> None:
        """Write one event."""
        content = {key: value for key, value in dataclasses.asdict(event).items() if value not in (None, "")}
        self._file.write(json.dumps(content).encode() + b"\n")

    def note(self, message: str, *, what: What = "note", stage: str = "") -> None:
        """Write a message that carries no numbers."""
        self.append(Event(time=time.time(), what=what, stage=stage, message=message))

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def read_events(path: Path, since: int = 0) -> Events:
    """Return the events after byte `since`; what cannot be read is left out, an unfinished last line waits.

    A `since` beyond the end (the file was replaced) reads from the start.
    """
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            start = since if 0 <= since <= size else 0
            file.seek(start)
            content = file.read()
    except OSError:
        return Events((), 0)
    whole = content[: content.rfind(b"\n") + 1]
    items = (_parse(line) for line in whole.splitlines())
    return Events(tuple(event for event in items if event is not None), start + len(whole))


def without_repeats(events: Iterable[Event]) -> list[Event]:
    """Return the measured steps of one unbroken run: what a killed worker did after its last checkpoint is dropped.

    A resumed worker starts again from its checkpoint, so its first step may lie before the last one written.
    """
    kept: list[Event] = []
    for event in events:
        if event.loss is None and event.validation is None:
            continue
        while kept and event.step is not None and _overtaken(kept[-1], event):
            kept.pop()
        kept.append(event)
    return kept


def _overtaken(earlier: Event, later: Event) -> bool:
    return earlier.stage == later.stage and (earlier.step or 0) >= (later.step or 0)


def _parse(line: bytes) -> Event | None:
    try:
        content = json.loads(line)
    except ValueError:
        return None
    if not isinstance(content, dict) or not isinstance(content.get("time"), int | float):
        return None
    if content.get("what", "step") not in get_args(What):
        return None
    known = {field.name for field in dataclasses.fields(Event)}
    return Event(**{key: value for key, value in content.items() if key in known})
