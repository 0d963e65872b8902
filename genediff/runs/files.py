"""Small JSON files that a reader never sees half-written, and never trusts blindly."""

from __future__ import annotations

import json
import os
import tempfile
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Replace `path` in one step: readers see the old content or the new one, also after a power cut of the process."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-", suffix=".tmp")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(content, file, indent=1)
        os.chmod(temporary, 0o644)  # mkstemp's 0600 would hide a shared workspace's runs from colleagues
        os.replace(temporary, path)
    except BaseException:
        if os.path.exists(temporary):
            os.unlink(temporary)
        raise


def read_json(path: Path) -> dict[str, Any] | None:
    """Return the object in `path`, or None where there is none that can be read."""
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None
