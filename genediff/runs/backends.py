"""The places that are known for workers. A new one is one file and one line here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from genediff.core.errors import InputError
from genediff.runs.backend_local import LocalBackend
from genediff.runs.backend_slurm import SlurmBackend

if TYPE_CHECKING:
    from genediff.runs.backend import Backend

BACKENDS: dict[str, Backend] = {backend.name: backend for backend in (LocalBackend(), SlurmBackend())}


def find_backend(name: str) -> Backend:
    """Return a backend by name."""
    if name not in BACKENDS:
        raise InputError(f"Unknown backend '{name}'; known: {', '.join(sorted(BACKENDS))}.")
    return BACKENDS[name]
