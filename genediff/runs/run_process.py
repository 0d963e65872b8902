"""Is the process that wrote this still the one that runs under its number?"""

from __future__ import annotations

import socket
import sys
from pathlib import Path

HOST = socket.gethostname()


def process_mark(pid: int) -> str | None:
    """Return what tells process `pid` from a later one under the same number; None when there is none (or a zombie).

    On Linux the mark is the boot id and the start in clock ticks since boot: unlike a start time in seconds it does
    not move when the clock is set.
    """
    if sys.platform == "linux":
        return _linux_mark(pid)
    import psutil

    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else f"{process.create_time():.2f}"
    except psutil.Error:
        return None


def is_alive(pid: int | None, mark: str | None) -> bool:
    """Return whether the process of that number and mark runs on this machine."""
    return pid is not None and mark is not None and process_mark(pid) == mark


def _linux_mark(pid: int) -> str | None:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = stat[stat.rindex(")") + 2 :].split()  # the name before may hold blanks and brackets
    state, start_ticks = fields[0], fields[19]
    return None if state in "ZX" else f"{_boot_id()}:{start_ticks}"


def _boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return "boot"
