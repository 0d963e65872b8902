"""Where runs may go, as profiles in a TOML file: this machine, or partitions of a SLURM cluster.

`local` is always there. Others are read from `profiles.toml` in the workspace, and from the file that
$GENEDIFF_PROFILES names or else `profiles.toml` in the user's configuration folder; the workspace's win. The users of
one server have the profiles of the workspace that they share, if their runs may go to a cluster at all.
"""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import platformdirs
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from genediff.core.errors import InputError
from genediff.core.users import common_root, limits_of

if TYPE_CHECKING:
    from collections.abc import Mapping

FILE = "profiles.toml"
LOCAL = "local"

EXAMPLE = """\
[gpu]                              # the name to choose it by
backend = "slurm"
title = "One A100, up to a day"
partition = "gpu"
devices = 1                        # GPUs on each node; 0: none
nodes = 1
# tasks = 1                        # processes on each node; one for each GPU unless given
cpus = 8                           # cores for each process
memory = "64G"                     # for each node
time = "1-00:00:00"                # days-hours:minutes:seconds, or minutes
modules = ["cuda/12.4"]            # loaded before the run
venv = "/shared/venvs/genediff"    # the one that the app runs in unless given
setup = ["ulimit -n 65536"]        # further lines of shell before the run

[gpu.directives]                   # anything else that sbatch knows
account = "lab"
constraint = "a100"
exclude = "node07"
"""
"""What the README, the app and `profiles --example` show."""

RESERVED = frozenset({"array", "error", "job-name", "no-requeue", "open-mode", "output", "requeue", "signal", "wrap"})
"""Directives that GeneDiff needs for itself: logs, the warning before the time limit, and the queueing anew."""
EARLY = 60
"""Seconds by which a signal may come before sbatch's --signal asks for it (SLURM's manual of sbatch)."""

_LINE = re.compile(r"[^\r\n\0]*")
_TIME = re.compile(r"(?:(?P<days>\d+)-)?(?P<rest>\d+(?::\d+){0,2})")


class Profile(BaseModel):
    """One place for runs. Sizes are for each node, as on SLURM's own command line; `local` ignores them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    backend: Literal["local", "slurm"] = "slurm"
    title: str = ""
    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    devices: int = Field(0, ge=0, le=64)
    device_type: str | None = None
    nodes: int = Field(1, ge=1, le=4096)
    tasks: int | None = Field(None, ge=1, le=256)
    cpus: int | None = Field(None, ge=1, le=1024)
    memory: str | None = Field(None, pattern=r"^\d+[KMGT]?$")
    time: int | str = "4:00:00"
    warning: int = Field(120, ge=10, le=3600)
    parallel: int = Field(8, ge=1, le=1000)
    modules: tuple[str, ...] = ()
    venv: str | None = None
    setup: tuple[str, ...] = ()
    environment: dict[str, str] = {}
    directives: dict[str, str | int | bool] = {}

    @property
    def tasks_per_node(self) -> int:
        """Processes on each node: one for each GPU unless the profile says otherwise."""
        return self.tasks or max(self.devices, 1)

    @property
    def minutes(self) -> int:
        """The time limit in whole minutes, which is what SLURM counts in."""
        return minutes(self.time)

    @field_validator("time")
    @classmethod
    def _time_can_be_read(cls, value: int | str) -> int | str:
        if minutes(value) < 1:
            raise ValueError("a run needs a minute at least")
        return value

    @model_validator(mode="after")
    def _warning_comes_in_time(self) -> Profile:
        if self.warning + EARLY > 60 * self.minutes:
            raise ValueError(
                f"a warning of {self.warning} seconds before its time limit leaves a run no time, since SLURM may send "
                f"it up to {EARLY} seconds earlier; lower `warning` or raise `time`"
            )
        return self

    @field_validator("directives")
    @classmethod
    def _directives_are_free(cls, value: dict[str, str | int | bool]) -> dict[str, str | int | bool]:
        named = {name.replace("_", "-"): content for name, content in value.items()}
        if taken := sorted(RESERVED & set(named)):
            raise ValueError(f"'{taken[0]}' is set by GeneDiff itself")
        if wrong := [name for name in named if not re.fullmatch(r"[a-z][a-z-]*", name)]:
            raise ValueError(f"'{wrong[0]}' is no name of an sbatch option; write it in full and without the dashes")
        return named

    @field_validator("partition", "account", "qos", "device_type", "venv", "modules", "setup", "environment")
    @classmethod
    def _one_line(cls, value: Any) -> Any:
        for text in value.values() if isinstance(value, dict) else value if isinstance(value, tuple) else (value,):
            if text is not None and not _LINE.fullmatch(text):
                raise ValueError("a value is one line")
        return value


def minutes(time: int | str) -> int:
    """Return a time limit in minutes, rounded up: minutes, or SLURM's [days-]hours:minutes:seconds.

    As in SLURM, "90" are minutes, "90:00" are minutes and seconds, "1-12" is a day and twelve hours.
    """
    if isinstance(time, int):
        return time
    found = _TIME.fullmatch(time.strip())
    if found is None:
        raise ValueError("write it as days-hours:minutes:seconds, such as 1-00:00:00, or as a number of minutes")
    parts = [int(part) for part in found["rest"].split(":")]
    if found["days"] is not None:
        hours, mins, seconds = (*parts, 0, 0)[:3]
        hours += 24 * int(found["days"])
    elif len(parts) == 3:
        hours, mins, seconds = parts
    else:
        hours, (mins, seconds) = 0, (*parts, 0)[:2]
    return 60 * hours + mins + (seconds > 0)


def profile_files(root: Path) -> tuple[Path, ...]:
    """Return where profiles may lie, the one that wins last."""
    named = os.environ.get("GENEDIFF_PROFILES")
    own = Path(named).expanduser() if named else Path(platformdirs.user_config_dir("genediff")) / FILE
    return (own, common_root(root) / FILE)


def read_profiles(root: Path) -> dict[str, Profile]:
    """Return the profiles of the workspace at `root` by name, `local` first.

    Raises
    ------
    InputError
        When a file is there that cannot be read, or an entry of it is wrong; file, profile and entry are named.
    """
    found = {LOCAL: Profile(backend="local", title="This machine")}
    for path in profile_files(root) if limits_of(root).cluster else ():
        found |= _read(path)
    return found


def find_profile(root: Path, name: str) -> Profile:
    """Return a profile by its name.

    Raises
    ------
    InputError
        When there is none of that name; the known ones are named.
    """
    if name == LOCAL:  # a broken file must not stand in the way of runs that do not need it
        return Profile(backend="local", title="This machine")
    known = read_profiles(root)
    if name not in known:
        raise InputError(
            f"There is no profile '{name}'; known: {', '.join(known)}. "
            f"Profiles are written in {profile_files(root)[-1]}."
        )
    return known[name]


def to_dict(profile: Profile) -> dict[str, Any]:
    """Return what differs from an empty profile as plain JSON values."""
    return profile.model_dump(mode="json", exclude_defaults=True)


def _read(path: Path) -> dict[str, Profile]:
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as problem:
        raise InputError(f"The profiles in {path} cannot be read: {problem}.") from None
    return {name: _profile(name, entry, path) for name, entry in content.items()}


def _profile(name: str, entry: Any, path: Path) -> Profile:
    if name == LOCAL:
        raise InputError(f"The profile '{LOCAL}' in {path} is always this machine; give yours another name.")
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", name):
        raise InputError(f"The profile '{name}' in {path} needs a name of letters, digits, '-' and '_'.")
    if not isinstance(entry, dict):
        raise InputError(f"'{name}' in {path} stands outside of a profile; write it below a heading such as [gpu].")
    try:
        return Profile.model_validate(entry)
    except ValidationError as problem:
        raise InputError(f"The profile '{name}' in {path} is wrong {_first(problem)}.") from None


def _first(problem: ValidationError) -> str:
    first: Mapping[str, Any] = problem.errors()[0]
    where = str(first["loc"][0]) if first["loc"] else "warning"
    if first["type"] == "extra_forbidden":
        known = ", ".join(Profile.model_fields)
        return f"at '{where}': there is no such entry; known: {known}; other options of sbatch go below directives"
    return f"at '{where}': {str(first['msg']).removeprefix('Value error, ')}"
