"""A run as everybody but its worker sees it: a folder to read, to cancel, to resume, to delete."""

from __future__ import annotations

import contextlib
import dataclasses
import shutil
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from secrets import token_hex
from typing import TYPE_CHECKING, Any

from genediff.core.disk_errors import DiskError, disk_errors, disk_trouble, draft
from genediff.core.errors import InputError
from genediff.core.json_files import read_or_none, write_json
from genediff.core.users import check_room, limits_of
from genediff.runs.backend import Look
from genediff.runs.backends import BACKENDS, find_backend
from genediff.runs.devices import acceptable_devices
from genediff.runs.events import Events, read_events
from genediff.runs.kinds import KINDS, find_kind, kind_of
from genediff.runs.kinds.train_run import publish
from genediff.runs.profiles import LOCAL, find_profile, to_dict
from genediff.runs.queue import device_users, drop_ticket, runs_ahead, take_ticket
from genediff.runs.run_status import Status, read_status

if TYPE_CHECKING:
    from pathlib import Path

    from genediff.runs.kinds import Kind
    from genediff.workspace import Workspace

PATIENCE = 10.0
"""Seconds after a first `cancel` from which a second one ends the worker by force."""


@dataclass(frozen=True)
class Run:
    """One run: what it was told (read once) and where it stands (read from its folder each time it is asked)."""

    folder: Path
    kind: str
    name: str
    created: datetime
    backend: str
    config: dict[str, Any]
    profile: str = LOCAL
    is_part: bool = False

    @property
    def id(self) -> str:
        """The folder's name."""
        return self.folder.name

    @classmethod
    def open(cls, folder: Path) -> Run:
        """Read a run's description; one that is damaged is named so and can still be deleted.

        Raises
        ------
        InputError
            When there is no such folder.
        """
        if not folder.is_dir():
            raise InputError(f"There is no run '{folder.name}'; `runs list` and the Train page show those there are.")
        content = read_or_none(folder / "run.json") or {}
        config = content.get("config")
        return cls(
            folder=folder,
            kind=str(content.get("kind", "unknown")),
            name=str(content.get("name") or folder.name),
            created=_time(content.get("created"), folder),
            backend=str(content.get("backend", "local")),
            config=config if isinstance(config, dict) else {},
            profile=str(content.get("profile", LOCAL)),
            is_part=content.get("is_part") is True,
        )

    @property
    def status(self) -> Status:
        """Where the run stands now; a worker that is gone is noticed."""
        return read_status(self.folder, look=self.look)

    @property
    def on_cluster(self) -> bool:
        """Whether a scheduler gives it nodes and devices, so that it waits for no other run of this machine."""
        return self.backend in BACKENDS and BACKENDS[self.backend].gives_out_devices

    def look(self) -> Look:
        """Say where the run's job stands, as its backend sees it."""
        return BACKENDS[self.backend].look(self.folder) if self.backend in BACKENDS else Look("gone")

    def events(self, since: int = 0) -> Events:
        """Return what happened after place `since` (an earlier answer's), and the place to read on from."""
        return read_events(self.folder / "events.jsonl", since)

    def log_tail(self, n_lines: int = 200) -> str:
        """Return the last lines that the worker printed."""
        return _tail(self.folder / "log.txt", n_lines)

    def backend_logs(self, n_lines: int = 200) -> dict[str, str]:
        """Return the last lines of what the backend itself printed, by title; those that are empty are left out."""
        logs = BACKENDS[self.backend].logs(self.folder) if self.backend in BACKENDS else {}
        tails = {title: _tail(path, n_lines) for title, path in logs.items()}
        return {title: text for title, text in tails.items() if text}

    @property
    def result(self) -> dict[str, str]:
        """The ids of what the run has made so far: "model_id", "dataset_id"."""
        return {key: str(value) for key, value in (read_or_none(self.folder / "result.json") or {}).items()}

    def ahead(self) -> tuple[str, ...]:
        """Return the ids of the runs that have or will have the device before this one (empty unless it waits)."""
        waiting = runs_ahead(self.folder.parent, self.id)
        if waiting is None or self.on_cluster:
            return ()
        return device_users(self.folder.parent, self._device_locks()) + waiting

    def cancel(self, *, wait: float = 2.0) -> Status:
        """Ask the worker to stop, and return the status after at most `wait` seconds.

        The worker writes a checkpoint and ends. Asked again ten seconds after the first time, it is ended by force;
        the last checkpoint stays.
        """
        if self.status.has_ended:
            return self.status
        request = self.folder / "cancel"
        force = request.exists() and time.time() - request.stat().st_mtime > PATIENCE
        if not request.exists():
            request.touch()
        find_backend(self.backend).cancel(self.folder, force=force)
        end = time.monotonic() + wait
        while not self.status.has_ended and time.monotonic() < end:
            time.sleep(0.05)
        return self.status

    def resume(self) -> None:
        """Start a new worker, which goes on from the last checkpoint.

        Raises
        ------
        InputError
            When the run still goes on or is finished, or the worker cannot be started.
        """
        state = self.status.state
        if state == "finished":
            raise InputError(f"The run '{self.name}' is finished; there is nothing to resume.")
        if state in ("queued", "running"):
            raise InputError(f"The run '{self.name}' is still going on ({state}).")
        kind = find_kind(self.kind)
        if not self.is_part:
            _check_limits(self.folder.parent)
        (self.folder / "cancel").unlink(missing_ok=True)
        (self.folder / "job.json").unlink(missing_ok=True)
        Status(state="queued", submitted=time.time()).write(self.folder)
        _start(self, kind, kind.read_config(self.config))

    def keep(self) -> str:
        """Put the model of a stopped training into the library as it is, and return its id.

        Raises
        ------
        InputError
            When the run still goes on, or was stopped before there was a model.
        """
        if not self.status.has_ended:
            raise InputError(f"The run '{self.name}' is still going on; cancel it first.")
        made = self.folder / "checkpoint" / "model"
        if not (made / "model.json").is_file():
            raise InputError(f"The run '{self.name}' was stopped before there was a model; resume it.")
        models = self.folder.parent.parent / "models"
        models.mkdir(exist_ok=True)
        return publish(made, models / self.id).name

    def delete(self) -> None:
        """Remove the run's folder; a model that it has put into the library stays.

        Raises
        ------
        InputError
            When its worker still runs.
        """
        if not self.status.has_ended:
            raise InputError(f"The run '{self.name}' is still going on; cancel it first.")
        drop_ticket(self.folder.parent, self.id)
        shutil.rmtree(self.folder)

    def _device_locks(self) -> tuple[str, ...]:
        kind = KINDS.get(self.kind)
        if kind is None or kind.device is None:
            return ()
        return tuple(device.lock for device in acceptable_devices(kind.device(kind.read_config(self.config))))


def submit(config: object, workspace: Workspace, *, profile: str = LOCAL, name: str = "", is_part: bool = False) -> Run:
    """Make a run folder for a configuration and start its worker, which waits its turn for the device.

    Parameters
    ----------
    config
        A `RunConfig` trains; each kind of run has a configuration type of its own.
    profile
        Where it runs: this machine, or a profile of profiles.toml.
    name
        What tables show; the kind gives one where it is empty.
    is_part
        Whether another run asks for it, such as a comparison; it counts as that one.

    Raises
    ------
    InputError
        When the configuration fits no kind, there is no such profile, its device is not there, no worker can be
        started, or the workspace's owner has as many runs or files as one user may have.
    """
    kind = kind_of(config)
    place = find_profile(workspace.root, profile)
    backend = find_backend(place.backend)
    if kind.device is not None and not backend.gives_out_devices:
        acceptable_devices(kind.device(config))
    if not is_part:
        _check_limits(workspace.runs)
    if (trouble := disk_trouble(workspace.runs)) is not None:
        raise DiskError(trouble)
    now = datetime.now(tz=UTC)
    run_id = f"{now:%Y%m%d-%H%M%S}-{token_hex(2)}"
    description = {
        "format_version": 1,
        "kind": kind.name,
        "name": name or kind.label(config),
        "created": now.isoformat(timespec="milliseconds"),
        "backend": backend.name,
        "profile": profile,
        "profile_content": to_dict(place),
        **({"is_part": True} if is_part else {}),
        "config": kind.write_config(config),
    }
    folder = workspace.runs / run_id
    with disk_errors(), draft(folder) as new:
        new.mkdir()
        write_json(new / "run.json", description)
        Status(state="queued", submitted=now.timestamp()).write(new)
    run = Run.open(folder)
    _start(run, kind, config)
    return run


def list_runs(workspace: Workspace) -> list[Run]:
    """Return all runs of a workspace, the newest first."""
    folders = [path for path in workspace.runs.iterdir() if path.is_dir() and not path.name.startswith(".")]
    return sorted((Run.open(path) for path in folders), key=lambda run: (run.created, run.id), reverse=True)


def find_run(workspace: Workspace, run_id: str) -> Run:
    """Return a run by its id, or by the start of it when that is enough to tell it from all others.

    Raises
    ------
    InputError
        When no run or several fit.
    """
    names = [run.id for run in list_runs(workspace)]
    fitting = [name for name in names if name == run_id] or [name for name in names if name.startswith(run_id)]
    if len(fitting) == 1 and run_id:
        return Run.open(workspace.runs / fitting[0])
    problem = f"'{run_id}' fits {len(fitting)} runs" if fitting else f"There is no run '{run_id}'"
    known = f"the newest are {', '.join(names[:5])}" if names else "there are none yet"
    raise InputError(f"{problem}; {known}.")


def _check_limits(runs: Path) -> None:
    """Raise an InputError where the owner of some runs may not have one more."""
    root = runs.parent
    check_room(root)
    most = limits_of(root).runs
    if most is None:
        return
    here = [Run.open(path) for path in runs.iterdir() if path.is_dir() and not path.name.startswith(".")]
    if sum(not run.is_part and not run.status.has_ended for run in here) >= most:
        runs_in_words = "1 run" if most == 1 else f"{most} runs"
        raise InputError(
            f"You have {runs_in_words} under way, as many as one user may have on this server; wait for one to end, or "
            "cancel it."
        )


def _start(run: Run, kind: Kind[Any], config: object) -> None:
    if kind.device is not None and not run.on_cluster:
        drop_ticket(run.folder.parent, run.id)
        take_ticket(run.folder.parent, run.id, acceptable_devices(kind.device(config)))
    try:
        find_backend(run.backend).submit(run.folder, run.folder.parent.parent)
    except Exception as problem:
        drop_ticket(run.folder.parent, run.id)
        status = read_status(run.folder)
        dataclasses.replace(status, state="failed", message=str(problem), ended=time.time()).write(run.folder)
        raise


def _tail(path: Path, n_lines: int) -> str:
    try:
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, 2) - 400 * n_lines))
            lines = file.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return ""
    return "\n".join(lines[-n_lines:])


def _time(written: object, folder: Path) -> datetime:
    with contextlib.suppress(ValueError, TypeError):
        return datetime.fromisoformat(written)  # type: ignore[arg-type]
    return datetime.fromtimestamp(folder.stat().st_mtime, tz=UTC)
