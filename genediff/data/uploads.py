"""Files that come through the browser."""

from __future__ import annotations

import os
import re
import secrets
import unicodedata
from typing import TYPE_CHECKING, BinaryIO

from genediff.data.io import SUFFIXES
from genediff.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from genediff.workspace import Workspace

MAX_UPLOAD_BYTES = 200 * 1024 * 1024
_BLOCK = 1 << 20


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
                         "give an .h5ad, 10x .h5, .csv or .tsv file.")  # fmt: skip
    stem = base[: -len(suffix)].strip("._")[:80] or "cells"
    return stem + suffix


def save_upload(content: bytes | BinaryIO, name: str, workspace: Workspace) -> Path:
    """Keep an uploaded file in the workspace.

    Parameters
    ----------
    content
        The bytes, or an open binary file that is read in blocks.
    name
        What the browser calls it; it is made safe.
    workspace
        Whose uploads folder it goes to.

    Raises
    ------
    InputError
        When it is empty, above 200 MB, or of no known format. Nothing is left behind.
    """
    target_name = safe_name(name)
    workspace.uploads.mkdir(parents=True, exist_ok=True)
    partial = workspace.uploads / f".part-{secrets.token_hex(6)}"
    try:
        size = _copy(content, partial)
        if size == 0:
            raise InputError(f"{target_name} is empty (0 bytes); the upload or the export before it failed.")
        target = free_name(workspace.uploads, target_name)
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


def free_name(folder: Path, name: str) -> Path:
    """Return a path in `folder` that nothing has: of this name, or with a number."""
    stem, dot, suffix = name.partition(".")
    number = 1
    while (target := folder / (name if number == 1 else f"{stem}-{number}{dot}{suffix}")).exists():
        number += 1
    return target
