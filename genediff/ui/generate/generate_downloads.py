"""Generated cells and their evaluation as files to take away."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING

import streamlit as st

from genediff.training.reproduction import generate_command
from genediff.ui.kit import reproduction_bundle
from genediff.ui.kit.downloads import download, to_csv, written

if TYPE_CHECKING:
    from anndata import AnnData

    from genediff.data import DatasetInfo
    from genediff.evaluation import Evaluation
    from genediff.models.generate_request import GenerateRequest
    from genediff.models.model_info import ModelInfo
    from genediff.ui.generate.generate_job import Job


def show(job: Job, *, name: str, info: ModelInfo | None = None, dataset: DatasetInfo | None = None) -> None:
    """Draw the download buttons of a finished job, and how it is made again."""
    with st.container(horizontal=True):
        download("Cells (h5ad)", lambda: to_h5ad(job), f"{name}.h5ad", key="cells", narrow=True)
        if job.evaluation is not None:
            evaluation = job.evaluation
            download(
                "Evaluation (JSON)",
                lambda: to_json(evaluation),
                f"{name}-evaluation.json",
                key="evaluation",
                narrow=True,
            )
            download(
                "Evaluation (CSV)",
                lambda: to_csv(evaluation.table()),
                f"{name}-evaluation.csv",
                key="figures",
                narrow=True,
            )
        reproduce(job.request, info, dataset)


def reproduce(asked: GenerateRequest, info: ModelInfo | None, dataset: DatasetInfo | None) -> None:
    """Draw the button that hands out how cells are made again."""
    given = " and ".join(asked.conditions.values())
    kind = f" of {given}" if given else ", conditions drawn as they occur in training cells,"
    reproduction_bundle.bundle_button(
        "Generate: cells",
        model=info,
        dataset=dataset,
        settings=dataclasses.asdict(asked),
        seed=asked.seed,
        command=generate_command(asked),
        sentence=f"{asked.n:,} cells{kind} were generated with the {asked.sampler} sampler in {asked.n_steps} steps at "
        f"guidance {asked.guidance:g} and judged against held-out cells (classifier two-sample tests, debiased W2², "
        "k-NN recall, nearest-training-cell distances), beside the same comparison of two real samples",
    )


def to_h5ad(job: Job) -> bytes:
    """Return the cells as an h5ad file: counts, obs, map coordinates, and their origin in ``uns["genediff"]``."""
    assert job.cells is not None
    cells = with_provenance(job.cells, job)
    return written("cells.h5ad", lambda path: cells.write_h5ad(path, compression="gzip"))


def with_provenance(cells: AnnData, job: Job) -> AnnData:
    """Return a copy of the cells with the request, the verdict and the map coordinates written into it."""
    copy = cells.copy()
    request = dataclasses.asdict(job.request) | {"conditions": json.dumps(job.request.conditions)}
    provenance = {**copy.uns["genediff"], "request": request}
    if job.evaluation is not None:
        provenance["verdict"] = job.evaluation.verdict.sentence
    copy.uns["genediff"] = provenance
    if job.xy is not None:
        copy.obsm["X_umap"] = job.xy
    return copy


def to_json(evaluation: Evaluation) -> bytes:
    """Return an evaluation as UTF-8 JSON."""
    return json.dumps(evaluation.to_dict(), indent=1).encode()
