"""The versions that a result depends on."""

from __future__ import annotations

import platform
from functools import cache
from importlib import metadata

import genediff

LIBRARIES = ("torch", "lightning-fabric", "anndata", "scanpy", "scikit-learn", "umap-learn", "numpy", "scipy")


def versions() -> dict[str, str]:
    """Return the versions of Python, genediff and the libraries that shape results."""
    return dict(_versions())


@cache
def _versions() -> dict[str, str]:
    # Looked up once: every page asks at every run, and they lie in files.
    out = {"python": platform.python_version(), "genediff": genediff.__version__}
    for name in LIBRARIES:
        try:
            out[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return out
