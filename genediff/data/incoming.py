"""Large files on their way in: chunk by chunk to disk, each one checked, so that a lost connection costs one chunk.

A file is cut at fixed places. A chunk counts once its bytes are on disk and its SHA-256 is in the list of checksums; so
the length of that list says where to go on, after a lost connection, a reload or a killed server alike. At the end the
SHA-256 over all checksums has to be the sender's own: then every chunk is there, in order, and of one file.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import re
import secrets
import shutil
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from genediff.data.uploads import free_name, safe_name
from genediff.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from genediff.workspace import Workspace

CHUNK = 4 << 20
DIGEST = 32
QUOTA_GB = 200.0
FREE_BYTES = 1_000_000_000
"""Disk that is left to others."""
KEPT_SECONDS = 7 * 24 * 3600.0
"""How long an unfinished file waits for its next chunk."""
DONE_SECONDS = 24 * 3600.0
"""How long it is remembered that a file has arrived, for a sender whose connection was lost at the very end."""
_FOLDER, _FACTS, _DATA, _SUMS = ".incoming", "upload.json", "data", "checksums"
_ID = re.compile(r"[A-Za-z0-9_-]{20,64}")


class Refused(InputError):
    """What a sender is told: a sentence, what kind of problem it is (as an HTTP status), and where to go on."""

    def __init__(self, status: int, sentence: str, *, offset: int | None = None) -> None:
        super().__init__(sentence)
        self.status = status
        self.offset = offset


@dataclass(frozen=True)
class Incoming:
    """A file on its way: its folder, its safe name, and its size in bytes."""

    folder: Path
    name: str
    size: int
    created: float

    @property
    def id(self) -> str:
        """What its sender names it by; it cannot be guessed."""
        return self.folder.name

    @property
    def checksums(self) -> list[str]:
        """The SHA-256 of each chunk that is here, as hexadecimal numbers."""
        sums = self._sums()
        return [sums[place : place + DIGEST].hex() for place in range(0, len(sums), DIGEST)]

    @property
    def offset(self) -> int:
        """How many bytes are here: where to go on."""
        return min(len(self._sums()) // DIGEST * CHUNK, self.size)

    @property
    def touched(self) -> float:
        """When something last came, in seconds since 1970."""
        with contextlib.suppress(OSError):
            return (self.folder / _SUMS).stat().st_mtime
        return self.created

    @property
    def finished(self) -> str | None:
        """The name that the whole file has got among the uploads, None while it is on its way."""
        return _read(self.folder).get("finished")  # type: ignore[return-value]

    def append(self, offset: int, content: bytes | bytearray, checksum: str) -> int:
        """Take the chunk at `offset`, and return where to go on.

        Raises
        ------
        Refused
            When it is not the next chunk, not a whole one, or not what was sent; nothing of it counts then.
        """
        with self._alone():
            here = self.offset
            if offset != here:
                raise Refused(409, f"The next byte of {self.name} is number {here:,}, not {offset:,}.", offset=here)
            if len(content) != min(CHUNK, self.size - here) or not content:
                raise Refused(400, f"{len(content):,} bytes are not the next chunk of {self.name}.", offset=here)
            digest = hashlib.sha256(content).digest()
            if not secrets.compare_digest(digest.hex(), checksum.lower()):
                raise Refused(460, f"A chunk of {self.name} was damaged on its way; send it again.", offset=here)
            try:
                self._write(here, content, digest)
            except OSError as problem:
                raise _disk(problem) from None
            return self.offset

    def finish(self, checksum: str) -> str:
        """Put the whole file among the uploads, and return the name it has there; asked again, the same name.

        Parameters
        ----------
        checksum
            The SHA-256 over the 32-byte checksums of all chunks, in hexadecimal numbers.

        Raises
        ------
        Refused
            When chunks are missing, or the sender's file is another one; that one cannot be used and is discarded.
        """
        with self._alone():
            if (done := self.finished) is not None:
                return done
            if self.offset < self.size:
                raise Refused(409, f"{self.size - self.offset:,} bytes of {self.name} are missing.", offset=self.offset)
            if not secrets.compare_digest(hashlib.sha256(self._sums()).hexdigest(), checksum.lower()):
                self.discard()
                raise Refused(460, f"{self.name} has changed while it was sent; send it again.")
            name = _publish(self.folder / _DATA, self.folder.parents[1], self.name)
            _write(self.folder, {**_read(self.folder), "finished": name})
            return name

    def discard(self) -> None:
        """Remove what has come so far."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _write(self, offset: int, content: bytes | bytearray, digest: bytes) -> None:
        with (self.folder / _DATA).open("r+b") as file:
            file.seek(offset)
            file.write(content)
            file.truncate()
            file.flush()
            os.fsync(file.fileno())  # the checksum must not outlive its bytes
        whole = len(self._sums()) // DIGEST * DIGEST
        with (self.folder / _SUMS).open("r+b") as sums:
            sums.truncate(whole)
            sums.seek(whole)
            sums.write(digest)

    def _sums(self) -> bytes:
        try:
            content = (self.folder / _SUMS).read_bytes()
        except OSError:
            raise _unknown() from None
        return content[: len(content) // DIGEST * DIGEST]

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold the upload's lock: two windows may send the same file."""
        try:
            handle = os.open(self.folder / _FACTS, os.O_RDONLY)
        except OSError:
            raise _unknown() from None
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            if not self.folder.is_dir():
                raise _unknown()
            yield
        finally:
            os.close(handle)


def begin(workspace: Workspace, name: str, size: int) -> Incoming:
    """Make room for a file.

    Parameters
    ----------
    name
        Of the file, without a path.
    size
        In bytes.

    Raises
    ------
    Refused
        When the name or its ending cannot be taken, the file is empty, or there is no room for it.
    """
    if re.search(r"[/\\\x00-\x1f]", name) or name in ("", ".", ".."):
        raise Refused(422, "Give the name of a file, without a path.")
    try:
        safe = safe_name(name)
    except InputError as problem:
        raise Refused(422, str(problem)) from None
    if size <= 0:
        raise Refused(422, f"{safe} is empty (0 bytes); the export before it failed.")
    expire(workspace)
    _check_room(workspace, safe, size)
    folder = workspace.uploads / _FOLDER / secrets.token_urlsafe(24)
    folder.mkdir(parents=True)
    incoming = Incoming(folder, safe, size, time.time())
    for empty in (_DATA, _SUMS):
        (folder / empty).touch()
    facts = asdict(incoming)
    del facts["folder"]
    _write(folder, facts)
    return incoming


def find(workspace: Workspace, upload_id: str) -> Incoming:
    """Return a file on its way, or one that has just arrived.

    Raises
    ------
    Refused
        When there is none of that id: it was discarded, or has waited too long.
    """
    folder = workspace.uploads / _FOLDER / upload_id
    if not _ID.fullmatch(upload_id) or not folder.is_dir():
        raise _unknown()
    return _open(folder)


def unfinished(workspace: Workspace) -> list[Incoming]:
    """Return the files that are on their way, the latest first."""
    every = [one for one in _all(workspace) if one.finished is None]
    return sorted(every, key=lambda one: one.touched, reverse=True)


def expire(workspace: Workspace) -> None:
    """Remove what nobody has gone on with for a week."""
    now = time.time()
    for one in _all(workspace):
        if now - one.touched > (KEPT_SECONDS if one.finished is None else DONE_SECONDS):
            one.discard()


def quota() -> int:
    """Return how many bytes of uploads a workspace may hold: GENEDIFF_UPLOAD_QUOTA in GB, or 200 GB.

    Raises
    ------
    InputError
        When the setting is no number.
    """
    text = os.environ.get("GENEDIFF_UPLOAD_QUOTA", "").strip()
    try:
        return int(float(text or QUOTA_GB) * 1e9)
    except (ValueError, OverflowError):
        raise InputError(f"GENEDIFF_UPLOAD_QUOTA is a number of gigabytes, such as 200, not '{text}'.") from None


def used(workspace: Workspace) -> int:
    """Return the bytes of all uploads, those that are on their way at their full size."""
    arrived = sum(path.stat().st_size for path in workspace.uploads.iterdir() if path.is_file())
    return arrived + sum(one.size for one in unfinished(workspace))


def _check_room(workspace: Workspace, name: str, size: int) -> None:
    left = quota() - used(workspace)
    if size > left:
        raise Refused(
            413,
            f"{name} has {_gb(size)} and uploads may take {_gb(max(left, 0))} more in this workspace. Delete files "
            "that were sent earlier, or whoever runs the server raises GENEDIFF_UPLOAD_QUOTA.",
        )
    awaited = sum(one.size - one.offset for one in unfinished(workspace))
    free = shutil.disk_usage(workspace.uploads).free - awaited - FREE_BYTES
    if size > free:
        raise Refused(507, f"{name} has {_gb(size)} and the server's disk has room for {_gb(max(free, 0))} more.")


def _publish(data: Path, folder: Path, name: str) -> str:
    while True:
        target = free_name(folder, name)
        try:
            os.link(data, target)  # unlike a rename it never replaces a file that came in between
        except FileExistsError:
            continue
        except OSError:  # a file system without hard links
            os.replace(data, target)
            return target.name
        data.unlink()
        return target.name


def _all(workspace: Workspace) -> list[Incoming]:
    place = workspace.uploads / _FOLDER
    found = []
    for folder in place.iterdir() if place.is_dir() else ():
        with contextlib.suppress(Refused):
            found.append(_open(folder))
    return found


def _open(folder: Path) -> Incoming:
    facts = _read(folder)
    try:
        return Incoming(folder, str(facts["name"]), int(facts["size"]), float(facts["created"]))  # type: ignore[call-overload, arg-type]
    except (KeyError, ValueError, TypeError):
        raise _unknown() from None


def _read(folder: Path) -> dict[str, object]:
    try:
        content = json.loads((folder / _FACTS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _write(folder: Path, facts: dict[str, object]) -> None:
    draft = folder / f"{_FACTS}.part"
    draft.write_text(json.dumps(facts), encoding="utf-8")
    os.replace(draft, folder / _FACTS)


def _unknown() -> Refused:
    return Refused(404, "The server does not know this upload: it was discarded, or has waited for more than a week.")


def _disk(problem: OSError) -> Refused:
    if problem.errno in (errno.ENOSPC, errno.EDQUOT):
        return Refused(507, "The server's disk is full; make room there, and the upload goes on.")
    return Refused(500, f"The server could not write the file ({problem.strerror}).")


def _gb(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e8 else f"{size / 1e6:.1f} MB"
