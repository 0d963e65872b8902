"""The most memory that this process has held, as the operating system and the GPU counted it."""

from __future__ import annotations

import sys
from pathlib import Path

import torch

STATUS = Path("/proc/self/status")


def peak_memory() -> int:
    """Return the largest resident memory of this process so far, in bytes; 0 where it cannot be told.

    Linux's VmHWM belongs to the program that runs now. ``getrusage`` would also count the process that started it: a
    worker begins life as a copy of a large server.
    """
    if STATUS.exists():
        line = next((line for line in STATUS.read_text().splitlines() if line.startswith("VmHWM:")), "")
        return int(line.split()[1]) * 1024 if line else 0
    if sys.platform == "win32":
        return 0
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def peak_gpu_memory(device: torch.device) -> int:
    """Return the most bytes of a GPU that tensors of this process took; 0 on other devices."""
    return torch.cuda.max_memory_allocated(device) if device.type == "cuda" else 0
