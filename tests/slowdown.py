"""How much longer work takes on a busy machine, for tests of promises in seconds."""

from __future__ import annotations

import os


def slowdown() -> float:
    """Return how many processes share a core: 1 on an idle machine."""
    return max(1.0, max(os.getloadavg()[:2]) / (os.cpu_count() or 1))
