"""A folder of safetensors and JSON: tensors and plain values, nothing that runs when it is read."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from genediff.core.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor


def write_folder(folder: Path, tensors: dict[str, Tensor], texts: dict[str, str], *, name: str) -> None:
    """Write tensors as ``name``.safetensors and texts beside them, all or nothing.

    The new folder is complete before it takes the old one's place, so a kill at any moment leaves one of the two.
    """
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


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Read a safetensors file; InputError when it is missing or is not one."""
    try:
        return load_file(path)
    except FileNotFoundError:
        raise InputError(f"{path.name} is missing from {path.parent.name}; export the model again") from None
    except SafetensorError:
        raise InputError(
            f"{path.name} in {path.parent.name} is damaged or not a safetensors file; export it again"
        ) from None
