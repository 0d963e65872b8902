"""The cells and models that `pages_speed.py` shows: drawn from shipped cells, imported like any file."""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.pages_speed_cases import SCREEN
from genediff.data import ImportConfig, import_cells
from genediff.training.presets import preset_run
from genediff.training.train import Training
from genediff.workspace import DEMO_DATASET, Workspace

if TYPE_CHECKING:
    from collections.abc import Collection

    from genediff.data import Dataset

STRATEGIES = ("latent", "pathway", "grn")
CONTROL = "control"
KNOCKED_OUT = (
    "CEBPB", "FOSL2", "JUN", "JUND", "MYB", "MYC", "NR3C1", "RARA", "RBPJ", "RELB", "SP1", "SPI1", "VDR", "XBP1",
)  # fmt: skip
PAIRS = (("JUN", "MYC"), ("SPI1", "CEBPB"), ("RELB", "SP1"), ("JUND", "FOSL2"))
TREATED, N_MOVED, FOLD = 0.6, 30, 2.5
"""Share of perturbed cells of the screen, and how many genes a perturbation moves, by which factor at most."""


def draw_cells(n: int, workspace: Workspace, path: Path, *, perturbed: bool = False) -> None:
    """Write cells drawn from the shipped ones, block by block; a perturbation changes the mean of its genes."""
    import anndata
    from scipy import sparse

    source = workspace.open_dataset(DEMO_DATASET)
    label = str(source.info.label)
    counts, types = source.counts(), source.obs[label].astype(str).to_numpy()
    rng = np.random.default_rng(0)
    chosen = rng.integers(len(types), size=n)
    members = {one: np.flatnonzero(types == one) for one in np.unique(types)}
    partner = np.array([rng.choice(members[one]) for one in types[chosen]])
    levels, effects = _effects(source) if perturbed else ((CONTROL,), np.ones((1, len(source.genes)), np.float32))
    draw = np.random.default_rng(1)
    done = np.where(draw.random(n) < TREATED, draw.integers(len(levels), size=n), 0)  # level 0 is the control
    blocks = []
    for start in range(0, n, 5000):
        here = slice(start, start + 5000)
        mean = (counts[chosen[here]] + counts[partner[here]]).toarray() / 2
        blocks.append(sparse.csr_matrix(rng.poisson(mean * effects[done[here]]).astype(np.float32)))
    cells = anndata.AnnData(sparse.vstack(blocks).tocsr())
    cells.obs_names = [f"cell_{i}" for i in range(n)]
    cells.var_names = list(source.genes)
    cells.obs["cell_type"] = types[chosen]
    if perturbed:
        cells.obs["perturbation"] = np.array(levels)[done]
    for column in cells.obs:
        cells.obs[column] = cells.obs[column].astype("category")
    cells.write_h5ad(path)


def prepare(n: int, workspace: Workspace, wanted: Collection[str]) -> tuple[dict[str, str], dict[str, str]]:
    """Return the ids of the plain cells and of the screen, and a model per strategy, made where they are missing.

    ``wanted`` holds strategies and `SCREEN`: nothing else is made.
    """
    choices = {"label": "cell_type"}
    datasets = {}
    if SCREEN in wanted:
        datasets[SCREEN] = _imported(
            f"{n:,} drawn blood cells, a screen", n, workspace,
            {**choices, "perturbation": "perturbation", "control": CONTROL}, perturbed=True,
        )  # fmt: skip
    strategies = [one for one in STRATEGIES if one in wanted]
    if not strategies:
        return datasets, {}
    datasets["plain"] = _imported(f"{n:,} drawn blood cells", n, workspace, choices)
    dataset = workspace.open_dataset(datasets["plain"])
    return datasets, {strategy: _trained(strategy, dataset, workspace) for strategy in strategies}


def _effects(source: Dataset) -> tuple[tuple[str, ...], np.ndarray]:
    """Return the levels of the screen, and what each multiplies the mean of each gene by, ``(level, gene)``."""
    place = {gene: i for i, gene in enumerate(source.genes)}
    singles = {}
    for number, gene in enumerate(KNOCKED_OUT):
        rng = np.random.default_rng([1, number])
        singles[gene] = np.ones(len(place), dtype=np.float32)
        moved = rng.choice(len(place), N_MOVED, replace=False)
        singles[gene][moved] = FOLD ** rng.uniform(-1, 1, N_MOVED)
        singles[gene][place[gene]] = 0.1
    pairs = {"+".join(pair): singles[pair[0]] * singles[pair[1]] for pair in PAIRS}
    every = {CONTROL: np.ones(len(place), dtype=np.float32), **singles, **pairs}
    return tuple(every), np.stack(list(every.values()))


def _imported(title: str, n: int, workspace: Workspace, choices: dict[str, Any], *, perturbed: bool = False) -> str:
    found = [info.id for info in workspace.list_datasets() if info.name == title]
    if found:
        return found[0]
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "cells.h5ad"
        draw_cells(n, workspace, file, perturbed=perturbed)
        begun = time.perf_counter()
        made = import_cells(file, ImportConfig.parse({"name": title, **choices}), workspace.datasets).info.id
        print(f"{title}: imported in {time.perf_counter() - begun:.0f} s", flush=True)
    return made


def _trained(strategy: str, dataset: Dataset, workspace: Workspace) -> str:
    model_id = f"speed-{strategy}-{dataset.info.id}"
    if not (workspace.models / model_id).is_dir():
        run = preset_run("quick", dataset.info, strategy=strategy, title=f"{strategy}, a few steps")
        short = {"steps": 20, "tokenizer_steps": 60, "validate_every": 1000}
        run = run.model_copy(update={"train": run.train.model_copy(update=short)})
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch) / "run"
            for _ in Training(run, dataset, folder=folder, model_id=model_id, library=workspace.library()).run():
                pass
            shutil.copytree(folder / "model", workspace.models / model_id)
    return model_id
