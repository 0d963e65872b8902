"""Named selections: cells that a reader drew around and gave a name, kept beside the data set for every page.

Each is one JSON file that holds cell positions as ranges, and the content hash of the data set they belong to. A file
whose data set has changed since is passed over: its positions would mean other cells.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np

from genediff.core.errors import InputError
from genediff.core.json_files import MALFORMED, read_object, write_json

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import ArrayLike

    from genediff.data.cells.dataset import Dataset

MOST_LETTERS = 60
FORMAT_VERSION = 1


@dataclass(frozen=True, eq=False)
class Selection:
    """Cells of a data set under a name.

    Attributes
    ----------
    rows
        Positions in ``dataset.obs``, ascending, (cell,) of int64.
    n_cells
        How many cells the data set has.
    content_hash
        Of the data set.
    made
        Time, UTC, ISO 8601.
    note
        Where it was drawn, in words.
    """

    name: str
    rows: np.ndarray
    n_cells: int
    content_hash: str
    made: str
    note: str = ""

    @property
    def mask(self) -> np.ndarray:
        """Which cells it holds, (cell of the data set,) of bool."""
        mask = np.zeros(self.n_cells, dtype=bool)
        mask[self.rows] = True
        return mask


def list_selections(folder: Path, dataset: Dataset) -> list[Selection]:
    """Return the selections of a data set by name; damaged files and those of other cells are passed over."""
    found = []
    for path in sorted((folder / dataset.info.id).glob("*.json")):
        selection = _read(path)
        if selection is not None and selection.content_hash == dataset.content_hash:
            found.append(selection)
    return sorted(found, key=lambda one: one.name.casefold())


def save_selection(folder: Path, dataset: Dataset, name: str, cells: ArrayLike, *, note: str = "") -> Selection:
    """Keep cells under a name.

    Parameters
    ----------
    folder
        Where selections are kept: `Workspace.selections`.
    name
        1 to 60 letters; no other selection of these cells may have it, whatever its case.
    cells
        Which cells, (cell,) of bool; or their positions.

    Raises
    ------
    InputError
        When the name is empty, too long or taken, or there is no cell to keep.
    """
    name = " ".join(name.split())
    if not 1 <= len(name) <= MOST_LETTERS:
        raise InputError(f"The name of a selection needs between 1 and {MOST_LETTERS} letters.")
    rows = _rows(cells, dataset.info.n_cells)
    if not len(rows):
        raise InputError("There is no cell in this selection; draw around some cells first.")
    path = _path(folder, dataset.info.id, name)
    taken = _read(path)
    if taken is not None and taken.content_hash == dataset.content_hash:
        raise InputError(f"There is a selection called {taken.name!r} already; choose another name or delete that one.")
    selection = Selection(
        name, rows, dataset.info.n_cells, dataset.content_hash, datetime.now(UTC).isoformat(timespec="seconds"), note
    )
    _write(path, selection)
    return selection


def delete_selection(folder: Path, trash: Path, dataset_id: str, name: str) -> None:
    """Put a selection into the trash; ``restore_selection`` brings it back."""
    _move(folder, trash, dataset_id, name, "here, so it cannot be deleted")


def restore_selection(folder: Path, trash: Path, dataset_id: str, name: str) -> None:
    """Bring a deleted selection back; InputError when its name was taken meanwhile."""
    if _path(folder, dataset_id, name).is_file():
        raise InputError(f"There is a new selection called {name!r}; delete that one first to restore the older one.")
    _move(trash, folder, dataset_id, name, "in the trash, so it cannot be restored")


def _rows(cells: ArrayLike, n_cells: int) -> np.ndarray:
    given = np.asarray(cells)
    if given.dtype == bool:
        if given.shape != (n_cells,):
            raise ValueError(f"cells has shape {given.shape}; the data set has {n_cells} cells")
        return np.flatnonzero(given).astype(np.int64)
    rows = np.unique(given.astype(np.int64))
    if len(rows) and not 0 <= rows[0] <= rows[-1] < n_cells:
        raise ValueError(f"positions go from {rows[0]} to {rows[-1]}; the data set has {n_cells} cells")
    return rows


def _move(source: Path, target: Path, dataset_id: str, name: str, missing: str) -> None:
    old, new = _path(source, dataset_id, name), _path(target, dataset_id, name)
    if not old.is_file():
        raise InputError(f"There is no selection {name!r} {missing}.")
    new.parent.mkdir(parents=True, exist_ok=True)
    os.replace(old, new)


def _path(folder: Path, dataset_id: str, name: str) -> Path:
    # Names are free text, and two that differ in case alone would be one file on some systems.
    return folder / dataset_id / f"{hashlib.sha256(name.casefold().encode()).hexdigest()[:16]}.json"


def _write(path: Path, selection: Selection) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    stored = {
        "format_version": FORMAT_VERSION,
        "name": selection.name,
        "note": selection.note,
        "made": selection.made,
        "n_cells": selection.n_cells,
        "content_hash": selection.content_hash,
        "ranges": _ranges(selection.rows),
    }
    write_json(path, stored)


def _read(path: Path) -> Selection | None:
    try:
        stored = read_object(path)
        if stored["format_version"] > FORMAT_VERSION:
            return None
        n_cells = int(stored["n_cells"])
        ranges = [(int(start), int(stop)) for start, stop in stored["ranges"]]
        # Before they are written out: a damaged file of a few bytes could ask for gigabytes.
        if any(start < 0 or stop > n_cells for start, stop in ranges):
            return None
        parts = [np.arange(start, stop, dtype=np.int64) for start, stop in ranges]
        rows = np.concatenate(parts) if parts else np.zeros(0, dtype=np.int64)
        return Selection(stored["name"], rows, n_cells, stored["content_hash"], stored["made"], stored["note"])
    except MALFORMED:
        return None


def _ranges(rows: np.ndarray) -> list[list[int]]:
    """Return sorted positions as half-open ranges [start, stop)."""
    if not len(rows):
        return []
    breaks = np.flatnonzero(np.diff(rows) != 1)
    starts = rows[np.concatenate([[0], breaks + 1])]
    stops = rows[np.concatenate([breaks, [len(rows) - 1]])] + 1
    return np.column_stack([starts, stops]).tolist()
