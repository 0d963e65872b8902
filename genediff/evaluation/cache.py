"""What does not depend on the generated cells is worked out once and kept, and that of shipped cells ships."""

from __future__ import annotations

import gzip
import hashlib
import json
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Any

from genediff.core.installation import ASSETS, home
from genediff.core.json_files import read_or_none, write_text

if TYPE_CHECKING:
    from pathlib import Path

VERSION = 2
"""Part of every key: to be raised when a change of code changes a figure. The test of the shipped figures says when."""
SHIPPED = ASSETS / "evaluations"
"""A file per shipped data set: results by the name under which they would be kept."""


def default_folder() -> Path:
    """Return the folder of the user's evaluation cache; removing it is always safe."""
    return home() / "cache" / "evaluation"


def key(**parts: Any) -> str:
    """Return a short hash of everything a result depends on."""
    text = json.dumps(parts | {"version": VERSION}, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:20]


def read(path: Path) -> dict[str, Any] | None:
    """Return what was kept, or ships, as ``folder/data set/name.json``; None where it is neither or damaged."""
    kept = read_or_none(path)
    return shipped(path.parent.name).get(path.stem) if kept is None else kept


@cache
def shipped(dataset_id: str) -> dict[str, Any]:
    """Return the results that ship with a data set, by name; empty where none do."""
    try:
        return dict(json.loads(gzip.decompress((SHIPPED / f"{dataset_id}.json.gz").read_bytes())))
    except (OSError, ValueError):
        return {}


def write(path: Path, result: dict[str, Any]) -> None:
    """Keep a result, in one step; a folder that cannot be written costs time, not the evaluation."""
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, json.dumps(result))
