"""How threads that work on one computation wait for each other."""

from __future__ import annotations

import os


def sleep_while_waiting() -> None:
    """Have OpenMP's threads sleep while they wait for each other; to be called before torch is loaded.

    By default they go round in a loop. Where readers and runs share processors this is what most of the time goes to:
    200 cells of the shipped model took 10 CPU seconds beside other work instead of one.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
