"""Chunks of HDF5 arrays, taken apart and packed here and not by HDF5, which does one at a time.

Nearly every compressed file is packed by gzip, with or without HDF5's byte shuffle. Such chunks are taken from the file
as they lie and inflated by ISA-L, two to four times as fast as by zlib and without Python's lock. Whatever else an
array is (other filters, more dimensions, missing chunks) is left to h5py. What is written stays an ordinary gzip array
that every HDF5 library reads.
"""

from __future__ import annotations

from typing import Any

import numpy as np

zlib: Any
try:
    from isal import isal_zlib as zlib
except ImportError:  # the same, more slowly
    import zlib

PACKED = {"compression": "gzip", "compression_opts": 1, "shuffle": True}
"""How an array is created whose chunks come from ``pack``."""
_LEVEL = 1
_GZIP, _SHUFFLE = 1, 2
"""HDF5's numbers of these filters."""


def read_range(array: Any, low: int, high: int) -> np.ndarray:
    """Return ``array[low:high]`` of a one-dimensional array of HDF5 (or zarr, which is asked for it).

    Raises
    ------
    OSError
        When a chunk is damaged.
    """
    filters = _filters(array)
    if filters is None or high <= low:
        return np.asarray(array[low:high])
    size, out = array.chunks[0], np.empty(high - low, dtype=array.dtype)
    for start in range(low - low % size, high, size):
        first, last = max(low, start), min(high, start + size)
        out[first - low : last - low] = _chunk(array, start, filters)[first - start : last - start]
    return out


def pack(values: np.ndarray) -> bytes:
    """Pack a chunk (as long as the chunks of an array made by ``PACKED``) for ``write_direct_chunk``."""
    return zlib.compress(_by_bytes(values), _LEVEL)


def _filters(array: Any) -> tuple[int, ...] | None:
    """Return the codes of an array's filters where they are known here, else None."""
    import h5py

    if not isinstance(array, h5py.Dataset) or array.ndim != 1 or array.chunks is None or array.dtype.kind not in "iuf":
        return None
    plan = array.id.get_create_plist()
    codes = tuple(plan.get_filter(number)[0] for number in range(plan.get_nfilters()))
    return codes if codes in ((_GZIP,), (_SHUFFLE, _GZIP)) else None


def _chunk(array: Any, start: int, filters: tuple[int, ...]) -> np.ndarray:
    size = array.chunks[0]
    try:
        skipped, packed = array.id.read_direct_chunk((start,))
    except (OSError, RuntimeError, ValueError):
        return np.asarray(array[start : start + size])  # a chunk that was never written, or is damaged: h5py knows
    if skipped:
        return np.asarray(array[start : start + size])
    n_bytes = size * array.dtype.itemsize
    try:
        data: Any = zlib.decompress(packed, bufsize=n_bytes)
    except zlib.error as error:
        raise OSError(f"a chunk of {array.name} is damaged: {error}") from None
    if len(data) != n_bytes:
        raise OSError(f"a chunk of {array.name} is damaged: it holds {len(data)} bytes and not {n_bytes}")
    if _SHUFFLE in filters and array.dtype.itemsize > 1:
        data = np.ascontiguousarray(np.frombuffer(data, np.uint8).reshape(array.dtype.itemsize, -1).T)
    return np.frombuffer(data, array.dtype)


def _by_bytes(values: np.ndarray) -> Any:
    """Return the first bytes of all values, then the second ones, and so on: HDF5's shuffle."""
    lanes = np.ascontiguousarray(values).view(np.uint8).reshape(-1, values.dtype.itemsize)
    return lanes if values.dtype.itemsize == 1 else np.ascontiguousarray(lanes.T)
