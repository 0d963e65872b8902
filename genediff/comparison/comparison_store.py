"""Comparisons on disk: a folder with what was planned, and the series of runs that fills it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from secrets import token_hex
from typing import TYPE_CHECKING, Any

from genediff.comparison.config import ComparisonConfig, Entry, read_config
from genediff.core.errors import InputError
from genediff.core.json_files import MALFORMED, read_object, write_json
from genediff.models.config import RunConfig
from genediff.runs import LOCAL, Run, SeriesJob, submit
from genediff.runs.kinds.series_run import children

if TYPE_CHECKING:
    from pathlib import Path

    from genediff.comparison.comparison_plan import Plan
    from genediff.workspace import Workspace

FILE = "comparison.json"
FORMAT_VERSION = 1


@dataclass(frozen=True)
class StoredRow:
    """One planned row: what it is called, what it claims, and what each of its runs was told but for the seed."""

    entry: Entry
    title: str
    space: str
    claims: tuple[str, ...]
    run: RunConfig
    seconds: float | None = None


@dataclass(frozen=True)
class Comparison:
    """A comparison as it lies in its folder; where its runs stand is read each time it is asked.

    ``series`` is the id of the run that trains one model after another, None for what ships. ``machine`` says in words
    where the rows were or are trained.
    """

    folder: Path
    runs_folder: Path
    shipped: bool
    created: str
    machine: str
    dataset_name: str
    config: ComparisonConfig
    rows: tuple[StoredRow, ...]
    order: tuple[tuple[int, int], ...]
    series_id: str | None

    @property
    def id(self) -> str:
        """The folder's name."""
        return self.folder.name

    @property
    def title(self) -> str:
        """What lists call it."""
        return self.config.name or f"{len(self.rows)} rows on {self.dataset_name}"

    @classmethod
    def open(cls, folder: Path, runs_folder: Path, *, shipped: bool = False) -> Comparison:
        """Read a comparison; InputError when its file is damaged or of a newer format."""
        try:
            content = read_object(folder / FILE)
            if content["format_version"] > FORMAT_VERSION:
                raise InputError(f"The comparison {folder.name} was written by a newer GeneDiff; update GeneDiff.")
            rows = tuple(_read_row(row) for row in content["rows"])
            order = tuple((int(place), int(seed)) for place, seed in content["order"])
            created, machine, dataset = (str(content[name]) for name in ("created", "machine", "dataset_name"))
        except MALFORMED as error:
            if isinstance(error, InputError):
                raise
            raise InputError(
                f"{FILE} in {folder.name} cannot be read; delete this comparison and run it again."
            ) from None
        config = read_config(content["config"])
        return cls(folder, runs_folder, shipped, created, machine, dataset, config, rows, order, content.get("series"))

    @property
    def series(self) -> Run | None:
        """The run that fills the table, None where it is not in this workspace."""
        folder = self.runs_folder / self.series_id if self.series_id else None
        return Run.open(folder) if folder is not None and folder.is_dir() else None

    def run_ids(self) -> dict[tuple[int, int], str]:
        """Return the ids of the runs that were begun, by place of the row and seed."""
        if self.series_id is None:
            return {}
        begun = children(self.runs_folder / self.series_id)
        return {self.order[number]: run_id for number, run_id in begun.items() if number < len(self.order)}

    def runs(self) -> dict[tuple[int, int], Run]:
        """Return the runs that were begun and are still there."""
        found = {key: self.runs_folder / run_id for key, run_id in self.run_ids().items()}
        return {key: Run.open(folder) for key, folder in found.items() if folder.is_dir()}

    @property
    def is_going_on(self) -> bool:
        """Whether its worker is at work or waits."""
        series = self.series
        return series is not None and not series.status.has_ended

    def cancel(self, *, wait: float = 2.0) -> None:
        """Stop all of it; checkpoints and finished models stay, and `resume` goes on."""
        if (series := self.series) is not None:
            series.cancel(wait=wait)
            if series.status.has_ended:
                for run in self.runs().values():  # those that a killed worker left behind
                    run.cancel(wait=0)

    def resume(self) -> None:
        """Go on with what did not finish.

        Raises
        ------
        InputError
            When it goes on, is finished, or its series of runs is gone.
        """
        series = self.series
        if series is None:
            raise InputError(f"The runs of '{self.title}' are not in this workspace; run the comparison anew.")
        series.resume()


def start(
    plan: Plan, workspace: Workspace, *, dataset_name: str, machine: str = "", profile: str = LOCAL
) -> Comparison:
    """Write a comparison down and begin its runs, on this machine or where a profile says."""
    now = datetime.now(tz=UTC)
    folder = workspace.comparisons / f"{now:%Y%m%d-%H%M%S}-{token_hex(2)}"
    runs = plan.runs
    series = submit(
        SeriesJob(
            tuple(run for _, _, run in runs),
            name=plan.config.name or f"{len(plan.rows)} rows compared",
            profile=profile,
        ),
        workspace,
    )
    write(
        plan,
        folder,
        series_id=series.id,
        dataset_name=dataset_name,
        machine=machine or (machine_name() if profile == LOCAL else f"profile {profile}"),
    )
    return Comparison.open(folder, workspace.runs)


def write(plan: Plan, folder: Path, *, series_id: str | None, dataset_name: str, machine: str) -> None:
    """Write a plan into a new folder, which is a comparison from then on."""
    content = {
        "format_version": FORMAT_VERSION,
        "created": datetime.now(tz=UTC).isoformat(timespec="seconds"),
        "machine": machine,
        "dataset_name": dataset_name,
        "config": plan.config.model_dump(mode="json"),
        "rows": [
            {
                "entry": row.entry.model_dump(mode="json"),
                "title": row.title,
                "space": row.space,
                "claims": list(row.claims),
                "run": row.run.model_dump(mode="json"),
                "seconds": row.seconds,
            }
            for row in plan.rows
        ],
        "order": [[place, seed] for place, seed, _ in plan.runs],
        "series": series_id,
    }
    folder.mkdir(parents=True)
    write_json(folder / FILE, content)


def list_comparisons(workspace: Workspace) -> list[Comparison]:
    """Return the user's own comparisons, newest first, then shipped ones; what cannot be read is passed over."""
    found = []
    for folder, shipped in workspace.comparison_folders():
        try:
            found.append(Comparison.open(folder, workspace.runs, shipped=shipped))
        except InputError:
            continue
    return found


def find_comparison(workspace: Workspace, wanted: str) -> Comparison:
    """Return a comparison by its id, or by the start of it when that is enough.

    Raises
    ------
    InputError
        When none or several fit.
    """
    ids = [folder.name for folder, _ in workspace.comparison_folders()]
    fitting = [name for name in ids if name == wanted] or [name for name in ids if wanted and name.startswith(wanted)]
    if len(fitting) > 1:
        raise InputError(f"'{wanted}' fits {len(fitting)} comparisons: {', '.join(fitting[:5])}.")
    folder, shipped = workspace.comparison_folder(fitting[0] if fitting else wanted)
    return Comparison.open(folder, workspace.runs, shipped=shipped)


def machine_name() -> str:
    """Return what a reader must know of the machine to judge its seconds."""
    import os
    import platform

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    threads = os.environ.get("OMP_NUM_THREADS")
    used = f", {threads} thread{'s' if threads != '1' else ''}" if threads else ""
    return f"{cores} {platform.machine()} CPU cores{used}"


def finished_seconds(comparison: Comparison) -> dict[int, float]:
    """Return the mean seconds from start to end of the finished runs of each row."""
    taken: dict[int, list[float]] = {}
    for (place, _), run in comparison.runs().items():
        status = run.status
        if status.state == "finished" and status.started and status.ended:
            taken.setdefault(place, []).append(status.ended - status.started)
    return {place: sum(seconds) / len(seconds) for place, seconds in taken.items()}


def seconds_left(comparison: Comparison) -> float | None:
    """Return about how long the rest takes; None where nothing says so.

    A row's own finished runs are the best guess, then what was planned for it, then the mean of the others.
    """
    known = finished_seconds(comparison)
    planned = {place: row.seconds for place, row in enumerate(comparison.rows) if row.seconds is not None}
    overhead = [known[place] - planned[place] for place in known if place in planned]
    extra = max(sum(overhead) / len(overhead), 0.0) if overhead else 60.0
    mean = sum(known.values()) / len(known) if known else None
    runs, total = comparison.runs(), 0.0
    for place, seed in comparison.order:
        run = runs.get((place, seed))
        status = run.status if run is not None else None
        if status is not None and status.has_ended:
            continue
        expected = known.get(place, planned[place] + extra if place in planned else mean)
        if expected is None:
            return None
        gone = time.time() - status.started if status is not None and status.started else 0.0
        total += max(expected - gone, 1.0)
    return total


def _read_row(content: dict[str, Any]) -> StoredRow:
    return StoredRow(
        entry=Entry.model_validate(content["entry"]),
        title=str(content["title"]),
        space=str(content["space"]),
        claims=tuple(content["claims"]),
        run=RunConfig.model_validate(content["run"]),
        seconds=content.get("seconds"),
    )
