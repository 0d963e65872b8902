"""Several processes that do one job together: how they start, who is who, and what they tell one another."""

from genediff.parallel.crew import crew, crew_size
from genediff.parallel.ranks import ALONE, Ranks

__all__ = ["ALONE", "Ranks", "crew", "crew_size"]
