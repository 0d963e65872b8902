"""Small text files: written in one step, and read without trust."""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar, cast

from genediff.core.disk_errors import draft

if TYPE_CHECKING:
    from collections.abc import Hashable
    from pathlib import Path

    from pydantic import TypeAdapter

T = TypeVar("T")

MOST_BYTES = 256 << 20
"""A larger file is no description of anything."""

MALFORMED = (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError, OverflowError)
"""What reading plain values from a damaged or foreign file can raise, once `read_object` has read it."""


def write_text(path: Path, text: str) -> None:
    """Replace a file in one step: readers see the old content or the new one, whenever the process ends.

    Parameters
    ----------
    path
        The file; its folder must be there.
    text
        Its new content, written as UTF-8.
    """
    with draft(path) as partial:
        partial.write_text(text, encoding="utf-8")


def write_json(path: Path, content: dict[str, Any], *, allow_nan: bool = True) -> None:
    """Replace a file by an object as JSON, in one step; a ValueError for NaN and infinities that are not allowed."""
    write_text(path, json.dumps(content, indent=1, ensure_ascii=False, allow_nan=allow_nan) + "\n")


def parse(text: str | bytes | bytearray) -> Any:
    """Return the value of a JSON text; a ValueError when it is none, is nested too deeply, or holds broken Unicode."""
    try:
        content = json.loads(text)
        refuse_broken_unicode(content)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    return content


def refuse_broken_unicode(content: Any) -> None:
    """Raise a ValueError for plain values with half of a surrogate pair, which no file and no page can show."""
    json.dumps(content, default=str, ensure_ascii=False).encode()


def read_object(path: Path) -> dict[str, Any]:
    """Return the JSON object in a file.

    Raises
    ------
    OSError
        When there is no such file, or it cannot be read.
    ValueError
        When it is too large, no UTF-8, no JSON, nested too deeply, or another value than an object.
    """
    if path.stat().st_size > MOST_BYTES:
        raise ValueError(f"{path.name} is too large")
    content = parse(path.read_bytes())
    if not isinstance(content, dict):
        raise ValueError(f"{path.name} holds no object")
    return content


def read_or_none(path: Path) -> dict[str, Any] | None:
    """Return the JSON object in a file, or None where there is none that can be read."""
    try:
        return read_object(path)
    except (OSError, ValueError):
        return None


def validated(kind: type[T], values: dict[str, Any]) -> T:
    """Return a dataclass made of plain values; a ValueError where one is missing or of another type."""
    return cast("T", _adapter(cast("Hashable", kind)).validate_python(values))


@cache
def _adapter(kind: Hashable) -> TypeAdapter[Any]:
    """Return what validates a dataclass: made once, since that takes longer than to validate."""
    from pydantic import TypeAdapter  # many who read JSON validate nothing, and it takes a while to load

    return TypeAdapter(cast("type[Any]", kind))
