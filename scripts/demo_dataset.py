"""Rebuild the data set that ships with GeneDiff: ``python -m scripts.demo_dataset pbmc3k_raw_counts.h5ad``."""

from __future__ import annotations

import shutil
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from genediff.core.errors import InputError
from genediff.core.installation import ASSETS
from genediff.data.importing.config import ImportConfig
from genediff.data.importing.importer import import_cells
from genediff.workspace import DEMO_DATASET, Workspace

DEMO_CONFIG = ImportConfig(
    name="2,700 blood cells (10x PBMC 3k)",
    label="cell_type_derived",
    exclude_levels={"cell_type_derived": ("filtered", "(missing)")},
)


def build_demo(path: Path, *, assets: Path = ASSETS) -> Path:
    """Import the PBMC 3k file as the shipped data set and return its folder.

    Parameters
    ----------
    path
        ``pbmc3k_raw_counts.h5ad``: 2,700 cells with raw counts and ``obs.cell_type_derived``.
    assets
        The project's assets folder.
    """
    target = assets / "datasets" / DEMO_DATASET
    with tempfile.TemporaryDirectory() as scratch:
        dataset = import_cells(path, DEMO_CONFIG, Workspace(Path(scratch)).datasets, progress=_print)
        replace(dataset.info, id=DEMO_DATASET).write()
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(dataset.info.folder, target)
    return target


def _print(done: float, message: str) -> None:
    print(f"\r{done:4.0%} {message:40}", end="", flush=True)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit("usage: python -m scripts.demo_dataset pbmc3k_raw_counts.h5ad")
    try:
        print("\n", build_demo(Path(sys.argv[1])))
    except InputError as problem:
        raise SystemExit(str(problem)) from None
