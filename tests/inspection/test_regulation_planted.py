"""Planted regulators come before decoys in a trained model; one trained on a shuffled network reports nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from genediff.config import ModelConfig, RunConfig, TrainConfig
from genediff.data import ImportConfig, import_cells
from genediff.data.planted import planted_network
from genediff.data.simulate import Noise, simulate
from genediff.data.truth_draw import TruthConfig, draw_truth
from genediff.inspection.regulation.ask import ask
from genediff.inspection.regulation.judge import SUPPORTED
from genediff.inspection.regulation.probe import probe
from genediff.inspection.regulation.regulators import regulators_of
from genediff.knowledge import Network, make_network
from genediff.model import GeneDiff
from genediff.training.run import train_model
from genediff.workspace import Workspace

if TYPE_CHECKING:
    from pathlib import Path

    from genediff.inspection.regulation.probe import Probe

WORLD = TruthConfig(n_genes=50, n_regulators=10, n_types=2, n_pathways=2, pathway_size=8, n_gated_pairs=0)
NOISE = Noise(depth=3000, dispersion=0.02, regulators=1.0, pathways=0.3, ambient=0.0)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[bool, GeneDiff], Probe, Network]:
    """A model of true edges and as many decoys, and its shuffled control, on the same cells; the true network."""
    folder = tmp_path_factory.mktemp("planted")
    place = Workspace(folder / "home", assets=folder / "nothing-ships")
    cells = simulate(draw_truth(WORLD, seed=3), n_cells=400, noise=NOISE, seed=0)
    truth = planted_network(cells)
    cells.uns.clear()
    cells.obsm.clear()
    cells.write_h5ad(folder / "cells.h5ad")
    how = ImportConfig(label="cell_type", n_genes=50, umap=False, n_pcs=5, min_cells_per_gene=1, name="planted")
    dataset = import_cells(folder / "cells.h5ad", how, place)
    library = place.library()
    network = library.add_network(with_decoys(truth))
    trained = {shuffled: trained_on(folder, dataset, library, network, shuffled) for shuffled in (False, True)}
    return trained, probe(trained[False], dataset, dataset.rows("test"), t=0.4, most=64), truth


def with_decoys(truth: Network) -> Network:
    draw, regulators = np.random.default_rng(0), sorted(set(truth.edges["source"]))
    known = set(zip(truth.edges["source"], truth.edges["target"], strict=True))
    free = [(a, b) for b in sorted(set(truth.edges["target"])) for a in regulators if a != b and (a, b) not in known]
    chosen = [free[place] for place in draw.choice(len(free), len(known), replace=False)]
    decoys = pd.DataFrame(chosen, columns=["source", "target"])
    return make_network("true and decoys", pd.concat([truth.edges[["source", "target"]], decoys]))


def trained_on(folder: Path, dataset, library, network: str, shuffled: bool) -> GeneDiff:
    run = RunConfig(
        name="planted",
        dataset_id=dataset.info.id,
        model=ModelConfig(
            tokenizer="grn", space="gene", predict="data", width=16, depth=1, heads=2, network=network,
            shuffled=shuffled, conditions=("cell_type",),
        ),
        train=TrainConfig(
            steps=200, batch_size=48, learning_rate=1e-2, warmup=20, ema=0.98, input_dropout=0.0, validate_every=200
        ),
        device="cpu",
    )  # fmt: skip
    here = folder / str(shuffled)
    for _ in train_model(run, dataset, folder=here, model_id="m", library=library):
        pass
    return GeneDiff.load(here / "model", device="cpu")


def test_true_regulators_come_before_decoys(models) -> None:
    trained, given, truth = models
    model, wins, signs = trained[False], [], []
    known = model.knowledge.network.edges
    for target, group in list(truth.edges.groupby("target"))[::3]:
        table = regulators_of(model, given, str(target)).set_index("regulator")
        decoys = set(known.loc[known["target"] == target, "source"]) - set(group["source"])
        wins += [table["effect"][a] > table["effect"][b] for a in group["source"] for b in decoys]
        signs += [np.sign(table["slope"][a]) == sign for a, sign in zip(group["source"], group["sign"], strict=True)]
    assert np.mean(wins) > 0.7  # chance: 0.5
    assert np.mean(signs) > 0.7


def test_a_model_of_a_shuffled_network_reports_no_path(models) -> None:
    trained, given, _ = models
    fed = sorted(set(trained[True].knowledge.network.edges["target"]))[::9]
    tables = [ask(trained[True], given, target, n_shuffled=19, steps=1).paths for target in fed]
    assert (pd.concat(tables)["verdict"] == SUPPORTED).mean() <= 0.1
