"""A small real data set, and runs on it by real workers."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

import anndata
import numpy as np
import pandas as pd
import psutil
import pytest
from scipy import sparse

from genediff.data import ImportConfig, import_cells
from genediff.models.config import ModelConfig, RunConfig, SampleConfig, TrainConfig
from genediff.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from genediff.data import Dataset
    from genediff.runs import Run

N_CELLS, N_GENES = 200, 40


@pytest.fixture(scope="session")
def cells_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Counts of 200 cells of two types, 40 genes, as an h5ad file."""
    return write_cells(tmp_path_factory.mktemp("cells") / "cells.h5ad", N_CELLS)


@pytest.fixture(scope="session")
def few_cells_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same of 80 cells, of which too few are held out for an evaluation: where that is not the matter."""
    return write_cells(tmp_path_factory.mktemp("cells") / "cells.h5ad", 80)


def write_cells(path: Path, n_cells: int) -> Path:
    draw = np.random.default_rng(0)
    kinds = np.repeat([0, 1], n_cells // 2)
    rates = draw.gamma(0.6, 2.0, size=(2, N_GENES)) + 0.1
    counts = draw.poisson(rates[kinds] * draw.lognormal(0, 0.3, size=(n_cells, 1)))
    cells = anndata.AnnData(
        sparse.csr_matrix(counts.astype(np.float32)),
        obs=pd.DataFrame({"cell_type": np.array(["B cell", "T cell"])[kinds]}, index=[f"c{i}" for i in range(n_cells)]),
        var=pd.DataFrame(index=[f"GENE{i}" for i in range(N_GENES)]),
    )
    cells.write_h5ad(path)
    return path


@pytest.fixture
def workspace(own_workspace: Path) -> Iterator[Workspace]:
    """An empty workspace; no worker is left behind in it."""
    from genediff.runs import list_runs

    place = Workspace(own_workspace)
    yield place
    for run in list_runs(place):
        if not run.status.has_ended and run.status.pid:
            os.kill(run.status.pid, signal.SIGKILL)


@pytest.fixture
def dataset(workspace: Workspace, cells_file: Path) -> Dataset:
    config = ImportConfig(label="cell_type", n_genes=N_GENES, umap=False, n_pcs=5, min_cells_per_gene=1, name="tiny")
    return import_cells(cells_file, config, workspace.datasets)


@pytest.fixture
def tiny(dataset: Dataset) -> Callable[..., RunConfig]:
    """Make a configuration of a training that takes seconds (or, with many steps, as long as it is let)."""

    def make(
        *, steps: int = 20, tokenizer_steps: int = 10, checkpoint_seconds: float = 0, seed: int = 0, name: str = "tiny"
    ) -> RunConfig:
        return RunConfig(
            name=name,
            dataset_id=dataset.info.id,
            seed=seed,
            model=ModelConfig(
                tokenizer_options={"n_tokens": 4, "n_channels": 2, "hidden": 32},
                width=32,
                depth=1,
                heads=2,
                conditions=("cell_type",),
            ),
            train=TrainConfig(
                tokenizer_steps=tokenizer_steps,
                steps=steps,
                batch_size=32,
                tokenizer_batch_size=32,
                warmup=2,
                validate_every=10,
                patience=0,
                checkpoint_seconds=checkpoint_seconds,
            ),
            sample=SampleConfig(sampler="euler", n_steps=2),
            device="cpu",
        )

    return make


@pytest.fixture
def model(workspace: Workspace, tiny: Callable[..., RunConfig], dataset: Dataset) -> Path:
    """A model that was trained for some steps, in the library as "small"."""
    from genediff.training.train import train_model

    for _ in train_model(tiny(), dataset, folder=workspace.root / "training", model_id="small"):
        pass
    (workspace.root / "training" / "model").rename(workspace.models / "small")
    return workspace.models / "small"


@pytest.fixture
def members(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[psutil.Process]]:
    """Return the further processes of this test's runs; other tests on this machine may have some, too."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))  # they are told by a folder in it

    def find() -> list[psutil.Process]:
        found = [(p, p.info["cmdline"] or ()) for p in psutil.process_iter(["cmdline"])]
        entry = "genediff.distributed.worker_entry"
        return [p for p, words in found if entry in words and any(str(tmp_path) in word for word in words)]

    return find


@pytest.fixture
def wait_for() -> Callable[..., None]:
    """Wait until something holds; fail with `what` when it does not in time, or when the `run` has ended before."""

    def wait(condition: Callable[[], bool], *, seconds: float, what: str, run: Run | None = None) -> None:
        end = time.monotonic() + seconds
        while not condition():
            if run is not None and run.status.has_ended and not condition():
                raise AssertionError(f"{what} did not come: {run.status}\n{run.log_tail(40)}")
            if time.monotonic() > end:
                raise AssertionError(f"after {seconds} s still not: {what}")
            time.sleep(0.1)

    return wait


@pytest.fixture
def wait_for_end() -> Callable[..., None]:
    """Wait for a run to end; its log is in the failure."""

    def wait(run: Run, *, seconds: float = 300) -> None:
        end = time.monotonic() + seconds
        while not run.status.has_ended:
            if time.monotonic() > end:
                raise AssertionError(f"{run.id} did not end in {seconds} s: {run.status}\n{run.log_tail()}")
            time.sleep(0.1)

    return wait
