"""One run per device at a time, first come first served, kept by the operating system's file locks.

A ticket is a file in `runs/.queue`, named by the time of submission; it says which devices would do, and its worker
holds a lock on it while it waits. What changes meanwhile is told by empty files beside it, which are there or are not:
a ticket that was written anew was empty for a moment, and who looked then went before it. A device is a file in
`runs/.devices`; the run that uses it holds a lock on that. Locks end with their process, so a killed worker frees its
place and its device at once, with nobody to clean up.

The users of one server (`genediff.core.users`) share its devices, so their tickets lie in the workspace that they
share. Each has a queue of their own, first come, first served; between these queues turns go round.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import itertools
import os
import time
from typing import TYPE_CHECKING

from genediff.core.json_files import read_or_none, write_json
from genediff.core.turns import by_turn
from genediff.core.users import shared_root
from genediff.runs.run_status import START_GRACE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from genediff.runs.devices import Device

POLL = 0.2
"""Seconds between two looks at the queue."""


def take_ticket(runs: Path, run_id: str, devices: Sequence[Device]) -> None:
    """Put a run at the end of the queue for any one of `devices`."""
    folder = _place(runs) / ".queue"
    folder.mkdir(parents=True, exist_ok=True)
    content = {"devices": [device.lock for device in devices], "owner": runs.parent.name}
    write_json(folder / f"{time.time_ns():020d}_{run_id}.json", content)


def drop_ticket(runs: Path, run_id: str) -> None:
    """Take a run out of the queue, if it is in it."""
    if (ticket := _ticket(runs, run_id)) is not None:
        _drop(ticket)


def runs_ahead(runs: Path, run_id: str) -> tuple[str, ...] | None:
    """Return the ids of the runs that wait before this one, the next one first; None when it does not wait.

    The run that has the device now is not among them: see `device_users`.
    """
    own = _ticket(runs, run_id)
    if own is None:
        return None
    wanted = _devices(own)
    earlier = list(itertools.takewhile(lambda ticket: ticket != own, _by_turn(runs)))
    return tuple(_run_id(ticket) for ticket in earlier if wanted & _devices(ticket) and _is_waiting(ticket))


def device_users(runs: Path, locks: Iterable[str]) -> tuple[str, ...]:
    """Return the ids of the runs that have these devices now; a free device has none."""
    return tuple(user for user, _ in _users(_place(runs) / ".devices" / f"{lock}.lock" for lock in locks))


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
    ticket = _ticket(runs, run_id)
    if ticket is None:  # somebody emptied the queue by hand: stand in line again
        take_ticket(runs, run_id, devices)
        ticket = _ticket(runs, run_id)
        assert ticket is not None
    with contextlib.ExitStack() as locks:
        locks.enter_context(_lock(ticket, fcntl.LOCK_EX))
        _came(ticket).touch()
        try:
            yield _wait(runs, run_id, devices, stop, waiting, ticket, locks, count)
        finally:
            _drop(ticket)


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
    # Devices are kept until there are enough, and who keeps some goes before all others; of two who do the later one
    # gives way, so nobody waits in a circle.
    held: list[Device] = []
    taken = locks.enter_context(contextlib.ExitStack())
    while not stop():
        if held and not all(_is_next(runs, run_id, device) for device in held):
            taken.close()
            held.clear()
            _holds(ticket).unlink(missing_ok=True)
        for device in devices:
            if device not in held and _is_next(runs, run_id, device) and _take(runs, run_id, device, taken):
                held.append(device)
                if len(held) == count:
                    _drop(ticket)
                    return _as_one(held)
                _holds(ticket).touch()
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
    """Whether no ticket whose turn comes before would do with this device."""
    for ticket in _by_turn(runs):
        if _run_id(ticket) == run_id:
            return True
        if device.lock in _devices(ticket) and _is_waiting(ticket):
            return False
    return True


def _take(runs: Path, run_id: str, device: Device, locks: contextlib.ExitStack) -> bool:
    path = _place(runs) / ".devices" / f"{device.lock}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    try:
        locks.enter_context(_lock(path, fcntl.LOCK_EX | fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    path.write_text(f"{run_id}\n{runs.parent.name}\n")
    return True


def _came(ticket: Path) -> Path:
    """Return the file that says that the ticket's worker stands in line."""
    return ticket.with_suffix(".came")


def _holds(ticket: Path) -> Path:
    """Return the file that says that the run has some of its devices already."""
    return ticket.with_suffix(".holds")


def _drop(ticket: Path) -> None:
    for path in (ticket, _came(ticket), _holds(ticket)):
        path.unlink(missing_ok=True)


def _is_waiting(ticket: Path) -> bool:
    """Whether somebody stands behind the ticket: its worker, or one that may still be starting."""
    if not ticket.exists():
        return False
    if not _can_lock(ticket):
        return True
    submitted = int(ticket.name.split("_")[0]) / 1e9
    return not _came(ticket).exists() and time.time() - submitted < START_GRACE


def _place(runs: Path) -> Path:
    """Return the folder of runs that holds the queue and the devices for a user's."""
    above = shared_root(runs.parent)
    return runs if above is None else above / "runs"


def _ticket(runs: Path, run_id: str) -> Path | None:
    return next((_place(runs) / ".queue").glob(f"*_{run_id}.json"), None)


def _by_turn(runs: Path) -> list[Path]:
    """Return the tickets in the order of their turns.

    One owner's go by time. Among several those come first that are preceded by fewer runs of their own owner, be these
    waiting or running; so a second run of one owner waits for the first runs of all others.
    """
    tickets = sorted((_place(runs) / ".queue").glob("*_*.json"))
    about = {ticket: read_or_none(ticket) or {} for ticket in tickets}
    if len({str(one.get("owner")) for one in about.values()}) < 2:
        return tickets
    waiting = {_run_id(ticket) for ticket in tickets}
    running = set(_users((_place(runs) / ".devices").glob("*.lock")))
    return by_turn(
        filter(_is_waiting, tickets),
        lambda ticket: str(about[ticket].get("owner")),
        is_first=lambda ticket: _holds(ticket).exists(),
        before=(owner for run_id, owner in running if run_id not in waiting),
    )


def _users(devices: Iterable[Path]) -> list[tuple[str, str]]:
    """Return for each device that is in use the id of its run, and whose that is."""
    found = []
    for path in devices:
        if path.exists() and not _can_lock(path):
            run_id, _, owner = path.read_text().strip().partition("\n")
            if run_id:
                found.append((run_id, owner))
    return found


def _run_id(ticket: Path) -> str:
    return ticket.stem.split("_", 1)[1]


def _devices(ticket: Path) -> set[str]:
    return set((read_or_none(ticket) or {}).get("devices", ()))


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
