"""A screen drawn from a known network, small enough to be fitted in a second or two."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pytest

from genediff.data.importing.config import ImportConfig
from genediff.data.importing.importer import import_cells
from genediff.data.simulation.simulate import Noise, simulate
from genediff.data.simulation.truth import Perturbation
from genediff.data.simulation.truth_draw import TruthConfig, draw_truth
from genediff.knowledge.network import make_network
from genediff.perturbation import Task
from genediff.perturbation.model.fit_response import fit_response
from genediff.workspace import Workspace

if TYPE_CHECKING:
    from genediff.data import Dataset
    from genediff.data.simulation.truth import Truth
    from genediff.knowledge.network import Network
    from genediff.perturbation.model.response_model import ResponseModel


class Screen(NamedTuple):
    """Cells, the world that they are from, the pairs that act together in it, and the workspace they are in."""

    dataset: Dataset
    truth: Truth
    planted: frozenset[tuple[str, str]]
    workspace: Workspace

    @property
    def network(self) -> Network:
        return make_network("planted", self.truth.edges)


@pytest.fixture(scope="session")
def screen(tmp_path_factory: pytest.TempPathFactory) -> Screen:
    """14 knock-outs alone, 12 pairs of two groups that act together, 16 other pairs."""
    config = TruthConfig(
        n_genes=160, n_regulators=20, n_types=2, n_pathways=3, n_gated_pairs=2, gated_group=4, targets_per_pair=12,
        gate_weight=1.5,
    )  # fmt: skip
    truth = draw_truth(config, seed=3)
    planted = frozenset(tuple(sorted(pair)) for pair in zip(truth.gates["first"], truth.gates["second"], strict=True))
    assert len(planted) == 12
    genes = sorted({gene for pair in planted for gene in pair})
    genes += [gene for gene in truth.regulators if gene not in genes][:6]
    others = [pair for pair in combinations(sorted(genes), 2) if pair not in planted]
    np.random.default_rng(0).shuffle(others)
    pairs = [*sorted(planted), *(tuple(map(str, pair)) for pair in others[:16])]
    done = (*(Perturbation((gene,)) for gene in genes), *map(Perturbation, pairs))
    cells = simulate(truth, n_cells=3200, perturbations=done, noise=Noise(depth=1200), seed=3)
    place = tmp_path_factory.mktemp("screen")
    cells.write_h5ad(place / "screen.h5ad")
    choices = ImportConfig(
        label="cell_type", perturbation="perturbation", control="control", n_genes=160, n_pcs=10, umap=False
    )
    workspace = Workspace(place / "home")
    return Screen(import_cells(place / "screen.h5ad", choices, workspace.datasets), truth, planted, workspace)


@pytest.fixture(scope="session")
def pairs_task(screen: Screen) -> Task:
    """Pairs are held out, of genes that were each measured alone."""
    return Task.of(screen.dataset, scheme="doubles", n_seen=2)


@pytest.fixture(scope="session")
def model(screen: Screen, pairs_task: Task) -> ResponseModel:
    """A model with the network that the cells are from."""
    return fit_response(pairs_task, network=screen.network, members=3)
