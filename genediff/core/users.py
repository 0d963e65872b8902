"""Several people on one server: a workspace for each, below the one that they share and can only read.

``HOME/users/NAME`` with a file ``user.json`` is a user's workspace, and HOME is the shared one. That is all there is to
know: the app, workers and the command line find it out from the path, so none of them needs a setting.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from genediff.core.errors import InputError
from genediff.core.json_files import read_or_none, write_json

if TYPE_CHECKING:
    from pathlib import Path

FOLDER, FILE = "users", "user.json"


@dataclass(frozen=True)
class Limits:
    """What one user may take up; None: as much as there is.

    Attributes
    ----------
    gigabytes
        Of all files in the workspace.
    runs
        That wait or go on at a time.
    minutes
        That one run may take.
    cluster
        Whether runs may go to the profiles of a cluster.
    """

    gigabytes: float | None = None
    runs: int | None = None
    minutes: float | None = None
    cluster: bool = True


def shared_root(root: Path) -> Path | None:
    """Return the workspace that a user's stands below; None of a workspace that is nobody's in particular."""
    return root.parents[1] if root.parent.name == FOLDER and (root / FILE).is_file() else None


def common_root(root: Path) -> Path:
    """Return the workspace that all users of this one have in common: the shared one, or itself."""
    return shared_root(root) or root


def user_root(shared: Path, kind: str, key: str, limits: Limits, *, name: str = "", most: int | None = None) -> Path:
    """Return the workspace of a user, made where it is new.

    Parameters
    ----------
    kind
        What the user is known by, such as "browser"; the folder's name begins with it.
    key
        What identifies the user among others of this kind. It cannot be found out from the folder.
    limits
        That hold from now on.
    name
        For whoever looks after the server.
    most
        How many users there may be.

    Raises
    ------
    InputError
        When the folder cannot be made, or there are as many already.
    """
    root = shared / FOLDER / f"{kind}-{hashlib.sha256(key.encode()).hexdigest()[:24]}"
    about = {"name": name, "limits": asdict(limits)}
    if read_or_none(root / FILE) != about:
        if most is not None and not root.exists() and root.parent.is_dir() and len(os.listdir(root.parent)) >= most:
            raise InputError(f"This server takes {most:,} users, and has as many; ask whoever runs it.")
        try:
            root.mkdir(parents=True, exist_ok=True)
            write_json(root / FILE, about)
        except OSError as error:
            raise InputError(f"A workspace of your own could not be made on this server ({error.strerror}).") from None
    return root


def limits_of(root: Path) -> Limits:
    """Return what the owner of a workspace may take up."""
    content = (read_or_none(root / FILE) or {}).get("limits", {}) if shared_root(root) else {}
    return Limits(**{name: value for name, value in content.items() if name in Limits.__dataclass_fields__})


def used_bytes(root: Path) -> int:
    """Return the size of all files of a workspace, without those of the users below it."""
    total, waiting = 0, [str(root)]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        if entry.name != FOLDER:
                            waiting.append(entry.path)
                    else:
                        total += entry.stat(follow_symlinks=False).st_size
        except OSError:  # deleted meanwhile
            continue
    return total


def check_room(root: Path, more: int = 0) -> None:
    """Raise an InputError where a workspace has no room for `more` bytes."""
    most = limits_of(root).gigabytes
    if most is not None and (used := used_bytes(root)) + more > most * 1e9:
        raise InputError(
            f"Your workspace holds {used / 1e9:.2f} GB and may hold {most:g} GB on this server; "
            "delete data sets, models, runs or uploaded files, and empty the trash."
        )
