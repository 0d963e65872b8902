"""Which device work is done on, and what a person calls it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from genediff.core.errors import InputError

if TYPE_CHECKING:
    from genediff.distributed.ranks import Ranks


def choose_device(name: str = "auto") -> torch.device:
    """Return the named device, or the best there is: CUDA, then Apple's MPS, then the CPU.

    Raises
    ------
    InputError
        When the named device is not on this machine.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    kind, _, number = name.partition(":")
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if kind not in there or (number and not number.isdigit()):
        raise InputError(f"unknown device {name!r}; use auto, cpu, cuda, cuda:0 or mps")
    if not there[kind]:
        raise InputError(f"this machine has no {kind} device; use auto or cpu")
    if kind == "cuda" and number and int(number) >= torch.cuda.device_count():
        raise InputError(f"this machine has {torch.cuda.device_count()} CUDA devices and {name!r} is not one of them")
    return torch.device(name)


def own_device(name: str, ranks: Ranks) -> str:
    """Return the device of one of the processes that share work: on GPUs, the one of its number on its machine."""
    if ranks.size == 1 or not name.startswith("cuda"):
        return name
    return f"cuda:{ranks.local % torch.cuda.device_count()}"


def device_name(device: torch.device) -> str:
    """Return what a person calls this device."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    n = torch.get_num_threads()
    return {"cpu": f"CPU ({n} thread{'s' * (n > 1)})", "mps": "Apple GPU"}[device.type]
