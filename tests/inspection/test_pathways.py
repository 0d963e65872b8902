"""Pathway tokens: planted pathways are recovered and a shuffled control's are not; names, drivers, cells explained."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from scipy import sparse, stats

from genediff.core.errors import InputError
from genediff.data import ImportConfig, import_cells
from genediff.data.simulation.planted import planted_gene_sets
from genediff.data.simulation.simulate import Noise, simulate
from genediff.data.simulation.truth_draw import TruthConfig, draw_truth
from genediff.inspection.groups.two_groups import compare_groups
from genediff.inspection.pathways.agreement import agreement
from genediff.inspection.pathways.decoded_sets import decoded_scores
from genediff.inspection.pathways.explain_cell import explain_cell, standard_error
from genediff.inspection.tokens.activations import activations
from genediff.inspection.tokens.input_attribution import attribute_inputs
from genediff.inspection.tokens.inspected_cells import read_cells
from genediff.models.config import ModelConfig, RunConfig, TrainConfig
from genediff.models.generative_model import GenerativeModel
from genediff.models.load_model import load_model
from genediff.training.train import train_model
from genediff.workspace import Workspace

if TYPE_CHECKING:
    from pathlib import Path

    from genediff.data import Dataset
    from genediff.inspection.tokens.inspected_cells import ReadCells
    from genediff.inspection.tokens.token_store import Activations
    from genediff.knowledge import GeneSets

N_GENES, N_CELLS = 80, 400


@dataclass(frozen=True, eq=False)
class Trained:
    """A model, its named sets, the cells as it reads them, and what its tokens say of them."""

    model: GenerativeModel
    sets: GeneSets
    cells: ReadCells
    found: Activations

    @property
    def values(self) -> np.ndarray:
        return np.asarray(self.found.values[: len(self.sets.sets)])


@dataclass(frozen=True, eq=False)
class World:
    """Cells of two types, the true activities of their pathways, and models on the true sets and on shuffled ones."""

    dataset: Dataset
    truth: dict[str, np.ndarray]
    planted: Trained
    shuffled: Trained


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    folder = tmp_path_factory.mktemp("pathways")
    config = TruthConfig(
        n_genes=N_GENES, n_regulators=4, n_types=2, n_pathways=5, pathway_size=10, n_gated_pairs=0, overlap=0.0,
        regulated=0.0,
    )  # fmt: skip
    noise = Noise(depth=3000, dispersion=0.02, pathways=1.0, regulators=0.1)
    cells = simulate(draw_truth(config, seed=2), n_cells=N_CELLS, noise=noise, seed=0)
    truth = {name: values.to_numpy() for name, values in cells.obsm["pathways"].items()}
    workspace = Workspace(folder / "home")
    sets = workspace.library().add_gene_sets(planted_gene_sets(cells))
    cells.uns.clear()
    cells.obsm.clear()
    cells.write_h5ad(folder / "cells.h5ad")
    how = ImportConfig(label="cell_type", n_genes=N_GENES, umap=False, n_pcs=5, min_cells_per_gene=1, name="planted")
    dataset = import_cells(folder / "cells.h5ad", how, workspace.datasets)
    pair = [_trained(dataset, workspace, sets, folder, shuffled=shuffled) for shuffled in (False, True)]
    return World(dataset, truth, *pair)


def _trained(dataset: Dataset, workspace: Workspace, sets: str, folder: Path, *, shuffled: bool) -> Trained:
    options = {"n_channels": 1, "n_residual": 1, "hidden": 8, "decoder_hidden": 8, "context": 16, "decoder": "linear"}
    run = RunConfig(
        dataset_id=dataset.info.id,
        model=ModelConfig(
            tokenizer="pathway", tokenizer_options=options, gene_sets=sets, shuffled=shuffled, width=16, depth=1,
            heads=2,
        ),
        train=TrainConfig(
            tokenizer_steps=400, steps=1, batch_size=64, tokenizer_batch_size=64, warmup=2, patience=0,
            validate_every=400, input_dropout=0.0, thinning=0.0, shrinkage=1.0, tokenizer_learning_rate=3e-3,
        ),
        device="cpu",
    )  # fmt: skip
    name = "shuffled" if shuffled else "planted"
    for _ in train_model(run, dataset, folder=folder / name, model_id=name, library=workspace.library()):
        pass
    model = load_model(folder / name / "model", device="cpu")
    named = model.tokenizer.sets
    assert named is not None
    return Trained(model, named, read_cells(model, dataset), activations(model, dataset, folder / "cache"))


def separation(trained: Trained, truth: dict[str, np.ndarray]) -> np.ndarray:
    """Return each token's AUC between the cells in which the pathway of its name is truly highest and lowest."""
    found = []
    for name in truth:
        true = truth[name]
        high, low = true > np.quantile(true, 0.7), true < np.quantile(true, 0.3)
        table = compare_groups(trained.values, high, low, list(trained.sets.sets)).table.set_index("token")
        found.append(float(table.loc[name, "auc"]))
    return np.array(found)


def test_activations_separate_the_planted_groups_and_those_of_shuffled_sets_do_not(world: World) -> None:
    planted, shuffled = separation(world.planted, world.truth), separation(world.shuffled, world.truth)
    assert planted.min() > 0.95
    assert np.abs(shuffled - 0.5).mean() < np.abs(planted - 0.5).mean() - 0.1
    # Recovered by name: of all tokens it is the one of this name that follows the true activity best.
    assert (by_truth(world.planted, world.truth).argmax(0) == np.arange(5)).all()
    assert np.diag(by_truth(world.planted, world.truth)).min() > 0.8
    assert (np.abs(by_truth(world.shuffled, world.truth)).argmax(0) == np.arange(5)).mean() <= 0.6
    assert np.diag(by_truth(world.shuffled, world.truth)).mean() < 0.6


def by_truth(trained: Trained, truth: dict[str, np.ndarray]) -> np.ndarray:
    """Return the correlation of every token with every true activity, (token, pathway)."""
    true = np.stack([truth[name] for name in trained.sets.sets])
    return np.corrcoef(np.vstack([trained.values, true]))[: len(true), len(true) :]


def test_names_of_planted_tokens_hold_and_swapped_names_do_not(world: World) -> None:
    x, genes, sets = world.dataset.x(), world.dataset.genes, world.planted.sets
    labels = world.dataset.codes("cell_type")
    told = agreement(world.planted.values, x, sets, genes, labels=labels, draws=20)
    assert (told.table["verdict"] == "agrees").mean() >= 0.8
    assert (told.table["r"] > told.table["chance"]).all()
    assert told.table["r_within"].min() > 0.3
    swapped = agreement(world.planted.values[::-1], x, sets, genes, draws=20)
    assert (swapped.table["verdict"] != "agrees").sum() == 4  # the one in the middle keeps its place
    assert told.table["r"].mean() > swapped.table["r"].mean() + 0.3


def test_what_a_model_decodes_follows_the_pathways(world: World) -> None:
    sets = world.planted.sets
    scores = decoded_scores(world.planted.cells, np.arange(N_CELLS), sets)
    r = [np.corrcoef(score, world.truth[name])[0, 1] for score, name in zip(scores, sets.sets, strict=True)]
    assert min(r) > 0.7


def test_drivers_are_gradients_and_members_of_the_set(world: World) -> None:
    trained = world.planted
    found = attribute_inputs(trained.cells, trained.found.loadings, 1, most=40)
    table = found.table.set_index("gene")
    members = set(list(trained.sets.sets.values())[1])
    assert set(table.index[table["in_set"]]) == members
    # The strongest driver of nearly every token is a member of its set. Of one token alone that was a matter of the
    # seed: with other random numbers in training PATHWAY_2 had a stranger first, and the others still their own.
    every = [
        attribute_inputs(trained.cells, trained.found.loadings, k, most=40).table["gene"].iloc[0] for k in range(5)
    ]
    assert sum(top in genes for top, genes in zip(every, trained.sets.sets.values(), strict=True)) >= 4
    pull = table["pull"].abs()
    assert pull[list(members)].mean() > 2 * pull.drop(list(members)).mean()
    assert 0.5 < found.own_share <= 1
    assert set(found.ignored) <= members
    # The same by finite differences.
    model, rows = trained.model, np.sort(np.random.default_rng(0).choice(N_CELLS, 40, replace=False))
    x = trained.cells.block(rows)[0]
    for gene in (found.table["gene"].iloc[0], found.table["gene"].iloc[-1]):
        moved = torch.zeros_like(x)
        moved[:, model.genes.index(gene)] = 1e-2
        with torch.no_grad():
            up, down = (model.tokenizer.activity(model.tokenizer.encode(x + s * moved))[:, 1] for s in (1, -1))
        assert float((up - down).mean()) / 2e-2 == pytest.approx(table.loc[gene, "pull"], abs=2e-3)
    assert table["drives"][list(members)].abs().mean() > 3 * table["drives"].drop(list(members)).abs().mean()


def test_a_residual_token_has_no_name_to_be_driven(world: World) -> None:
    with pytest.raises(InputError, match="gene sets"):
        attribute_inputs(world.planted.cells, world.planted.found.loadings, len(world.planted.sets.sets))


def test_a_cell_is_explained_from_the_average_to_all_its_tokens(world: World) -> None:
    trained = world.planted
    truth = np.stack([world.truth[name] for name in trained.sets.sets])  # (pathway, cell)
    # The cell in which one pathway stands out most from the others.
    z = (truth - truth.mean(1, keepdims=True)) / truth.std(1, keepdims=True)
    alone = z - np.sort(np.abs(z), axis=0)[-2]
    pathway, row = np.unravel_index(alone.argmax(), alone.shape)
    found = explain_cell(trained.cells, trained.found.loadings, int(row))
    assert found.split
    steps = found.steps
    assert list(steps["token"].iloc[[0, -1]]) == ["average cell", "all tokens"]
    assert (np.diff(steps["gain"].iloc[:-1]) > 0).all()
    assert found.total > 0
    assert steps["gain"].iloc[-1] == pytest.approx(found.total)
    name = list(trained.sets.sets)[pathway]
    assert name in list(steps["token"].iloc[1:3])
    told = steps.set_index("token").loc[name, "genes"]
    assert sum(gene.split()[0] in trained.sets.sets[name] for gene in told.split(", ")) >= 3
    again = explain_cell(trained.cells, trained.found.loadings, int(row))
    assert again.steps.equals(steps)


def test_noise_is_not_explained(world: World) -> None:
    """Cells drawn from the mean profile differ from the average cell by noise alone, so their tokens gain nothing."""
    trained = world.planted
    mean = np.asarray(trained.cells.measured.mean(0)).ravel()
    noise = np.random.default_rng(0).poisson(mean, size=(10, len(mean))).astype(np.float32)
    plain = replace(trained.cells, measured=sparse.csr_matrix(noise))
    found = [
        np.mean([explain_cell(cells, trained.found.loadings, row, halves=4).total for row in range(10)])
        for cells in (trained.cells, plain)
    ]
    assert found[0] > 0
    assert found[1] < 0.2 * found[0]


def test_only_gene_sets_are_named(world: World) -> None:
    assert list(world.planted.sets.sets) == list(world.planted.model.tokenizer.layout.names[:5])
    latent = RunConfig(dataset_id="x", model=ModelConfig(tokenizer_options={"n_tokens": 2, "hidden": 16}, width=16,
                                                         depth=1, heads=2))  # fmt: skip
    spec = world.planted.model.spec.model_copy(update={"run": latent})
    assert GenerativeModel(spec).tokenizer.sets is None


@pytest.mark.parametrize(("space", "name"), [("gene", "gene space"), ("counts", "count space")])
def test_other_spaces_cannot_explain_a_cell(world: World, space: str, name: str) -> None:
    """A model in count space was said to work in gene space."""
    spec = world.planted.model.spec
    model = spec.run.model.model_copy(update={"space": space, "predict": "data"})
    spec = spec.model_copy(update={"run": spec.run.model_copy(update={"model": model})})
    other = GenerativeModel(spec, knowledge=world.planted.model.knowledge)
    cells = read_cells(other, world.dataset)
    with pytest.raises(InputError, match=name):
        explain_cell(cells, world.planted.found.loadings, 0)
    with pytest.raises(InputError, match=name):
        decoded_scores(cells, np.arange(3), world.planted.sets)


def test_the_error_of_a_gain_is_that_of_another_cell_of_the_same_kind() -> None:
    """Halves of one cell share their counts: taken as independent, 95% intervals held the truth in less than half."""
    draw, held, before = np.random.default_rng(0), [], []
    rate, weight = draw.gamma(0.5, 2.0, 200), draw.normal(size=200)
    reach = stats.t.ppf(0.975, 7)
    for _ in range(1000):
        counts = draw.poisson(rate)
        gains = (counts - draw.binomial(counts, 0.5, size=(8, 200))) @ weight
        missed = abs(gains.mean() - rate @ weight / 2)
        held.append(missed < reach * standard_error(torch.from_numpy(gains)))
        before.append(missed < reach * gains.std(ddof=1) / np.sqrt(8))
    assert abs(np.mean(held) - 0.95) < 2 * np.sqrt(0.95 * 0.05 / 1000)
    assert np.mean(before) < 0.6
