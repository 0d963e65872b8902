"""What identifies a data set: the hash of its file and of every choice, found beside the work on the file."""

from __future__ import annotations

import hashlib
import threading
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from typing import TYPE_CHECKING

from genediff.core.errors import Cancelled
from genediff.data.importing.stored_file import files_of

if TYPE_CHECKING:
    from concurrent.futures import Future
    from pathlib import Path
    from types import TracebackType
    from typing import Self

    from genediff.data.importing.config import ImportConfig

_BLOCK = 1 << 24
_AT_ONCE = 0.1
"""Seconds that the work waits for the hash, so that a small file that was imported before is known at once."""


class Hashing:
    """The hash of a file (or of all files of a folder) and an import's choices; a thread works while it is entered."""

    def __init__(self, path: Path, config: ImportConfig) -> None:
        self._path, self._config = path, config
        self._stop = threading.Event()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="hash")
        self._hash: Future[str] | None = None

    def __enter__(self) -> Self:
        self._hash = self._thread.submit(self._digest)
        wait_for([self._hash], _AT_ONCE)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.shutdown()

    @property
    def done(self) -> bool:
        """Whether ``result`` is there without waiting."""
        return self._hash is not None and self._hash.done()

    def result(self) -> str:
        """Return the hash; waits for it."""
        assert self._hash is not None
        return self._hash.result()

    def _digest(self) -> str:
        digest = hashlib.sha256(self._config.fingerprint().encode())
        for name in files_of(self._path):
            if self._path.is_dir():
                digest.update(f"{name.relative_to(self._path).as_posix()}\n{name.stat().st_size}\n".encode())
            with name.open("rb") as file:
                while data := file.read(_BLOCK):
                    if self._stop.is_set():
                        raise Cancelled("The import ended before its file was read.")
                    digest.update(data)
        return digest.hexdigest()
