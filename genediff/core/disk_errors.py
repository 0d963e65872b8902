"""Files that are written whole or not at all, and the sentence for a disk that is full or cannot be written."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, Any

from genediff.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator


class DiskError(InputError):
    """A disk is full or cannot be written; the message says which, and what to do."""


_FULL = "The disk is full{place}: free some space, and do it again."
_READ_ONLY = "The disk is read-only{place}: make it writable, or set GENEDIFF_HOME to another folder."
_FORBIDDEN = "This user may not write{place}: change the permissions, or set GENEDIFF_HOME to another folder."
_BY_NUMBER = {
    errno.ENOSPC: _FULL, errno.EDQUOT: _FULL, errno.EFBIG: _FULL, errno.EROFS: _READ_ONLY, errno.EACCES: _FORBIDDEN,
    errno.EPERM: _FORBIDDEN,
}  # fmt: skip
_BY_TEXT = {  # HDF5, safetensors and zarr put the system's message into errors of their own
    _FULL: re.compile(r"No space left on device|quota exceeded|File too large|\d+ requested and \d+ written", re.I),
    _READ_ONLY: re.compile(r"Read-only file system", re.I),
    _FORBIDDEN: re.compile(r"Permission denied", re.I),
}
_MOST_CAUSES = 10
_LEAST_ROOM = 1 << 17
"""What a run needs for its description, its log and its last words."""


def disk_error(error: BaseException) -> DiskError | None:
    """Return the sentence for an error that comes of a disk which is full or cannot be written; None for others.

    Libraries wrap the system's error, so causes count too.
    """
    cause: BaseException | None = error
    for _ in range(_MOST_CAUSES):
        if cause is None or isinstance(cause, InputError):
            return cause if isinstance(cause, DiskError) else None
        sentence = _BY_NUMBER.get(cause.errno or 0) if isinstance(cause, OSError) else None
        sentence = sentence or next((one for one, text in _BY_TEXT.items() if text.search(str(cause))), None)
        if sentence is not None:
            return DiskError(sentence.format(place=_place(cause)))
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
    return None


def disk_trouble(folder: Path) -> str | None:
    """Return the sentence for a folder whose disk is full or cannot be written now; None where it can be."""
    if not os.access(folder, os.W_OK):
        read_only = hasattr(os, "statvfs") and bool(os.statvfs(folder).f_flag & os.ST_RDONLY)
        return (_READ_ONLY if read_only else _FORBIDDEN).format(place=f" at {folder}")
    return _FULL.format(place=f" at {folder}") if shutil.disk_usage(folder).free < _LEAST_ROOM else None


def _place(error: BaseException) -> str:
    """Name the folder, since the file is a draft as a rule."""
    name = getattr(error, "filename", None)
    if not isinstance(name, str | os.PathLike):
        return ""
    path = Path(name)
    return f" at {path if path.is_dir() else path.parent}"


@contextlib.contextmanager
def disk_errors() -> Iterator[None]:
    """Turn errors of a disk that is full or cannot be written into a DiskError, which is an InputError."""
    try:
        yield
    except Exception as error:
        if (problem := disk_error(error)) is None:
            raise
        raise problem from error


@contextlib.contextmanager
def draft(path: Path) -> Iterator[Path]:
    """Yield a path beside another one, whose place it takes in one step at the end; what fails leaves nothing.

    Parameters
    ----------
    path
        The file or folder to write; its folder must be there. Readers see the old one or the new one.
    """
    partial = path.with_name(f".{path.name}-{token_hex(4)}.part")
    try:
        yield partial
        if path.is_dir() and partial.exists():
            shutil.rmtree(path)  # a folder replaces none that holds anything
        os.replace(partial, path)
    finally:
        if partial.is_dir():
            shutil.rmtree(partial, ignore_errors=True)
        with contextlib.suppress(OSError):
            partial.unlink()


def new_array(path: Path, shape: tuple[int, ...], dtype: Any) -> Any:
    """Return a .npy file as an array in memory, all of its disk taken: to write on a full disk ends the process.

    Raises
    ------
    OSError
        When there is not enough disk.
    """
    import numpy as np

    array = np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=shape)
    if hasattr(os, "posix_fallocate"):  # macOS has none
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    return array
