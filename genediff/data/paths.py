"""Which files of the server the app may read."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from genediff.errors import InputError

if TYPE_CHECKING:
    from genediff.workspace import Workspace


def allowed_roots(workspace: Workspace) -> tuple[Path, ...]:
    """Return the folders below which the app may read: the workspace's uploads and those in GENEDIFF_ROOTS.

    Where GENEDIFF_ROOTS is not set, the home folder and the working directory stand for it.
    """
    setting = os.environ.get("GENEDIFF_ROOTS")
    named = [Path(part) for part in setting.split(os.pathsep) if part] if setting else [Path.home(), Path.cwd()]
    return tuple(dict.fromkeys(root.expanduser().resolve() for root in (workspace.uploads, *named)))


def check_path(path: str | Path, workspace: Workspace) -> Path:
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
    try:
        real = Path(text).expanduser().resolve()
    except (OSError, RuntimeError):
        raise InputError(f"{text} is no path that can be followed.") from None
    roots = allowed_roots(workspace)
    if not any(real.is_relative_to(root) for root in roots):
        raise InputError(
            f"{text} is outside the folders that this app may read ({', '.join(map(str, roots))}); "
            "set GENEDIFF_ROOTS to allow more."
        )
    if not real.is_file() and not (real.is_dir() and real.name.lower().endswith(".zarr")):
        raise InputError(f"There is no file {text} on the server.")
    return real
