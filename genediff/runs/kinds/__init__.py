"""Kinds of runs. A new one is one file and one line here; everything imported must stay light (no torch, no pandas)."""

from __future__ import annotations

from typing import Any

from genediff.core.errors import InputError
from genediff.runs.kinds.adapt_run import ADAPT
from genediff.runs.kinds.evaluate_run import EVALUATE, EvaluateJob
from genediff.runs.kinds.generate_run import GENERATE, GenerateJob
from genediff.runs.kinds.import_run import IMPORT, ImportJob
from genediff.runs.kinds.map_run import MAP, MapJob
from genediff.runs.kinds.perturbation_run import PERTURB
from genediff.runs.kinds.run_kind import Kind
from genediff.runs.kinds.series_run import SERIES, SeriesJob
from genediff.runs.kinds.train_run import TRAIN

KINDS: dict[str, Kind[Any]] = {
    kind.name: kind for kind in (TRAIN, ADAPT, IMPORT, MAP, EVALUATE, SERIES, GENERATE, PERTURB)
}


def find_kind(name: str) -> Kind[Any]:
    """Return a kind by name."""
    if name not in KINDS:
        raise InputError(f"Unknown kind of run '{name}'; known: {', '.join(KINDS)}.")
    return KINDS[name]


def kind_of(config: object) -> Kind[Any]:
    """Return the kind that a configuration is for."""
    for kind in KINDS.values():
        if isinstance(config, kind.config):
            return kind
    known = ", ".join(kind.config.__name__ for kind in KINDS.values())
    raise InputError(f"No kind of run takes a {type(config).__name__}; known configurations: {known}.")


__all__ = ["KINDS", "EvaluateJob", "GenerateJob", "ImportJob", "Kind", "MapJob", "SeriesJob", "find_kind", "kind_of"]
