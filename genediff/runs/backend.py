"""What a place for workers can do: start one for a run's folder, end it, and say where its job stands."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from genediff.core.installation import PACKAGE_PARENT

if TYPE_CHECKING:
    from pathlib import Path

WORKER_ENVIRONMENT = {
    "OMP_WAIT_POLICY": "PASSIVE",  # waiting threads sleep: threefold faster beside a busy neighbour
    "THP_MEM_ALLOC_ENABLE": "1",  # torch's huge pages
    "CUBLAS_WORKSPACE_CONFIG": ":4096:8",  # the same sums in the same order on a GPU
    "PYTHONUNBUFFERED": "1",
    "MPLBACKEND": "Agg",
    "SUBMITIT_LOG_LEVEL": "WARNING",
}


@dataclass(frozen=True)
class Look:
    """Where the job of a run stands, seen from outside.

    Parameters
    ----------
    place
        waiting: a worker may still come. going: it has a node, and its worker should speak. gone: nothing will come by
        itself. unknown: whoever should know does not answer.
    sentence
        For people; a "gone" that says nothing leaves the reader to wait for a grace period.
    ends_as
        What a run has become whose job is gone without the worker's word.
    """

    place: Literal["waiting", "going", "gone", "unknown"]
    sentence: str = ""
    ends_as: Literal["lost", "cancelled"] = "lost"


class Backend(Protocol):
    """Starts the worker of a run folder somewhere, and ends it."""

    name: str
    gives_out_devices: bool
    """Whether a scheduler gives each run its devices; otherwise runs wait for those of this machine in turns."""

    def submit(self, folder: Path, root: Path) -> None:
        """Start a worker for the run in `folder` of the workspace at `root`."""

    def cancel(self, folder: Path, *, force: bool) -> None:
        """Ask the worker to stop (it also watches its folder's `cancel` file); with `force`, end it at once."""

    def look(self, folder: Path) -> Look:
        """Say where the run's job stands. Asked often: answers may be some seconds old."""

    def logs(self, folder: Path) -> dict[str, Path]:
        """Return what the backend itself wrote down of the run's job, by title."""


def python_path() -> str:
    """Return the PYTHONPATH by which a worker finds this very package."""
    return os.pathsep.join([str(PACKAGE_PARENT), *filter(None, [os.environ.get("PYTHONPATH")])])
