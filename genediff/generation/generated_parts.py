"""Generated cells on their way to a file: parts, each written whole or not at all, so that a kill costs seconds."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy import sparse

from genediff.core.disk_errors import draft
from genediff.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_NAME = re.compile(r"part-(\d+)-(\d+)\.npz")
_LARGEST = np.iinfo(np.uint16).max


class Cells(NamedTuple):
    """Values (cell, gene) and library sizes (cell,)."""

    values: sparse.csr_matrix
    library: np.ndarray


@dataclass(frozen=True)
class Part:
    """A file with the batches `first` to `end`, the last one not included."""

    path: Path
    first: int
    end: int

    def read(self) -> Cells:
        """Return the cells of this part.

        Raises
        ------
        InputError
            When the file cannot be read.
        """
        try:
            with np.load(self.path) as stored:
                indptr = np.concatenate([[0], np.cumsum(stored["per_cell"], dtype=np.int64)])
                values = sparse.csr_matrix(
                    (stored["values"].astype(np.float32), stored["genes"].astype(np.int32), indptr),
                    shape=(len(indptr) - 1, int(stored["n_genes"])),
                )
                return Cells(values, stored["library"])
        except (OSError, ValueError, KeyError):
            raise InputError(
                f"{self.path.name} of this generation is damaged; delete the run and start anew."
            ) from None


def write_part(folder: Path, first: int, batches: Sequence[Cells]) -> Part:
    """Write some batches that follow one another, beginning with number `first`."""
    values = sparse.vstack([batch.values for batch in batches], format="csr")
    part = Part(folder / f"part-{first:08d}-{first + len(batches):08d}.npz", first, first + len(batches))
    with draft(part.path) as partial, partial.open("wb") as file:
        np.savez(
            file,
            values=_narrow(values.data),
            genes=_narrow(values.indices),
            per_cell=np.diff(values.indptr).astype(np.int32),
            library=np.concatenate([batch.library for batch in batches]),
            n_genes=np.int64(values.shape[1]),
        )
    return part


def list_parts(folder: Path) -> list[Part]:
    """Return the parts in the order of their batches; there may be gaps between them."""
    parts: list[Part] = []
    for path in sorted(folder.glob("part-*.npz")):
        match = _NAME.fullmatch(path.name)
        if match and int(match[1]) >= (parts[-1].end if parts else 0):
            parts.append(Part(path, int(match[1]), int(match[2])))
    return parts


def missing(parts: Sequence[Part], n_batches: int) -> list[int]:
    """Return the batches that are in none of the parts, in order."""
    there = {number for part in parts for number in range(part.first, part.end)}
    return [number for number in range(n_batches) if number not in there]


def _narrow(values: np.ndarray) -> np.ndarray:
    """Return numbers as 16 bits where not one of them changes by it: counts and gene positions mostly are."""
    if len(values) and (values.min() < 0 or values.max() > _LARGEST):
        return values
    short = values.astype(np.uint16)
    return short if np.array_equal(short, values) else values
