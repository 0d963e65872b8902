"""Placing cells on a map in a process of its own.

umap-learn is compiled at its first use in a process, for some seconds. Meanwhile the compiler holds
Python's lock nearly all the time: in the process of the app it would slow pages, and generations a hundredfold.
multiprocessing is no way to start it, because a spawned child runs the app's script again.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING

from genediff.core.errors import InputError
from genediff.core.installation import PACKAGE_PARENT

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np


class Placer:
    """A child process that places cells, one request after the other; it ends with the process that started it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection | None = None
        self._number = 0

    def place(self, folder: Path, pcs: np.ndarray, *, waiting: Callable[[], None] | None = None) -> np.ndarray:
        """Return the coordinates of cells on the map of the data set in `folder`.

        Parameters
        ----------
        folder
            Of the data set.
        pcs
            ``(cell, pc)``.
        waiting
            Called a few times a second meanwhile; what it raises ends the waiting.

        Returns
        -------
        numpy.ndarray
            ``(cell, 2)``, float32.

        Raises
        ------
        InputError
            When the data set has no map, or the process ended, for instance for want of memory.
        """
        with self._lock:
            connection = self._connect()
            self._number += 1
            try:
                connection.send((self._number, str(folder), pcs))
                answer = self._wait(connection, waiting)
            except (EOFError, OSError):
                self._process = None
                raise InputError(
                    "The cells could not be placed on the map: the process that does it ended, perhaps for want of "
                    "memory. Try again with fewer cells."
                ) from None
        if isinstance(answer, str):
            raise InputError(answer)
        return answer

    def warm(self, folder: Path) -> None:
        """Compile what `place` needs, on a few cells of the data set in `folder`."""
        from genediff.data.cells.dataset import Dataset

        self.place(folder, Dataset.open(folder).pcs[:2] + 1e-3)

    def _connect(self) -> Connection:
        if self._connection is None or self._process is None or self._process.poll() is not None:
            ours, theirs = socket.socketpair()
            self._connection = Connection(ours.detach())
            with theirs:
                self._process = subprocess.Popen(
                    [sys.executable, "-m", "genediff.data.cells.placer", str(theirs.fileno())],
                    pass_fds=(theirs.fileno(),),
                    stdin=subprocess.DEVNULL,
                    env={**os.environ, "PYTHONPATH": _with_package(os.environ.get("PYTHONPATH"))},
                )
        return self._connection

    def _wait(self, connection: Connection, waiting: Callable[[], None] | None) -> np.ndarray | str:
        while True:
            while not connection.poll(0.2):
                if waiting is not None:
                    waiting()
            number, answer = connection.recv()
            if number == self._number:  # answers to requests that nobody waits for any more are passed over
                return answer


def _with_package(path: str | None) -> str:
    return os.pathsep.join([str(PACKAGE_PARENT), *filter(None, [path])])


def serve(connection: Connection) -> None:
    """Answer requests until the other side is gone."""
    from genediff.data.cells.dataset import Dataset

    while True:
        try:
            number, folder, pcs = connection.recv()
        except (EOFError, ConnectionError, KeyboardInterrupt):
            return
        try:
            connection.send((number, Dataset.open(Path(folder)).transform_umap(pcs)))
        except InputError as problem:
            connection.send((number, str(problem)))


PLACER = Placer()
"""The one of this process; nothing starts before it is first used."""

if __name__ == "__main__":
    serve(Connection(int(sys.argv[1])))
