"""Interventions kept in a file: testing all regulators takes minutes, and reading what was found a moment."""

from __future__ import annotations

import gzip
import hashlib
import json
import zlib
from dataclasses import fields
from typing import TYPE_CHECKING

import pandas as pd

from genediff.core.disk_errors import draft
from genediff.core.json_files import MALFORMED

if TYPE_CHECKING:
    from pathlib import Path

    from genediff.inspection.regulation.interventions import Interventions

DIGITS = 6
VERSION = 2
"""Goes up when the same question has another answer."""


def file_name(*question: object) -> str:
    """Return the name of the file that answers a question: model, data, cells and settings as plain values."""
    mark = hashlib.sha256(json.dumps([VERSION, *question]).encode()).hexdigest()[:16]
    return f"regulation-{mark}.json.gz"


def write_interventions(found: Interventions, path: Path) -> None:
    """Replace the file in one step; its folder is made where it is missing."""
    values = {one.name: getattr(found, one.name) for one in fields(found)}
    plain = {
        name: {column: value[column].tolist() for column in value} if isinstance(value, pd.DataFrame) else value
        for name, value in values.items()
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    with draft(path) as partial:
        partial.write_bytes(gzip.compress(_rounded(json.dumps(plain)).encode(), mtime=0))


def read_interventions(path: Path) -> Interventions | None:
    """Return what a file holds; None where it is missing or cannot be read."""
    from genediff.inspection.regulation.interventions import Interventions  # brings torch, and reading needs none

    try:
        values = json.loads(gzip.decompress(path.read_bytes()))
        return Interventions(
            **{name: pd.DataFrame(value) if isinstance(value, dict) else int(value) for name, value in values.items()}
        )
    except (*MALFORMED, EOFError, zlib.error):
        return None


def _rounded(text: str) -> str:
    return json.dumps(json.loads(text, parse_float=lambda number: float(f"{float(number):.{DIGITS}g}")))
