"""Drawing the UMAP of an imported data set: the cells can be used before it is there, and all their lives without.

It can take longer than the import itself (umap-learn is compiled at its first use in a process, and laying out is
slow), so it comes after, or whenever someone asks for it.
"""

from __future__ import annotations

import threading
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from genediff.core.disk_errors import disk_errors
from genediff.core.errors import InputError
from genediff.data.cells.dataset import Dataset
from genediff.data.cells.dataset_info import DatasetInfo
from genediff.data.cells.store import write_umap
from genediff.data.importing.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Callable

_PLACED_AT_ONCE = 10_000


def draw_umap(
    dataset: Dataset,
    *,
    progress: Callable[[float, str], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Dataset:
    """Give a data set its UMAP, fitted on training cells; one that has it already comes back as it is.

    Parameters
    ----------
    dataset
        One of the user's own; others may read it meanwhile.
    progress
        Called with the share done (0 to 1) and what is being done.
    cancelled
        Asked often; when it says True the drawing stops.

    Returns
    -------
    Dataset
        The same cells, opened anew.

    Raises
    ------
    InputError
        When the data set was deleted meanwhile, or its folder cannot be written.
    Cancelled
        When ``cancelled()`` said so. The data set stays as it was.
    """
    if dataset.info.has_umap:
        return dataset
    folder = dataset.info.folder
    steps = Progress(
        progress, cancelled, said="Its map was not drawn; the data set is there without one, and it can be drawn later."
    )
    try:
        with disk_errors():
            notes = _draw(dataset, steps)
            now = DatasetInfo.read(folder)  # it may have been renamed meanwhile, or drawn by another process
            replace(now, has_umap=True, notes=tuple(dict.fromkeys((*now.notes, *notes)))).write()
    except OSError:
        if folder.is_dir():
            raise
        raise InputError(f"The data set {dataset.info.name!r} was deleted while its map was drawn.") from None
    return Dataset.open(folder)


def _draw(dataset: Dataset, steps: Progress) -> list[str]:
    """Write the coordinates of all cells, and what places others; returns notes on how they came about."""
    from genediff.data.cells.umap_space import (
        MAX_FITTED,
        MAX_LAID_OUT,
        MIN_FITTED,
        UmapSpace,
        average_of_neighbours,
        fit_umap,
        fitted_rows,
        neighbours_for,
        place,
    )

    n_cells, n_pcs = dataset.info.n_cells, len(dataset.pca.components)
    seed, train = int(dataset.info.config.get("seed", 0)), dataset.rows("train")
    coordinates = np.zeros((n_cells, 2), dtype=np.float32)
    rows = fitted_rows(train, seed=seed)
    steps.stage("Drawing the map (UMAP)", 1.0, ticks=2 + n_cells // _PLACED_AT_ONCE)
    if len(train) < MIN_FITTED or n_pcs < 2:
        coordinates[:, : min(2, n_pcs)] = dataset.pcs_at(np.arange(n_cells))[:, :2]
        write_umap(dataset.info.folder, coordinates, None)
        return ["There are too few training cells for a UMAP; the first two principal components are shown instead."]
    model = _interruptible(lambda: fit_umap(dataset.pcs_at(rows), seed=seed), steps)
    steps.tick()
    coordinates[rows] = model.embedding_
    others = np.setdiff1d(np.arange(n_cells), rows)
    put = place if len(others) <= MAX_LAID_OUT else average_of_neighbours
    for start in range(0, len(others), _PLACED_AT_ONCE):
        some = others[start : start + _PLACED_AT_ONCE]
        coordinates[some] = _interruptible(partial(put, model, dataset.pcs_at(some)), steps)
        steps.tick()
    write_umap(dataset.info.folder, coordinates, UmapSpace(rows, coordinates[rows], neighbours_for(len(rows)), seed))
    notes = []
    if len(train) > MAX_FITTED:
        notes.append(f"The UMAP was laid out with {MAX_FITTED:,} training cells; the others were placed in it.")
    if put is average_of_neighbours:
        notes.append(
            f"{len(others):,} cells were placed in the UMAP between their nearest laid-out cells in the space of "
            "principal components, without a layout of their own: they lie a little closer together."
        )
    return notes


def _interruptible(work: Callable[[], Any], steps: Progress) -> Any:
    """Run what cannot be interrupted in a thread, so that whoever cancels need not wait for its end."""
    outcome: list[Any] = []
    failure: list[BaseException] = []

    def run() -> None:
        try:
            outcome.append(work())
        except BaseException as error:  # noqa: BLE001 raised again below, in the thread that was asked
            failure.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(0.2)
        steps.check()
    if failure:
        raise failure[0]
    return outcome[0]
