"""What does not depend on the generated cells is worked out once and kept: the floor and the baselines."""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import suppress
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any


def default_folder() -> Path:
    """Return the folder of the user's evaluation cache; removing it is always safe."""
    from genediff.workspace import home

    return home() / "cache" / "evaluation"


@cache
def code_version() -> str:
    """Return a hash of this room's source and of the libraries it computes with."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    for library in ("numpy", "scipy", "scikit-learn"):
        digest.update(metadata.version(library).encode())
    return digest.hexdigest()[:16]


def key(**parts: Any) -> str:
    """Return a short hash of everything a result depends on."""
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:20]


def read(path: Path) -> dict[str, Any] | None:
    """Return what was kept, or None; a damaged file is as good as none."""
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return kept if isinstance(kept, dict) else None


def write(path: Path, result: dict[str, Any]) -> None:
    """Keep a result, in one step; a folder that cannot be written costs time, not the evaluation."""
    partial = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(json.dumps(result), encoding="utf-8")
        os.replace(partial, path)
    except OSError:
        with suppress(OSError):
            partial.unlink()
