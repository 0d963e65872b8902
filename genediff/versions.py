"""The versions that a result depends on."""

from __future__ import annotations

import platform
from importlib import metadata

import genediff

LIBRARIES = ("torch", "lightning-fabric", "anndata", "scanpy", "scikit-learn", "umap-learn", "numpy", "scipy")


def versions() -> dict[str, str]:
    """Return the versions of Python, genediff and the libraries that shape results."""
    out = {"python": platform.python_version(), "genediff": genediff.__version__}
    for name in LIBRARIES:
        try:
            out[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return out
