"""A damage of HDF5 files that makes the library search for ever: found before it opens the file."""

from __future__ import annotations

import mmap
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

MOST_BYTES = 200_000_000
"""Larger files are not searched: that would take longer than most of their damage deserves."""
_MARK, _HEADER, _OBJECT = b"GCOL\x01\0\0\0", 16, 16


def has_endless_heap(path: Path) -> bool:
    """Say whether a global heap of an HDF5 file (it holds texts of any length) has free space of no length.

    HDF5 goes from object to object by their lengths, and never on from one of length 0 (H5HG of HDF5 1.14 and before).
    """
    size = path.stat().st_size
    if not _HEADER <= size <= MOST_BYTES:
        return False
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        place = content.find(_MARK)
        while place >= 0:
            if _is_endless(content, place, size):
                return True
            place = content.find(_MARK, place + 1)
    return False


def _is_endless(content: mmap.mmap, start: int, size: int) -> bool:
    """Walk the objects of the heap at ``start``: number (2 bytes), references (2), nothing (4), length (8), content."""
    if start + _HEADER > size:
        return False
    end = start + struct.unpack_from("<Q", content, start + 8)[0]
    place = start + _HEADER
    while place + _OBJECT <= min(end, size):
        number, length = struct.unpack_from("<H6xQ", content, place)
        if number == 0 and length == 0:
            return True
        place += _OBJECT + -(-length // 8) * 8 if number else length
    return False
