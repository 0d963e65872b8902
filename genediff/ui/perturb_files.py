"""Predicted cells and changes as files to take away."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genediff.ui import perturb_data
from genediff.ui.downloads import download, to_csv

if TYPE_CHECKING:
    from collections.abc import Sequence

    from genediff.data.targets import Perturbation
    from genediff.perturbation.answer import Joined
    from genediff.ui.perturb_data import Answer
    from genediff.ui.perturb_question import Question


def buttons(question: Question, found: Answer, shown: Joined, *, name: str) -> None:
    """Draw the downloads of one answer."""
    download(
        "Predicted cells (h5ad)",
        lambda: cells_file(question, [(question.perturbation, shown)]),
        f"{name}.h5ad",
        key="perturb-cells",
        narrow=True,
    )
    download(
        "Changes of all genes (CSV)",
        lambda: to_csv(perturb_data.genes_table(question, found)),
        f"{name}-changes.csv",
        key="perturb-changes",
        narrow=True,
    )


def cells_file(question: Question, scenarios: Sequence[tuple[Perturbation, Joined]]) -> bytes:
    """Return predicted cells after their control cells as an h5ad file with their origin in ``uns["genediff"]``."""
    from genediff.perturbation.export import to_anndata

    cells = to_anndata(question.task, scenarios, control=question.rows, provenance=provenance(question))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "cells.h5ad"
        cells.write_h5ad(path, compression="gzip")
        return path.read_bytes()


def provenance(question: Question) -> dict[str, Any]:
    """Return where predicted cells come from, as plain values."""
    info = question.task.dataset.info
    return {
        "dataset_id": info.id,
        "dataset_name": info.name,
        "dataset_hash": info.content_hash,
        "predictor_settings": json.dumps(question.source.settings()),
        "predictor": question.source.title(question.task, question.kind),
        "cells": question.group,
        "n_cells_asked": question.n_cells,
        "seed": perturb_data.SEED,
        "task": json.dumps(question.task.config.model_dump(mode="json")),
        "note": "Predicted cells are no measurements; predicted is True in obs for each of them.",
    }
