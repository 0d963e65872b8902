"""Chunks of HDF5 arrays, inflated here and not by HDF5, which does one at a time and as much as a chunk says.

Nearly every compressed file is packed by gzip, with or without HDF5's byte shuffle. Such chunks are taken from the file
as they lie and inflated by ISA-L, two to four times as fast as by zlib, without Python's lock, and never beyond the
size of a chunk: HDF5 itself would fill the memory with a chunk made for that. Whatever else an array is (other
filters, missing chunks) is left to h5py. What is written stays an ordinary gzip array that every HDF5 library reads.
"""

from __future__ import annotations

from itertools import product
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
GZIP, SHUFFLE = 1, 2
"""HDF5's numbers of these filters."""


def read_range(array: Any, low: int, high: int) -> np.ndarray:
    """Return ``array[low:high]`` of a one-dimensional array of HDF5 (or zarr, which is asked for it).

    Raises
    ------
    OSError
        When a chunk is damaged.
    """
    return read_region(array, slice(low, high))


def read_region(array: Any, *region: slice) -> np.ndarray:
    """Return ``array[region]`` of an array of HDF5 (or zarr, which is asked for it); a slice with ends per dimension.

    Raises
    ------
    OSError
        When a chunk is damaged.
    """
    filters = _filters(array)
    shape = tuple(max(0, part.stop - part.start) for part in region)
    if filters is None or 0 in shape:
        return np.asarray(array[region])
    out = np.empty(shape, dtype=array.dtype)
    starts = (range(part.start - part.start % size, part.stop, size)
              for part, size in zip(region, array.chunks, strict=True))  # fmt: skip
    for corner in product(*starts):
        chunk = _chunk(array, corner, filters)
        inside, here = [], []
        for part, start, size in zip(region, corner, chunk.shape, strict=True):
            first, last = max(part.start, start), min(part.stop, start + size)
            inside.append(slice(first - start, last - start))
            here.append(slice(first - part.start, last - part.start))
        out[tuple(here)] = chunk[tuple(inside)]
    return out


def pack(values: np.ndarray) -> bytes:
    """Pack a chunk (as long as the chunks of an array made by ``PACKED``) for ``write_direct_chunk``."""
    return zlib.compress(_by_bytes(values), _LEVEL)


def filters_of(array: Any) -> tuple[int, ...]:
    """Return HDF5's numbers of the filters of an array, in the order in which they were applied."""
    plan = array.id.get_create_plist()
    return tuple(plan.get_filter(number)[0] for number in range(plan.get_nfilters()))


def inflate(packed: bytes, n_bytes: int) -> bytes:
    """Inflate a zlib stream of a known size, and no further.

    Raises
    ------
    OSError
        When it is damaged, or of another size.
    """
    stream = zlib.decompressobj()
    try:
        data: bytes = stream.decompress(packed, n_bytes + 1)
    except zlib.error as error:
        raise OSError(f"it cannot be inflated ({error})") from None
    if len(data) != n_bytes or not stream.eof:
        raise OSError(f"it does not inflate to {n_bytes} bytes")
    return data


def _filters(array: Any) -> tuple[int, ...] | None:
    """Return the numbers of an array's filters where they are known here, else None."""
    import h5py

    if not isinstance(array, h5py.Dataset) or array.chunks is None or array.dtype.kind not in "iuf":
        return None
    codes = filters_of(array)
    return codes if codes in ((GZIP,), (SHUFFLE, GZIP)) else None


def _chunk(array: Any, corner: tuple[int, ...], filters: tuple[int, ...]) -> np.ndarray:
    def as_h5py_reads_it() -> np.ndarray:
        return np.asarray(array[tuple(slice(start, start + size)
                                      for start, size in zip(corner, array.chunks, strict=True))])  # fmt: skip

    try:
        skipped, packed = array.id.read_direct_chunk(corner)
    except (OSError, RuntimeError, ValueError):
        return as_h5py_reads_it()  # a chunk that was never written, or is damaged: h5py knows
    if skipped:
        return as_h5py_reads_it()
    size = array.dtype.itemsize
    try:
        data: Any = inflate(packed, int(np.prod(array.chunks, dtype=np.int64)) * size)
    except OSError as error:
        raise OSError(f"a chunk of {array.name} is damaged: {error}") from None
    if SHUFFLE in filters and size > 1:
        data = np.ascontiguousarray(np.frombuffer(data, np.uint8).reshape(size, -1).T)
    return np.frombuffer(data, array.dtype).reshape(array.chunks)


def _by_bytes(values: np.ndarray) -> Any:
    """Return the first bytes of all values, then the second ones, and so on: HDF5's shuffle."""
    lanes = np.ascontiguousarray(values).view(np.uint8).reshape(-1, values.dtype.itemsize)
    return lanes if values.dtype.itemsize == 1 else np.ascontiguousarray(lanes.T)
