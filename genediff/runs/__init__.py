"""Runs: folders that worker processes write, and that the app, the command line and tests read."""

from genediff.runs.events import Event, Events, without_repeats
from genediff.runs.kinds import KINDS, EvaluateJob, GenerateJob, ImportJob, Kind, MapJob, SeriesJob
from genediff.runs.profiles import LOCAL, Profile, find_profile, read_profiles
from genediff.runs.run import Run, find_run, list_runs, submit
from genediff.runs.run_status import State, Status

__all__ = [
    "KINDS",
    "LOCAL",
    "EvaluateJob",
    "Event",
    "Events",
    "GenerateJob",
    "ImportJob",
    "Kind",
    "MapJob",
    "Profile",
    "Run",
    "SeriesJob",
    "State",
    "Status",
    "find_profile",
    "find_run",
    "list_runs",
    "read_profiles",
    "submit",
    "without_repeats",
]
