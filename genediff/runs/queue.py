"""One run per device at a time, first come first served, kept by the operating system's file locks.

A ticket is a file in `runs/.queue`, named by the time of submission; it says which devices would do, and its worker
holds a lock on it while it waits. A device is a file in `runs/.devices`; the run that uses it holds a lock on that.
Locks end with their process, so a killed worker frees its place and its device at once, with nobody to clean up.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import json
import os
import time
from typing import TYPE_CHECKING

from genediff.runs.files import read_json, write_json
from genediff.runs.status import START_GRACE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from genediff.runs.devices import Device

POLL = 0.2
"""Seconds between two looks at the queue."""


def take_ticket(runs: Path, run_id: str, devices: Sequence[Device]) -> None:
    """Put a run at the end of the queue for any one of `devices`."""
    folder = runs / ".queue"
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / f"{time.time_ns():020d}_{run_id}.json", {"devices": [device.lock for device in devices]})


def drop_ticket(runs: Path, run_id: str) -> None:
    """Take a run out of the queue, if it is in it."""
    for ticket in (runs / ".queue").glob(f"*_{run_id}.json"):
        ticket.unlink(missing_ok=True)


def runs_ahead(runs: Path, run_id: str) -> tuple[str, ...] | None:
    """Return the ids of the runs that wait before this one, the next one first; None when it does not wait.

    The run that has the device now is not among them: see `device_users`.
    """
    tickets = _tickets(runs)
    own = next((ticket for ticket in tickets if _run_id(ticket) == run_id), None)
    if own is None:
        return None
    wanted = _devices(own)
    earlier = tickets[: tickets.index(own)]
    return tuple(_run_id(ticket) for ticket in earlier if wanted & _devices(ticket) and _is_waiting(ticket))


def device_users(runs: Path, locks: Iterable[str]) -> tuple[str, ...]:
    """Return the ids of the runs that have these devices now; a free device has none."""
    paths = [runs / ".devices" / f"{lock}.lock" for lock in locks]
    users = [path.read_text().strip() for path in paths if path.exists() and not _can_lock(path)]
    return tuple(user for user in users if user)


@contextlib.contextmanager
def hold_device(
    runs: Path,
    run_id: str,
    devices: Sequence[Device],
    *,
    stop: Callable[[], bool],
    waiting: Callable[[tuple[str, ...]], None],
    count: int = 1,
) -> Iterator[Device | None]:
    """Wait for the run's turn and hold one of `devices` meanwhile; yields None when `stop` came first.

    `waiting` is told the runs ahead each time they change. Where ``count`` is more than one, so many are held, and what
    is yielded is the first with the numbers of all.
    """
    ticket = next((runs / ".queue").glob(f"*_{run_id}.json"), None)
    if ticket is None:  # somebody emptied the queue by hand: stand in line again
        take_ticket(runs, run_id, devices)
        ticket = next((runs / ".queue").glob(f"*_{run_id}.json"))
    with contextlib.ExitStack() as locks:
        locks.enter_context(_lock(ticket, fcntl.LOCK_EX))
        _sign(ticket)
        try:
            yield _wait(runs, run_id, devices, stop, waiting, ticket, locks, count)
        finally:
            ticket.unlink(missing_ok=True)


def _wait(
    runs: Path,
    run_id: str,
    devices: Sequence[Device],
    stop: Callable[[], bool],
    waiting: Callable[[tuple[str, ...]], None],
    ticket: Path,
    locks: contextlib.ExitStack,
    count: int,
) -> Device | None:
    told: tuple[str, ...] | None = None
    # Devices are kept until there are enough: later runs do not pass an earlier ticket, so nobody waits in a circle.
    held: list[Device] = []
    while not stop():
        for device in devices:
            if device not in held and _is_next(runs, run_id, device) and _take(runs, run_id, device, locks):
                held.append(device)
                if len(held) == count:
                    ticket.unlink(missing_ok=True)
                    return _as_one(held)
        ahead = device_users(runs, (device.lock for device in devices)) + (runs_ahead(runs, run_id) or ())
        if ahead != told:
            waiting(ahead)
            told = ahead
        time.sleep(POLL)
    return None


def _as_one(held: list[Device]) -> Device:
    numbers = [device.number for device in held if device.number is not None]
    return dataclasses.replace(held[0], number=",".join(numbers) if numbers else None)


def _is_next(runs: Path, run_id: str, device: Device) -> bool:
    """Whether no earlier live ticket would do with this device."""
    for ticket in _tickets(runs):
        if _run_id(ticket) == run_id:
            return True
        if device.lock in _devices(ticket) and _is_waiting(ticket):
            return False
    return True


def _take(runs: Path, run_id: str, device: Device, locks: contextlib.ExitStack) -> bool:
    path = runs / ".devices" / f"{device.lock}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    try:
        locks.enter_context(_lock(path, fcntl.LOCK_EX | fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    path.write_text(run_id)
    return True


def _sign(ticket: Path) -> None:
    """Note in the ticket that its worker has come, in place: replacing the file would leave the lock on the old one."""
    content = read_json(ticket) or {"devices": []}
    ticket.write_text(json.dumps({**content, "came": True}))


def _is_waiting(ticket: Path) -> bool:
    """Whether somebody stands behind the ticket: its worker, or one that may still be starting."""
    if not ticket.exists():
        return False
    if not _can_lock(ticket):
        return True
    submitted = int(ticket.name.split("_")[0]) / 1e9
    starting = not (read_json(ticket) or {}).get("came", False)
    return starting and time.time() - submitted < START_GRACE


def _tickets(runs: Path) -> list[Path]:
    return sorted((runs / ".queue").glob("*_*.json"))


def _run_id(ticket: Path) -> str:
    return ticket.stem.split("_", 1)[1]


def _devices(ticket: Path) -> set[str]:
    return set((read_json(ticket) or {}).get("devices", ()))


def _can_lock(path: Path) -> bool:
    """Whether nobody holds the file; a shared lock, so that two who ask at once do not mislead each other."""
    try:
        with _lock(path, fcntl.LOCK_SH | fcntl.LOCK_NB):
            return True
    except BlockingIOError:
        return False
    except FileNotFoundError:
        return True


@contextlib.contextmanager
def _lock(path: Path, how: int) -> Iterator[None]:
    handle = os.open(path, os.O_RDWR)
    try:
        fcntl.flock(handle, how)
        yield
    finally:
        os.close(handle)  # closing frees the lock
