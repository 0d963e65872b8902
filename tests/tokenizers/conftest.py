"""Simulated cells whose pathways and network are known, and every strategy built on them, tiny."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from genediff.data.simulation.planted import planted_gene_sets, planted_network
from genediff.data.simulation.simulate import Noise, simulate
from genediff.data.simulation.truth_draw import TruthConfig, draw_truth
from genediff.knowledge import Knowledge
from genediff.models.config import ModelConfig, RunConfig, TrainConfig
from genediff.models.generative_model import GenerativeModel
from genediff.models.model_info import ModelSpec
from genediff.tokenizers import TOKENIZERS, Material
from genediff.training.fabric import make_fabric
from genediff.training.training_cells import TrainingCells

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData
    from lightning_fabric import Fabric

    from genediff.tokenizers.statistics import Statistics

N_GENES, N_CELLS = 40, 64

# What options of any strategy are called when they decide its size; without a KL term, so that cells can be overfitted.
TINY = {
    "n_tokens": 6,
    "n_latent": 3,
    "n_residual": 1,
    "n_channels": 4,
    "hidden": 32,
    "width": 16,
    "decoder_hidden": 16,
    "heads": 2,
    "depth": 1,
    "beta": 0.0,
}


@dataclass(frozen=True, eq=False)
class World:
    """Cells, what is planted in them, and what a strategy is built from."""

    cells: AnnData
    training: TrainingCells
    knowledge: Knowledge

    @property
    def genes(self) -> tuple[str, ...]:
        return tuple(self.cells.var_names)

    def material(self, genes: Sequence[str] | None = None) -> Material:
        """Return the material of these genes, in this order."""
        return Material(tuple(genes or self.genes), self.knowledge)

    def statistics(self, genes: Sequence[str] | None = None) -> Statistics:
        """Return what is measured of these genes, in this order."""
        order = torch.tensor([self.genes.index(gene) for gene in genes or self.genes])
        known = self.training.statistics()
        moved = {f.name: getattr(known, f.name) for f in dataclasses.fields(known) if f.name != "cells"}
        moved = {name: t[order] if len(t) == len(order) else t for name, t in moved.items()}
        return dataclasses.replace(known, **moved, cells=known.cells[:, order])

    @property
    def x(self) -> torch.Tensor:
        """Standardised expression, (cell, gene)."""
        known = self.training.statistics()
        x, _ = self.training.normalise(torch.from_numpy(self.training.train.toarray()))
        return (x - known.mean) / known.std


def tiny_options(strategy: str) -> dict[str, Any]:
    names = {f.name for f in dataclasses.fields(TOKENIZERS[strategy].Config)}
    return {name: value for name, value in TINY.items() if name in names}


@pytest.fixture(autouse=True)
def _short_start(short_start: None) -> None:
    """Fit the start of count space for a moment only."""


@pytest.fixture(scope="session")
def world() -> World:
    """64 cells of two types with 40 genes, counts high enough to tell every cell from every other."""
    config = TruthConfig(n_genes=N_GENES, n_regulators=8, n_types=2, n_pathways=3, pathway_size=8, n_gated_pairs=0)
    noise = Noise(depth=1500, dispersion=0.02, regulators=0.8, pathways=1.0)
    cells = simulate(draw_truth(config, seed=2), n_cells=N_CELLS, noise=noise, seed=0)
    cells = cells[:, np.random.default_rng(0).permutation(N_GENES)].copy()
    codes = torch.from_numpy(cells.obs["cell_type"].cat.codes.to_numpy().astype(np.int64))[:, None]
    training = TrainingCells(
        train=cells.X,
        validation=cells.X[:8],
        train_codes=codes,
        validation_codes=codes[:8],
        has_counts=True,
        target_sum=float(np.median(np.asarray(cells.X.sum(1)))),
    )
    genes = list(cells.var_names)
    network = planted_network(cells).within(genes)
    return World(cells, training, Knowledge(planted_gene_sets(cells).within(genes, smallest=3), network))


def tiny_run(strategy: str, space: str, **train: object) -> RunConfig:
    known: dict[str, object] = dict.fromkeys(TOKENIZERS[strategy].needs, "planted")
    model = ModelConfig.model_validate(
        {
            "tokenizer": strategy,
            "tokenizer_options": tiny_options(strategy),
            "space": space,
            "predict": "data" if space == "gene" else "velocity",
            "width": 32,
            "depth": 2,
            "heads": 2,
            "conditions": ("cell_type",),
            **known,
        }
    )
    plain = {"batch_size": N_CELLS, "tokenizer_batch_size": N_CELLS, "input_dropout": 0.0, "thinning": 0.0}
    return RunConfig(dataset_id="planted", model=model, train=TrainConfig.model_validate({**plain, **train}))


def tiny_model(world: World, strategy: str, space: str, *, seed: int = 0, **train: object) -> GenerativeModel:
    spec = ModelSpec(
        id="m",
        title="tiny",
        created="2026-01-01T00:00:00+00:00",
        dataset_id="planted",
        dataset_name="planted",
        run=tiny_run(strategy, space, **train),
        genes=world.genes,
        levels={"cell_type": ("type_1", "type_2")},
        combinations=(((0,), 32), ((1,), 32)),
        has_counts=True,
        target_sum=world.training.target_sum,
    )
    torch.manual_seed(seed)
    return GenerativeModel(spec, world.training.statistics(), knowledge=world.knowledge)


def stirred(module: torch.nn.Module, *, seed: int = 0, by: float = 0.2) -> torch.nn.Module:
    """Move every weight a little: what starts at zero would hide what it leads to."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in module.parameters():
            p.add_(by * torch.randn(p.shape, generator=generator))
    return module


@pytest.fixture(scope="session")
def fabric() -> Fabric:
    return make_fabric("cpu")
