"""What every kind of run states about itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pydantic import TypeAdapter, ValidationError

from genediff.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from genediff.runs.job import Job
    from genediff.workspace import Workspace

C = TypeVar("C")


@dataclass(frozen=True)
class Kind(Generic[C]):
    """A kind of run: a configuration that survives JSON, and the function that does the work.

    Parameters
    ----------
    name
        Written in run.json.
    title
        What pages and tables call it.
    config
        Type of the configuration: a pydantic model or a dataclass of plain values.
    run
        Does the work in the worker: reports through the job, returns the closing sentence, raises `Cancelled` when the
        job was told to stop. It is called again on a resume and goes on from what it left in the folder.
    device
        The device a configuration wishes for ("auto", "cpu", ...); None for a kind that takes no device's turn.
    label
        A name for a run that was given none.
    along
        What further tasks of a cluster do in a run's folder beside the worker, which alone writes there and reports;
        None: nothing.
    processes
        How many processes of this machine do the work; each takes a GPU where there are some.
    """

    name: str
    title: str
    config: type[C]
    run: Callable[[Job, C], str]
    device: Callable[[C], str] | None
    label: Callable[[C], str]
    along: Callable[[Path, Workspace, C], None] | None = None
    processes: Callable[[C], int] = lambda config: 1

    def write_config(self, config: C) -> dict[str, Any]:
        """Return the configuration as plain JSON values."""
        content: dict[str, Any] = TypeAdapter(self.config).dump_python(config, mode="json")
        return content

    def read_config(self, content: dict[str, Any]) -> C:
        """Return the configuration from plain JSON values, checked."""
        try:
            return TypeAdapter(self.config).validate_python(content)
        except ValidationError as problem:
            first = problem.errors()[0]
            where = ".".join(str(part) for part in first["loc"]) or "the whole"
            raise InputError(
                f"The configuration of this {self.name} run is wrong at {where}: {first['msg']}."
            ) from None
