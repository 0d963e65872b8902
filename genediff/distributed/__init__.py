"""Several processes that do one job together: how they start, who is who, and what they tell one another."""

from genediff.distributed.launcher import launch, launch_size
from genediff.distributed.ranks import ALONE, Ranks

__all__ = ["ALONE", "Ranks", "launch", "launch_size"]
