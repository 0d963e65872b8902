"""Which files of the server the app may read."""

from __future__ import annotations

import os
from pathlib import Path

from genediff.core.errors import InputError
from genediff.core.users import shared_root


def allowed_roots(uploads: Path) -> tuple[Path, ...]:
    """Return the folders below which the app may read: the workspace's uploads and those in GENEDIFF_ROOTS.

    Where GENEDIFF_ROOTS is not set, the home folder and the working directory stand for it, but not for the users of a
    server: these folders belong to whoever runs it.
    """
    setting = os.environ.get("GENEDIFF_ROOTS")
    usual = [Path.home(), Path.cwd()] if shared_root(uploads.resolve().parent) is None else []
    named = [Path(part) for part in setting.split(os.pathsep) if part] if setting else usual
    return tuple(dict.fromkeys(root.expanduser().resolve() for root in (uploads, *named)))


def may_read(real: Path, uploads: Path) -> bool:
    """Whether a path without links lies below an allowed root, and in no workspace but the one of these uploads.

    Where several people use one server, nobody reads files of another workspace of it, whatever GENEDIFF_ROOTS says.
    """
    own = uploads.resolve()
    above = shared_root(own.parent)
    if above is not None and real.is_relative_to(above) and not real.is_relative_to(own):
        return False
    return any(real.is_relative_to(root) for root in allowed_roots(uploads))


def check_path(path: str | Path, uploads: Path) -> Path:
    """Return the real path of a file (or zarr folder) on the server if the app may read it.

    Links and ``..`` are followed before the check, so neither leads out of the allowed folders.

    Raises
    ------
    InputError
        When the path is empty, outside the allowed folders, or no file.
    """
    text = str(path).strip()
    if not text or "\0" in text:
        raise InputError("Give the path of a file on the server.")
    if not is_text(text):
        raise InputError("The path holds bytes that are no text (UTF-8); rename the file or folder.")
    try:
        real = Path(text).expanduser().resolve()
    except (OSError, RuntimeError):
        raise InputError(f"{text} is no path that can be followed.") from None
    if not may_read(real, uploads):
        roots = allowed_roots(uploads)
        raise InputError(
            f"{text} is outside the folders that this app may read ({', '.join(map(str, roots))}); "
            "set GENEDIFF_ROOTS to allow more."
        )
    if not real.is_file() and not (real.is_dir() and real.name.lower().endswith(".zarr")):
        raise InputError(f"There is no file {text} on the server.")
    return real


def is_text(name: str) -> bool:
    """Whether a name that the file system gave can be written as text: it may be any bytes."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
