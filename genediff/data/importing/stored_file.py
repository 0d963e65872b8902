"""An HDF5 file or zarr folder that somebody else wrote: what it says of itself is checked before anything is read.

Libraries trust a file: they follow its links to other files, reserve whatever memory it names, and inflate chunks
without end. Everything that is read of a stranger's file goes through here, where nothing leads out of the file, and
lengths, types and sizes are compared with one another first.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from genediff.core.errors import InputError
from genediff.data.matrices.chunks import GZIP, filters_of, inflate, read_range
from genediff.data.matrices.sparse_matrix import MOST_DUPLICATES, DiskDense, DiskSparse, Matrix, damaged

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_CHUNK_BYTES = 1 << 29
"""A chunk is held whole while any of it is read."""
_PLAIN_BYTES, _TIMES_THE_FILE = 256_000_000, 40
"""Names and columns may fill as much memory as this, or this many times the file. gzip packs 1,000 zeros into one byte,
and real names and labels into a fifth or so; the matrix beside them takes most of a file."""
_TEXT_BYTES = 80
"""Of a short text in memory."""
_INFLATES_AT_MOST = 1032
"""Times, by gzip: of nothing but zeros."""
_FILTERS = {
    4: "szip", 307: "bzip2", 32000: "lzf", 32001: "blosc", 32004: "lz4", 32008: "bitshuffle", 32013: "zfp",
    32015: "zstd", 32026: "blosc2",
}  # fmt: skip
_MOST_LINKS = 16
_KINDS = {"iufb": "numbers", "iu": "whole numbers", "OSUT": "texts"}


class StoredFile:
    """The contents of an open HDF5 file or zarr group.

    Parameters
    ----------
    handle
        The open file or group.
    path
        Where it lies; sentences call it by its name.
    top
        The group that everything is looked for in.
    """

    def __init__(self, handle: Any, path: Path, top: str = "") -> None:
        self.handle, self.file, self.top = handle, path.name, top
        self._left = max(_PLAIN_BYTES, _TIMES_THE_FILE * size_of(path))

    def close(self) -> None:
        """Close an HDF5 file; a zarr folder needs none of it."""
        if hasattr(self.handle, "close"):
            self.handle.close()

    def damaged(self, how: str) -> InputError:
        """Return the sentence that the file is damaged, and how."""
        return damaged(self.file, how)

    def node(self, key: str, group: Any = None) -> Any | None:
        """Return what lies at a path below the top (or below ``group``), or None.

        Raises
        ------
        InputError
            When it lies in another file.
        """
        start = group if group is not None else self.handle[self.top] if self.top else self.handle
        return self._follow(start, key, _MOST_LINKS)

    def _follow(self, group: Any, key: str, links: int) -> Any | None:
        import h5py

        here = group
        for part in filter(None, key.split("/")):
            if not hasattr(here, "keys") or part not in here:
                return None
            if isinstance(here, h5py.Group):
                link = here.get(part, getlink=True)
                if isinstance(link, h5py.ExternalLink):
                    raise self._elsewhere(f"{here.name.rstrip('/')}/{part}")
                if isinstance(link, h5py.SoftLink):
                    start = here.file if link.path.startswith("/") else here
                    here = self._follow(start, link.path, links - 1) if links else None
                    if here is None:
                        raise self.damaged(f"{part} is a link that leads nowhere")
                    continue
            here = here[part]
        if isinstance(here, h5py.Dataset):
            self._check_storage(here)
        return here

    def _elsewhere(self, name: str) -> InputError:
        return InputError(
            f"{self.file} takes {name.lstrip('/')} from another file, which is not followed; write a file that holds "
            "all its values itself."
        )

    def _check_storage(self, array: Any) -> None:
        """Refuse values that lie in other files, are packed by what is not installed, or lie in giant chunks."""
        import h5py

        if array.is_virtual or array.external:
            raise self._elsewhere(array.name)
        codes = filters_of(array)
        lacking = next((code for code in codes if not h5py.h5z.filter_avail(code)), None)
        if lacking is not None:
            raise InputError(
                f"{self.file} is compressed with {_FILTERS.get(lacking, 'a filter')} (HDF5 filter {lacking}), which is "
                "not installed here; write it again with gzip or without compression."
            )
        if codes.count(GZIP) > 1:
            raise self.damaged(f"{array.name.lstrip('/')} is compressed twice")
        if array.chunks is not None:
            self._check_chunk(array.name, array.chunks, array.dtype.itemsize)

    def _check_chunk(self, name: str, chunks: tuple[int, ...], itemsize: int) -> None:
        n_bytes = int(np.prod(chunks, dtype=object)) * itemsize
        if n_bytes > MOST_CHUNK_BYTES:
            raise InputError(
                f"{self.file} keeps {name.lstrip('/')} in chunks of {n_bytes / 1e9:.1f} GB, and a chunk is read "
                "whole; write it again with chunks of some megabytes."
            )

    # -------------------------------------------------------------------------------------------------- lists

    def numbers(self, array: Any, length: int, what: str) -> np.ndarray:
        """Read a list of numbers (or of true and false) of a known length."""
        self._check_list(array, length, what, "iufb")
        return read_range(array, 0, length)

    def texts(self, array: Any, length: int, what: str) -> np.ndarray:
        """Read a list of texts of a known length as objects; what is no UTF-8 is replaced, and NUL left out."""
        self._check_list(array, length, what, "OSUT")
        if hasattr(array, "asstr"):
            import h5py

            if h5py.check_string_dtype(array.dtype) is None:
                raise self.damaged(f"{what} is no list of texts")
            values = array.asstr(errors="replace")[:]
        else:
            values = [_text(value) for value in array[:]]
        return np.array([value.replace("\0", "") for value in values], dtype=object)

    def values(self, array: Any, length: int, what: str) -> np.ndarray:
        """Read a list of numbers or texts."""
        return (self.numbers if array.dtype.kind in "iufb" else self.texts)(array, length, what)

    def records(self, array: Any, what: str) -> np.ndarray:
        """Read a table of records: one structured value per row."""
        n = self.length(array, what)
        if not array.dtype.names:
            raise self.damaged(f"{what} is no table")
        self._spend(n * (array.dtype.itemsize + _TEXT_BYTES), what)
        self.need_all_chunks(array, what)
        return array[:]

    def length(self, array: Any, what: str) -> int:
        """Return how long a list says that it is."""
        if getattr(array, "ndim", None) != 1 or not hasattr(array, "dtype") or array.shape is None:
            raise self.damaged(f"{what} is no list")
        return int(array.shape[0])

    def _check_list(self, array: Any, length: int, what: str, kinds: str) -> None:
        n = self.length(array, what)
        if n != length:
            raise self.damaged(f"{what} has {n:,} values and not {length:,}")
        kind = array.dtype.kind
        if kind not in kinds:
            raise self.damaged(f"{what} holds no {_KINDS[kinds]}")
        self._spend(n * (array.dtype.itemsize if kind in "iufb" else max(_TEXT_BYTES, 2 * array.dtype.itemsize)), what)
        if array.chunks is not None:
            self._check_chunk(what, array.chunks, array.dtype.itemsize)
        self.need_all_chunks(array, what)
        if hasattr(array, "id"):
            self._check_inflated(array, what)

    def _spend(self, n_bytes: int, what: str) -> None:
        self._left -= n_bytes
        if self._left < 0:
            raise InputError(
                f"{self.file} says that {what} has {n_bytes / 1e9:,.1f} GB, far more than a file of its size can hold; "
                "it is damaged or was made to fill the memory."
            )

    def need_all_chunks(self, array: Any, what: str) -> None:
        """Refuse a list of which parts are missing: they would be read as zeros."""
        if hasattr(array, "id"):
            if array.chunks is None:
                stored, expected = int(array.id.get_storage_size() > 0), int(array.size > 0)
            else:
                stored, expected = array.id.get_num_chunks(), -(-array.shape[0] // array.chunks[0])
        else:
            stored, expected = getattr(array, "nchunks_initialized", 0), getattr(array, "nchunks", 0)
        if stored < expected:
            raise self.damaged(f"{expected - stored:,} of the {expected:,} parts of {what} are missing")

    def _check_inflated(self, array: Any, what: str) -> None:
        """Inflate by hand the chunks that HDF5 would inflate to gigabytes if they were made for that."""
        if array.chunks is None or GZIP not in filters_of(array):
            return
        n_bytes = int(np.prod(array.chunks)) * array.dtype.itemsize
        for number in range(array.id.get_num_chunks()):
            chunk = array.id.get_chunk_info(number)
            if chunk.size * _INFLATES_AT_MOST > MOST_CHUNK_BYTES and chunk.filter_mask == 0:
                try:
                    inflate(array.id.read_direct_chunk(chunk.chunk_offset)[1], n_bytes)
                except OSError as error:
                    raise self.damaged(f"a part of {what} is not what it should be: {error}") from None

    # ----------------------------------------------------------------------------------------------- matrices

    def matrix(self, key: str, *, by_gene: bool = False) -> Matrix | None:
        """Return the matrix at a path, left on disk; None where there is none of numbers, (cell, gene)."""
        node = self.node(key)
        if node is None:
            return None
        if hasattr(node, "dtype"):
            if getattr(node, "ndim", 0) != 2 or node.dtype.kind not in "iufb":
                return None
            if node.chunks is not None:
                self._check_chunk(key, node.chunks, node.dtype.itemsize)
            return DiskDense(node, file=self.file, where=_called(key), by_gene=by_gene)
        if not hasattr(node, "keys"):
            return None
        layout = attribute(node, "encoding-type", "h5sparse_format").removesuffix("_matrix")
        shape = node.attrs.get("shape", node.attrs.get("h5sparse_shape"))
        if layout not in ("csr", "csc") or shape is None:
            return None
        return self.sparse(node, layout, _shape(shape), key)

    def sparse(self, group: Any, layout: str, shape: tuple[int, ...] | None, key: str) -> Matrix:
        """Return a matrix of data, indices and indptr."""
        if shape is None or len(shape) != 2 or min(shape) < 0:
            raise self.damaged(f"the shape of {key} is not two numbers")
        parts = {part: self.node(part, group) for part in ("data", "indices", "indptr")}
        for part, array in parts.items():
            if array is None or getattr(array, "ndim", 0) != 1:
                raise self.damaged(f"{key} lacks its {part}")
        majors = shape[0] if layout == "csr" else shape[1]
        self._check_list(parts["indptr"], majors + 1, f"{key}/indptr", "iu")
        for part in ("data", "indices"):
            n = self.length(parts[part], f"{key}/{part}")
            if n > MOST_DUPLICATES * shape[0] * shape[1]:
                raise self.damaged(f"{key}/{part} has {n:,} values for {shape[0]:,} x {shape[1]:,} places")
            self.need_all_chunks(parts[part], f"{key}/{part}")
        return DiskSparse(parts, layout, (shape[0], shape[1]), file=self.file, where=_called(key))

    def check_group(self, key: str) -> bool:
        """Return whether there is a group at a path, all of which lies in this file and is small enough to copy."""
        top = self.node(key)
        if top is None or not hasattr(top, "keys"):
            return False
        for name, array in self._arrays(top, key, depth=8):
            n_bytes = 0 if array.shape is None else int(np.prod(array.shape, dtype=object)) * array.dtype.itemsize
            self._spend(n_bytes, name)
        return True

    def _arrays(self, group: Any, name: str, *, depth: int) -> Iterator[tuple[str, Any]]:
        for part in group:
            node = self.node(part, group)
            if hasattr(node, "keys") and depth:
                yield from self._arrays(node, f"{name}/{part}", depth=depth - 1)
            elif hasattr(node, "dtype") and hasattr(node, "shape"):
                yield f"{name}/{part}", node


def attribute(node: Any, *names: str) -> str:
    """Return the first of some attributes that is a text, or none."""
    return next((_text(value) for name in names if isinstance(value := node.attrs.get(name), str | bytes)), "")


def _text(value: object) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def _shape(value: Any) -> tuple[int, ...] | None:
    numbers = np.asarray(value)
    return tuple(int(n) for n in numbers) if numbers.ndim == 1 and numbers.dtype.kind in "iu" else None


def _called(key: str) -> str:
    return "raw.X" if key in ("raw/X", "raw.X") else key


def files_of(path: Path) -> list[Path]:
    """Return a file as a list of one, or all files of a folder in an order that depends on their names alone.

    Raises
    ------
    InputError
        When a link in the folder leads out of it.
    """
    if not path.is_dir():
        return [path]
    top, found = path.resolve(), []
    for place, folders, names in os.walk(path):
        for name in (*folders, *names):
            one = Path(place) / name
            if one.is_symlink() and not one.resolve().is_relative_to(top):
                raise InputError(
                    f"{path.name} takes {one.relative_to(path)} from outside the folder, which is not followed; copy "
                    "the folder with the files that its links lead to."
                )
            if one.is_file():
                found.append(one)
    return sorted(found)


def size_of(path: Path) -> int:
    """Return the bytes of a file, or of all files of a folder."""
    return sum(file.stat().st_size for file in files_of(path))
