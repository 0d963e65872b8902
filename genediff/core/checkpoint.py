"""A folder of safetensors and JSON: tensors and plain values, nothing that runs when it is read."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, NoReturn

from safetensors import SafetensorError, safe_open

from genediff.core.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor


def write_folder(folder: Path, tensors: dict[str, Tensor], texts: dict[str, str], *, name: str) -> None:
    """Write tensors as ``name``.safetensors and texts beside them, all or nothing.

    The new folder is complete before it takes the old one's place, so a kill at any moment leaves one of the two.
    """
    from safetensors.torch import save_file

    folder.parent.mkdir(parents=True, exist_ok=True)
    new, old = folder.with_name(folder.name + ".new"), folder.with_name(folder.name + ".old")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir()
    try:
        save_file({key: t.detach().cpu().contiguous() for key, t in tensors.items()}, new / f"{name}.safetensors")
        for file, text in texts.items():
            (new / file).write_text(text)
    except BaseException:
        shutil.rmtree(new, ignore_errors=True)
        raise
    if folder.exists():
        shutil.rmtree(old, ignore_errors=True)
        os.replace(folder, old)
    os.replace(new, folder)
    shutil.rmtree(old, ignore_errors=True)


def finish_replacement(folder: Path) -> bool:
    """Return whether the folder is there, after undoing a replacement that was cut short."""
    old = folder.with_name(folder.name + ".old")
    if not folder.exists() and old.exists():
        os.replace(old, folder)
    return folder.exists()


def check_tensors(path: Path) -> None:
    """Refuse a safetensors file that is missing, cut off or not one, by its header alone."""
    try:
        with safe_open(path, framework="np"):
            pass
    except (OSError, SafetensorError):
        _refuse(path)


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Read a safetensors file; InputError when it is missing or is not one."""
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (OSError, SafetensorError):
        _refuse(path)


def _refuse(path: Path) -> NoReturn:
    wrong = "is damaged or not a safetensors file" if path.is_file() else "is missing"
    raise InputError(f"{path.name} in {path.parent.name} {wrong}; export the model again") from None
