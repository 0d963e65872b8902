"""What lies in a folder of the server, as far as the app may read it: folders, and files of formats that are read."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

from genediff.core.errors import InputError
from genediff.data.importing.read_file import SUFFIXES
from genediff.data.uploads.allowed_roots import allowed_roots, is_text, may_read


@dataclass(frozen=True)
class Entry:
    """A folder or a file: its name here, where it really lies, and of files the size in bytes and when they changed."""

    name: str
    path: Path
    is_folder: bool
    size: int = 0
    changed: float = 0.0


@dataclass(frozen=True)
class Listing:
    """A folder: the root that it lies below, itself, and what it holds (folders first)."""

    root: Path
    folder: Path
    entries: tuple[Entry, ...]

    @property
    def steps(self) -> tuple[Path, ...]:
        """The folders from the root down to this one."""
        below = self.folder.relative_to(self.root).parts
        return tuple(self.root.joinpath(*below[:depth]) for depth in range(len(below) + 1))


def list_folder(folder: str | Path, uploads: Path) -> Listing:
    """List a folder that lies below an allowed root.

    Links are followed first: what they lead to counts, so neither a link nor ``..`` leads out, and links that would are
    not shown. Hidden names are not shown either, nor those that are no UTF-8: no page can write them.

    Raises
    ------
    InputError
        When the folder is outside the allowed ones, is not there, or may not be read.
    """
    roots = allowed_roots(uploads)
    text = str(folder)
    try:
        real = Path(text).expanduser().resolve()
    except (OSError, RuntimeError, ValueError):
        raise InputError("This is no path that can be followed.") from None
    holding = [root for root in roots if real.is_relative_to(root)]
    if not holding or not may_read(real, uploads):
        raise InputError(f"{text} is outside the folders that this app may read; set GENEDIFF_ROOTS to allow more.")
    try:
        with os.scandir(real) as found:
            entries = [entry for one in found if (entry := _entry(one, uploads)) is not None]
    except NotADirectoryError:
        raise InputError(f"{text} is a file and no folder.") from None
    except FileNotFoundError:
        raise InputError(f"There is no folder {text} on the server.") from None
    except OSError as problem:
        raise InputError(f"The folder {text} cannot be read ({problem.strerror}).") from None
    entries.sort(key=lambda entry: (not entry.is_folder, entry.name.casefold()))
    root = max(holding, key=lambda one: len(one.parts)) if real in holding else min(holding, key=lambda o: len(o.parts))
    return Listing(root, real, tuple(entries))


def _entry(one: os.DirEntry[str], uploads: Path) -> Entry | None:
    if one.name.startswith(".") or not is_text(one.name):
        return None
    with contextlib.suppress(OSError, RuntimeError):  # a broken link, or one that leads to itself
        real = Path(one.path).resolve()
        if not may_read(real, uploads):
            return None
        is_cells = real.name.lower().endswith(SUFFIXES) and one.name.lower().endswith(SUFFIXES)
        if real.is_dir() and not is_cells:
            return Entry(one.name, real, True)
        if is_cells and os.access(real, os.R_OK):
            facts = real.stat()
            return Entry(one.name, real, False, _size(real) if real.is_dir() else facts.st_size, facts.st_mtime)
    return None


def _size(store: Path) -> int:
    """Return the bytes of a store that is a folder of files."""
    total = 0
    for place, _, names in os.walk(store):
        for name in names:
            with contextlib.suppress(OSError):
                total += (Path(place) / name).lstat().st_size
    return total
