"""Large files on their way in: chunk by chunk to disk, each one checked, so that a lost connection costs one chunk.

A file is cut at fixed places. A chunk counts once its bytes are on disk and its SHA-256 is in the list of checksums; so
the length of that list says where to go on, after a lost connection, a reload or a killed server alike. At the end the
SHA-256 over all checksums has to be the sender's own: then every chunk is there, in order, and of one file.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import secrets
import shutil
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

from genediff.core.disk_errors import disk_errors
from genediff.core.errors import InputError
from genediff.core.json_files import MALFORMED, read_object, write_json
from genediff.core.users import limits_of, used_bytes
from genediff.data.uploads.upload_files import free_name, safe_name

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


CHUNK = 4 << 20
DIGEST = 32
MAX_UPLOAD_BYTES = 200 * 1024 * 1024
"""Of a file that comes at once, through Streamlit's own uploader."""
QUOTA_GB = 200.0
MOST_BYTES = 1 << 50
MOST_STARTED = 100
"""Files that are on their way at a time; each takes a folder, also before anything of it came."""
FREE_BYTES = 1_000_000_000
"""Disk that is left to others."""
KEPT_SECONDS = 7 * 24 * 3600.0
"""How long an unfinished file waits for its next chunk."""
DONE_SECONDS = 24 * 3600.0
"""How long it is remembered that a file has arrived, for a sender whose connection was lost at the very end."""
_BLOCK = 1 << 20
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
        return _facts(self.folder).get("finished")

    def append(self, offset: int, content: bytes | bytearray, checksum: str) -> int:
        """Take the chunk at `offset`, and return where to go on.

        Raises
        ------
        Refused
            When it is not the next chunk, not a whole one, or not what was sent; nothing of it counts then.
        DiskError
            When the disk is full; what came before counts.
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
            with disk_errors():
                self._write(here, content, digest)
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
            write_json(self.folder / _FACTS, {**_facts(self.folder), "finished": name})
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


def begin(uploads: Path, name: str, size: int) -> Incoming:
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
    if size > MOST_BYTES:
        raise Refused(413, f"{safe} is larger than any file that can be sent ({MOST_BYTES / 1e12:.0f} TB).")
    with _one_at_a_time(uploads / _FOLDER):
        expire(uploads)
        if len(unfinished(uploads)) >= MOST_STARTED:
            raise Refused(429, f"{MOST_STARTED} files are on their way already; finish or discard some of them first.")
        _check_room(uploads, safe, size)
        folder = uploads / _FOLDER / secrets.token_urlsafe(24)
        folder.mkdir()
        incoming = Incoming(folder, safe, size, time.time())
        for empty in (_DATA, _SUMS):
            (folder / empty).touch()
        facts = asdict(incoming)
        del facts["folder"]
        write_json(folder / _FACTS, facts)
    return incoming


def save_upload(content: bytes | BinaryIO, name: str, uploads: Path) -> Path:
    """Keep an uploaded file.

    Parameters
    ----------
    content
        The bytes, or an open binary file that is read in blocks.
    name
        What the browser calls it; it is made safe.
    uploads
        The folder it goes to: `Workspace.uploads`.

    Raises
    ------
    InputError
        When it is empty, above 200 MB, of no known format, or there is no room for it. Nothing is left behind.
    """
    target_name = safe_name(name)
    uploads.mkdir(parents=True, exist_ok=True)
    partial = uploads / f".part-{secrets.token_hex(6)}"
    try:
        size = _copy(content, partial)
        if size == 0:
            raise InputError(f"{target_name} is empty (0 bytes); the upload or the export before it failed.")
        with _one_at_a_time(uploads / _FOLDER):
            _check_room(uploads, target_name, size, written=True)
            target = free_name(uploads, target_name)
            os.replace(partial, target)
    finally:
        partial.unlink(missing_ok=True)
    return target


def _copy(content: bytes | BinaryIO, target: Path) -> int:
    size = 0
    with target.open("wb") as file:
        if isinstance(content, bytes):
            blocks = iter([content])
        else:
            blocks = iter(lambda: content.read(_BLOCK), b"")
        for block in blocks:
            size += len(block)
            if size > MAX_UPLOAD_BYTES:
                raise InputError("The file is above 200 MB; put it on the server and give its path instead.")
            file.write(block)
    return size


@contextlib.contextmanager
def _one_at_a_time(folder: Path) -> Iterator[None]:
    """Hold the lock of a workspace's uploads: room that was found must be taken before another looks for some."""
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def find(uploads: Path, upload_id: str) -> Incoming:
    """Return a file on its way, or one that has just arrived.

    Raises
    ------
    Refused
        When there is none of that id: it was discarded, or has waited too long.
    """
    folder = uploads / _FOLDER / upload_id
    if not _ID.fullmatch(upload_id) or not folder.is_dir():
        raise _unknown()
    return _open(folder)


def unfinished(uploads: Path) -> list[Incoming]:
    """Return the files that are on their way, the latest first."""
    every = [one for one in _all(uploads) if one.finished is None]
    return sorted(every, key=lambda one: one.touched, reverse=True)


def expire(uploads: Path) -> None:
    """Remove what nobody has gone on with for a week."""
    now = time.time()
    for one in _all(uploads):
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


def used(uploads: Path) -> int:
    """Return the bytes of all uploads, those that are on their way at their full size."""
    arrived = 0
    for path in uploads.iterdir():
        with contextlib.suppress(FileNotFoundError):  # deleted or moved in the meantime
            arrived += path.stat().st_size if path.is_file() else 0
    return arrived + sum(one.size for one in unfinished(uploads))


def _check_room(uploads: Path, name: str, size: int, *, written: bool = False) -> None:
    """Refuse a file that there is no room for; one that is ``written`` already has its disk, and counts as used."""
    left = quota() - used(uploads)
    if (most := limits_of(uploads.parent).gigabytes) is not None:
        awaited = sum(one.size - one.offset for one in unfinished(uploads))
        left = min(left, int(most * 1e9) - used_bytes(uploads.parent) - awaited)
    left += size if written else 0
    if size > left:
        raise Refused(
            413,
            f"{name} has {_gb(size)} and uploads may take {_gb(max(left, 0))} more in this workspace. Delete files "
            "that were sent earlier, or whoever runs the server raises GENEDIFF_UPLOAD_QUOTA.",
        )
    if written:
        return
    awaited = sum(one.size - one.offset for one in unfinished(uploads))
    free = shutil.disk_usage(uploads).free - awaited - FREE_BYTES
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


def _all(uploads: Path) -> list[Incoming]:
    place = uploads / _FOLDER
    found = []
    for folder in (one for one in place.iterdir() if one.is_dir()) if place.is_dir() else ():
        with contextlib.suppress(Refused):
            found.append(_open(folder))
    return found


def _open(folder: Path) -> Incoming:
    facts = _facts(folder)
    try:
        return Incoming(folder, str(facts["name"]), int(facts["size"]), float(facts["created"]))
    except (KeyError, ValueError, TypeError):
        raise _unknown() from None


def _facts(folder: Path) -> dict[str, Any]:
    try:
        return read_object(folder / _FACTS)
    except MALFORMED:
        return {}


def _unknown() -> Refused:
    return Refused(404, "The server does not know this upload: it was discarded, or has waited for more than a week.")


def _gb(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e8 else f"{size / 1e6:.1f} MB"
