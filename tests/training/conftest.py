"""A small data set with planted structure, and a small training on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from genediff.data import ImportConfig, import_cells
from genediff.models.config import ModelConfig, RunConfig, TrainConfig
from genediff.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from genediff.data import Dataset
    from genediff.training.train import TrainEvent


def events_of(run: Callable[..., Iterator[TrainEvent]], *, stop_after: int | None = None) -> list[TrainEvent]:
    """Return the events of a training, which is stopped after so many steps of all stages."""
    seen: list[TrainEvent] = []
    for event in run(stop=lambda: stop_after is not None and sum(e.loss is not None for e in seen) >= stop_after):
        seen.append(event)
    return seen


@pytest.fixture(autouse=True)
def _short_start(short_start: None) -> None:
    """Fit the start of count space for a moment only."""


GENES, TYPES, BATCHES = 40, ("B", "NK", "T"), ("day1", "day2")


@pytest.fixture(scope="session")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """900 cells of three types on two days; each type has its own genes, and day 2 has twice the library."""
    draw = np.random.default_rng(1)
    kind, day = draw.integers(0, 3, 900), draw.integers(0, 2, 900)
    profile = np.full((3, GENES), 1.0)
    for k in range(3):
        profile[k, 10 * k : 10 * k + 10] = 8.0
    profile /= profile.sum(1, keepdims=True)
    library = draw.lognormal(5.5 + np.log(2) * day, 0.2)
    counts = draw.poisson(profile[kind] * library[:, None]).astype(np.float32)
    obs = pd.DataFrame(
        {"kind": np.array(TYPES)[kind], "day": np.array(BATCHES)[day]}, index=[f"c{i}" for i in range(900)]
    )
    root = tmp_path_factory.mktemp("planted")
    cells = anndata.AnnData(sparse.csr_matrix(counts), obs=obs, var=pd.DataFrame(index=[f"G{i}" for i in range(GENES)]))
    cells.write_h5ad(root / "cells.h5ad")
    config = ImportConfig(label="kind", conditions=("day",), n_genes=GENES, umap=False, n_pcs=5, name="planted")
    return import_cells(root / "cells.h5ad", config, Workspace(root / "home").datasets)


@pytest.fixture
def small(planted: Dataset) -> Callable[..., RunConfig]:
    """Make a configuration; keywords of ModelConfig and TrainConfig are sorted to where they belong."""

    def make(**changes: object) -> RunConfig:
        model: dict[str, object] = {
            "tokenizer_options": {"n_tokens": 4, "n_channels": 2, "hidden": 64, "decoder_hidden": 16},
            "width": 32,
            "depth": 2,
            "heads": 2,
            "conditions": ("kind", "day"),
        }
        train: dict[str, object] = {
            "tokenizer_steps": 30,
            "steps": 30,
            "batch_size": 64,
            "tokenizer_batch_size": 64,
            "validate_every": 10,
            "ema": 0.99,
            "patience": 0,
        }
        for key, value in changes.items():
            (model if key in ModelConfig.model_fields else train)[key] = value
        return RunConfig(
            dataset_id=planted.info.id,
            model=ModelConfig.model_validate(model),
            train=TrainConfig.model_validate(train),
            device="cpu",
        )

    return make
