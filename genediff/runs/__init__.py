"""Runs: folders that worker processes write, and that the app, the command line and tests read."""

from genediff.runs.events import Event, Events, without_repeats
from genediff.runs.kinds import KINDS, EvaluateJob, GenerateJob, ImportJob, Kind, SeriesJob
from genediff.runs.run import Run, find_run, list_runs, submit
from genediff.runs.status import State, Status

__all__ = [
    "KINDS",
    "EvaluateJob",
    "Event",
    "Events",
    "GenerateJob",
    "ImportJob",
    "Kind",
    "Run",
    "SeriesJob",
    "State",
    "Status",
    "find_run",
    "list_runs",
    "submit",
    "without_repeats",
]
