"""Files that come through the browser."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

from genediff.core.errors import InputError
from genediff.data.importing.read_file import READ, SUFFIXES

if TYPE_CHECKING:
    from pathlib import Path


_STEM_BYTES = 120


def safe_name(name: str) -> str:
    """Turn the name of an uploaded file into one that can only be a file in the folder it is put in.

    Raises
    ------
    InputError
        When the ending is of no format that can be read.
    """
    base = unicodedata.normalize("NFKC", name).replace("\\", "/").rsplit("/", 1)[-1]
    base = re.sub(r"[^\w.\-]+", "_", base)
    suffix = next((ending for ending in sorted(SUFFIXES, key=len, reverse=True) if base.lower().endswith(ending)), None)
    if suffix is None:
        raise InputError(f"{base or 'A file without a name'} is of no format that is read here; "
                         f"give {READ}.")  # fmt: skip
    # File systems take 255 bytes, of which a letter may be four; a number is added to names that are taken.
    stem = base[: -len(suffix)].strip("._").encode()[:_STEM_BYTES].decode(errors="ignore") or "cells"
    return stem + suffix


def free_name(folder: Path, name: str) -> Path:
    """Return a path in `folder` that nothing has: of this name, or with a number."""
    stem, dot, suffix = name.partition(".")
    number = 1
    while (target := folder / (name if number == 1 else f"{stem}-{number}{dot}{suffix}")).exists():
        number += 1
    return target
