"""From a file to a data set: one pass for totals, one for gene choice, one or more to write."""

from __future__ import annotations

import os
import secrets
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from genediff.core.disk_errors import disk_errors
from genediff.data.cells.dataset import Dataset
from genediff.data.cells.dataset_info import DatasetInfo
from genediff.data.importing.build import build
from genediff.data.importing.hashing import Hashing
from genediff.data.importing.progress import Progress
from genediff.data.importing.read_file import read_cells
from genediff.data.importing.umap_drawing import draw_umap

if TYPE_CHECKING:
    from collections.abc import Callable

    from genediff.data.importing.config import ImportConfig


def import_cells(
    path: str | Path,
    config: ImportConfig,
    datasets: Path,
    *,
    progress: Callable[[float, str], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
    ready: Callable[[Dataset], None] | None = None,
) -> Dataset:
    """Import a file of cells.

    The matrix is read a tile at a time and never held as a whole. Gene choice, target sum, principal components and
    UMAP come from training cells alone. The same file with the same choices is the same data set: it is not made
    twice. The UMAP is drawn last (``draw_umap``), when the data set is there already.

    Parameters
    ----------
    path
        The file; see ``read_cells`` for formats.
    config
        What to keep and what the obs columns mean.
    datasets
        The folder that the data set goes into: `Workspace.datasets`.
    progress
        Called with the share done (0 to 1) and what is being done.
    cancelled
        Asked often; when it says True the import stops.
    ready
        Called with the data set when all can be done with it but to look at its UMAP.

    Raises
    ------
    InputError
        When the file or the choices cannot be used. Nothing is left behind.
    Cancelled
        When ``cancelled()`` said so. Nothing is left behind, unless the data set was ready: then it stays, without a
        UMAP.
    """
    path = Path(path)
    hashing = Hashing(path, config)

    def stop() -> bool:
        if hashing.done and (datasets / hashing.result()[:12]).exists():
            raise _Known
        return cancelled is not None and cancelled()

    steps = Progress(progress, stop)
    steps.stage("Opening the file", 0.02)
    with disk_errors(), read_cells(path, rows=config.table_rows) as cells, hashing:
        folder = datasets / f".importing-{os.getpid()}-{secrets.token_hex(4)}"
        try:
            steps.stage("Looking at the values", 0.05)
            clear_abandoned(datasets)
            folder.mkdir(parents=True)
            build(cells, config, folder, hashing.result, steps)
            steps.check()
            _publish(folder, datasets / hashing.result()[:12])
        except _Known:
            pass
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        final = datasets / hashing.result()[:12]
    dataset = _named(final, config)
    if ready is not None:
        ready(dataset)
    return draw_umap(dataset, progress=progress, cancelled=cancelled) if config.umap else dataset


class _Known(Exception):
    """The same file was imported with the same choices before."""


def clear_abandoned(datasets: Path) -> None:
    """Remove what imports left whose process was killed."""
    for folder in datasets.glob(".importing-*"):
        try:
            os.kill(int(folder.name.split("-")[1]), 0)
        except ProcessLookupError:
            shutil.rmtree(folder, ignore_errors=True)
        except (ValueError, PermissionError):
            continue


def _named(final: Path, config: ImportConfig) -> Dataset:
    info = DatasetInfo.read(final)
    if config.name and config.name != info.name:
        info.renamed(config.name).write()
    return Dataset.open(final)


def _publish(folder: Path, final: Path) -> None:
    try:
        folder.rename(final)
    except OSError:
        # Another process imported the same file with the same choices in the meantime: its result is this one.
        if not final.exists():
            raise
