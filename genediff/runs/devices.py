"""Which devices a run may take, found without importing torch."""

from __future__ import annotations

import os
import platform
import re
import sys
from dataclasses import dataclass
from pathlib import Path

from genediff.core.errors import InputError


@dataclass(frozen=True)
class Device:
    """A device: torch's name for it, the name of its lock (the same for every process), and a GPU's number."""

    name: str
    lock: str
    number: str | None = None


CPU = Device("cpu", "cpu")
DEVICES = Path("/dev")


def acceptable_devices(wanted: str) -> tuple[Device, ...]:
    """Return the devices that serve a wish ("auto", "cpu", "cuda", "cuda:1", "mps"), any of which will do.

    Raises
    ------
    InputError
        When this machine has no such device.
    """
    gpus = _cuda_devices()
    if wanted == "cpu":
        return (CPU,)
    if wanted == "auto":
        return gpus or ((Device("mps", "mps"),) if _has_mps() else (CPU,))
    if wanted == "cuda" and gpus:
        return gpus
    if wanted == "mps" and _has_mps():
        return (Device("mps", "mps"),)
    named = tuple(device for device in gpus if device.name == wanted)
    if named:
        return named
    known = ", ".join(["auto", "cpu", *(device.name for device in gpus), *(["mps"] if _has_mps() else [])])
    raise InputError(f"This machine has no device '{wanted}'; choose one of: {known}.")


def gpus_to_hold(devices: tuple[Device, ...], processes: int) -> int:
    """Return how many of the acceptable devices a run of some processes holds: a GPU each; a CPU serves them all.

    Raises
    ------
    InputError
        When there are fewer GPUs.
    """
    if processes == 1 or devices[0].number is None:
        return 1
    if processes > len(devices):
        there = "1 GPU that" if len(devices) == 1 else f"{len(devices)} GPUs that"
        raise InputError(f"The run asks for {processes} GPUs and this machine has {there} will do; ask for fewer.")
    return processes


def _cuda_devices() -> tuple[Device, ...]:
    """GPUs visible to this process; the lock carries the machine's own number, as other processes may see others."""
    present = [path.name[6:] for path in DEVICES.glob("nvidia*") if re.fullmatch(r"nvidia\d+", path.name)]
    if not present:
        return ()
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    ids = sorted(present, key=int) if visible is None else [part.strip() for part in visible.split(",")]
    ids = [number for number in ids if number and number != "-1"]
    return tuple(
        Device(f"cuda:{index}", "cuda-" + re.sub(r"[^A-Za-z0-9-]", "_", number), number)
        for index, number in enumerate(ids)
    )


def _has_mps() -> bool:
    return sys.platform == "darwin" and platform.machine() == "arm64"
