"""Which device and precision a run uses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from genediff.errors import InputError

if TYPE_CHECKING:
    from lightning_fabric import Fabric


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


def make_fabric(device: str = "auto", precision: str = "auto") -> Fabric:
    """Return the Fabric that places, scales and steps for one process on one device.

    ``auto`` precision is bfloat16 on a GPU that has it. On a CPU it is 32 bits: the small models that a CPU can
    train gain nothing from bfloat16.
    """
    from lightning_fabric import Fabric

    chosen = choose_device(device)
    if precision == "auto":
        precision = "bf16-mixed" if chosen.type == "cuda" and torch.cuda.is_bf16_supported() else "32-true"
    devices: Any = [chosen.index or 0] if chosen.type == "cuda" else 1
    return Fabric(accelerator=chosen.type, devices=devices, precision=precision)  # type: ignore[arg-type]


def device_name(device: torch.device) -> str:
    """Return what a person calls this device."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return {"cpu": f"CPU ({torch.get_num_threads()} threads)", "mps": "Apple GPU"}[device.type]
