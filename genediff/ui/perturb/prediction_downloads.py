"""Predicted cells and changes as files to take away."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from genediff.ui.kit.downloads import download, to_csv, written
from genediff.ui.perturb import perturb_data

if TYPE_CHECKING:
    from collections.abc import Sequence

    from genediff.data.importing.perturbation_names import Perturbation
    from genediff.perturbation.group_prediction import Joined
    from genediff.perturbation.question import Question
    from genediff.perturbation.question_result import Result


def buttons(question: Question, found: Result, shown: Joined, *, name: str) -> None:
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
    from genediff.perturbation.export_predictions import to_anndata

    cells = to_anndata(question.task, scenarios, control=question.rows, provenance=provenance(question))
    return written("cells.h5ad", lambda path: cells.write_h5ad(path, compression="gzip"))


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
