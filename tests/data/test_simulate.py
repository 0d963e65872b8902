"""Simulated cells are what their closed form says: downstream of a knock-out all moves, elsewhere nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from genediff.cli import app
from genediff.core.errors import InputError
from genediff.data import ImportConfig, import_cells
from genediff.data.simulation.planted import kept_truth, planted_gene_sets, planted_network, planted_truth
from genediff.data.simulation.simulate import Noise, perturbation_plan, simulate
from genediff.data.simulation.truth import Perturbation, Truth
from genediff.data.simulation.truth_draw import TruthConfig, draw_truth

if TYPE_CHECKING:
    from pathlib import Path

    from genediff.workspace import Workspace

CONFIG = TruthConfig(n_genes=60, n_regulators=12, n_types=2, n_pathways=3, pathway_size=8, targets_per_pair=4)
QUIET = Noise(depth=3000, depth_spread=0, dispersion=0, ambient=0, regulators=0, pathways=0)


@pytest.fixture(scope="module")
def truth() -> Truth:
    return draw_truth(CONFIG, seed=3)


def edges(*rows: tuple[str, str, float, int]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["source", "target", "weight", "sign"])


def test_the_same_seed_gives_the_same_cells(truth: Truth) -> None:
    plan = perturbation_plan(truth, n_singles=4, n_doubles=2)
    one, again, other = (simulate(truth, n_cells=100, perturbations=plan, seed=seed) for seed in (1, 1, 2))
    assert abs(one.X - again.X).sum() == 0
    pd.testing.assert_frame_equal(one.obs, again.obs)
    assert abs(one.X - other.X).sum() > 0
    assert draw_truth(CONFIG, seed=3).edges.equals(truth.edges)
    assert not draw_truth(CONFIG, seed=4).edges.equals(truth.edges)


def test_a_chain_has_the_means_of_its_closed_form() -> None:
    """A turns B up and C down, B turns C up: levels by hand, and counts of cells without noise around them."""
    chain = edges(("A", "B", 1.0, 1), ("A", "C", 0.5, -1), ("B", "C", 2.0, 1))
    config = TruthConfig(n_genes=20, n_regulators=4, n_types=1, n_pathways=0, n_gated_pairs=0, pathway_size=1)
    truth = draw_truth(config, edges=chain, seed=0)
    truth.types.loc[:, "A"] = 0.7
    a, k = 0.7, truth.hill / 2
    expected = {
        None: (a, np.tanh(k * a), -0.5 * np.tanh(k * a) + 2 * np.tanh(k * np.tanh(k * a))),
        "knock-out": (-np.inf, -1.0, 0.5 + 2 * np.tanh(-k)),
        "activation": (a + np.log(8), 1.0 * np.tanh(k * (a + np.log(8))), None),
    }
    place = [truth.genes.index(name) for name in "ABC"]
    for kind, levels in expected.items():
        done = None if kind is None else Perturbation(("A",), kind)  # type: ignore[arg-type]
        found = np.log(np.maximum(truth.expected("type_1", done) / truth.base, 1e-300))[place]
        for value, level in zip(found, levels, strict=True):
            if level is not None:
                assert value == pytest.approx(max(level, np.log(1e-300)), abs=1e-9)
    cells = simulate(truth, n_cells=400, noise=QUIET, seed=0)
    mean = 3000 * truth.expected("type_1")
    np.testing.assert_allclose(cells.X.toarray().mean(0), mean, atol=5 * np.sqrt(mean.max() / 400))


@pytest.mark.parametrize("kind", ["knock-out", "knock-down", "activation"])
def test_a_perturbation_moves_its_descendants_and_nothing_else(truth: Truth, kind: str) -> None:
    for regulator in truth.regulators:
        below = truth.descendants(regulator) | {regulator}
        for cell_type in truth.types.index:
            before = truth.expected(cell_type)
            after = truth.expected(cell_type, Perturbation((regulator,), kind))  # type: ignore[arg-type]
            moved = {gene for gene, ratio in zip(truth.genes, after / before, strict=True) if abs(ratio - 1) > 1e-9}
            assert moved == below


def test_a_knock_out_is_seen_in_counts_downstream_alone(truth: Truth) -> None:
    """Cells with all noise on; z of the difference in mean counts over the depth that a cell was given."""
    regulator = max(truth.regulators, key=lambda name: len(truth.descendants(name)))
    noise = Noise(depth=2000, regulators=0.1, pathways=0.1, dispersion=0.02)
    cells = simulate(truth, n_cells=4000, perturbations=[Perturbation((regulator,))], controls=0.5, noise=noise)
    rate = cells.X.toarray() / cells.obs["depth"].to_numpy()[:, None]
    out = (cells.obs["perturbation"] == regulator).to_numpy()
    spread = np.sqrt(rate[out].var(0) / out.sum() + rate[~out].var(0) / (~out).sum())
    z = np.abs(rate[out].mean(0) - rate[~out].mean(0)) / spread
    below = np.isin(cells.var_names, list(truth.descendants(regulator) | {regulator}))
    assert 3 <= below.sum() < 50
    assert z[~below].max() < 4.5
    effect = np.abs(np.log(truth.expected("type_1", Perturbation((regulator,))) / truth.expected("type_1") + 1e-9))
    assert (z[below & (effect > 0.2)] > 5).all()
    assert rate[out][:, cells.var_names == regulator].mean() < 0.05 * rate[~out][:, cells.var_names == regulator].mean()


def test_planted_pairs_alone_are_more_or_less_than_their_sum(truth: Truth) -> None:
    plan = perturbation_plan(truth, n_singles=8, n_doubles=5)
    planted = set(zip(truth.gates["first"], truth.gates["second"], strict=True))
    doubles = [p.genes for p in plan if len(p.genes) == 2]
    assert set(doubles) & planted == planted
    assert len(doubles) == 5
    for first, second in doubles:
        control = np.log(truth.expected("type_1"))
        with np.errstate(divide="ignore", invalid="ignore"):
            one, other, both = (
                np.log(truth.expected("type_1", Perturbation(genes))) - control
                for genes in ((first,), (second,), (first, second))
            )
            excess = np.nan_to_num(both - one - other, nan=0.0, posinf=0.0, neginf=0.0)
        off = {gene for gene, value in zip(truth.genes, excess, strict=True) if abs(value) > 1e-9}
        gates = truth.gates[(truth.gates["first"] == first) & (truth.gates["second"] == second)]
        assert off == set(gates["target"])


def test_types_differ_downstream_of_their_masters_alone() -> None:
    truth = draw_truth(CONFIG, seed=5)
    truth.pathway_means.iloc[:] = 0.0
    one, two = (truth.expected(name) for name in truth.types.index)
    reached = set(truth.types.columns).union(*(truth.descendants(name) for name in truth.types.columns))
    moved = {gene for gene, ratio in zip(truth.genes, one / two, strict=True) if abs(ratio - 1) > 1e-9}
    assert moved <= reached
    assert len(moved) > 0.5 * len(reached)


def test_noise_of_each_kind_is_what_it_is_called(truth: Truth) -> None:
    """Without levels that move, counts have the NB variance; ambient RNA fills in what is knocked out."""
    flat = Noise(depth=5000, depth_spread=0, dispersion=0.2, ambient=0, regulators=0, pathways=0)
    cells = simulate(truth, n_cells=4000, noise=flat)
    rows = (cells.obs["cell_type"] == "type_1").to_numpy()
    counts, mean = cells.X.toarray()[rows], 5000 * truth.expected("type_1")
    ratio = counts.var(0) / (mean + 0.2 * mean**2)
    assert np.median(ratio) == pytest.approx(1, abs=0.05)
    gone = Perturbation((truth.regulators[0],))
    soup = Noise(depth=5000, depth_spread=0, dispersion=0, ambient=0.1, regulators=0, pathways=0)
    cells = simulate(truth, n_cells=2000, perturbations=[gone], controls=0.5, noise=soup)
    here = cells.X[:, cells.var_names == gone.genes[0]].toarray().ravel()
    out = (cells.obs["perturbation"] == gone.label).to_numpy()
    own = here[~out].mean() - here[out].mean()
    assert here[out].mean() == pytest.approx(0.1 * here.mean(), rel=0.1)  # the soup is a tenth of the mean of all
    assert own > 0


def test_pathways_move_together_and_may_overlap(truth: Truth) -> None:
    cells = simulate(truth, n_cells=1500, noise=Noise(depth=6000, regulators=0, dispersion=0.02))
    x = np.log1p(cells.X.toarray() / cells.obs["depth"].to_numpy()[:, None] * 6000)
    rows = (cells.obs["cell_type"] == "type_1").to_numpy()
    for name, genes in truth.gene_sets.items():
        activity = cells.obsm["pathways"][name].to_numpy()[rows]
        correlation = [np.corrcoef(x[rows][:, truth.genes.index(gene)], activity)[0, 1] for gene in genes]
        assert np.median(correlation) > 0.4
    members = [set(genes) for genes in truth.gene_sets.values()]
    assert sum(len(a & b) for a in members for b in members if a is not b) > 0


def test_feedback_comes_to_rest_or_is_refused() -> None:
    config = TruthConfig(n_genes=30, n_regulators=4, n_types=1, n_pathways=0, n_gated_pairs=0, pathway_size=1)
    loop = edges(("A", "B", 1.0, 1), ("B", "A", 1.0, -1), ("A", "C", 1.0, 1), ("C", "D", 1.0, 1))
    truth = draw_truth(config, edges=loop)
    truth.types.loc[:, :] = 0.5
    levels = truth.levels(truth.type_levels.to_numpy(), [None])[0]
    own = truth.type_levels.to_numpy()[0]
    a, b = (truth.genes.index(name) for name in "AB")
    assert levels[b] == pytest.approx(own[b] + np.tanh(levels[a]), abs=1e-6)  # each equation holds at rest
    assert levels[a] == pytest.approx(own[a] - np.tanh(levels[b]), abs=1e-6)
    wild = draw_truth(config, edges=loop.assign(weight=60.0))
    wild.types.loc[:, :] = 0.5
    with pytest.raises(InputError, match="feedback that never comes to rest.*A"):
        simulate(wild, n_cells=10)


def test_cells_and_truth_survive_a_file_and_an_import(truth: Truth, tmp_path: Path, workspace: Workspace) -> None:
    plan = perturbation_plan(truth, n_singles=4, n_doubles=2)
    cells = simulate(truth, n_cells=210, perturbations=plan, seed=0)
    cells.write_h5ad(tmp_path / "cells.h5ad")
    read = ad.read_h5ad(tmp_path / "cells.h5ad")
    for cells_ in (cells, read):
        assert planted_truth(cells_).gene_sets == truth.gene_sets
        assert len(planted_network(cells_).edges) == len(truth.edges)
        assert len(planted_gene_sets(cells_).sets) == 3
    np.testing.assert_array_equal(planted_truth(read).expected("type_2"), truth.expected("type_2"))
    choices = {"label": "cell_type", "perturbation": "perturbation", "control": "control", "n_genes": 60, "n_pcs": 5}
    dataset = import_cells(tmp_path / "cells.h5ad", ImportConfig.parse({**choices, "umap": False}), workspace.datasets)
    assert dataset.info.n_cells == 210
    assert dataset.info.has_counts
    assert set(dataset.vocabulary("perturbation")) == {"control", *(p.label for p in plan)}
    kept = kept_truth(dataset)  # what was planted travels into the data set
    assert kept is not None and kept.genes == truth.genes and kept.edges.equals(truth.edges)
    np.testing.assert_array_equal(kept.expected("type_2", plan[-1]), truth.expected("type_2", plan[-1]))
    read.uns["simulation"] = {"genes": "a foreign one"}
    read.write_h5ad(tmp_path / "foreign.h5ad")
    assert kept_truth(import_cells(tmp_path / "foreign.h5ad", ImportConfig.parse({**choices, "umap": False}),
                                   workspace.datasets)) is None  # fmt: skip


def test_the_command_writes_cells_that_tell_their_truth(tmp_path: Path) -> None:
    def run(*words: str) -> tuple[int, str]:
        small = ("--cells", "90", "--genes", "60", "--regulators", "12", "--types", "2", "--pathways", "2")
        done = CliRunner().invoke(app, ["simulate", *small, *words])
        return done.exit_code, done.output

    first, second = tmp_path / "first.h5ad", tmp_path / "second.h5ad"
    assert run("--knock-outs", "4", "--doubles", "2", "-o", str(first))[0] == 0
    assert run("--knock-outs", "4", "--doubles", "2", "--seed", "1", "--world", "0", "-o", str(second))[0] == 0
    one, other = ad.read_h5ad(first), ad.read_h5ad(second)
    assert planted_truth(one).edges.equals(planted_truth(other).edges)  # one world, other cells
    assert abs(one.X - other.X).sum() > 0
    assert {"control", "REG1"} & set(one.obs["perturbation"].cat.categories)
    assert run("-o", str(tmp_path / "cells.csv")) == (1, "The output is written as .h5ad, not as 'cells.csv'.\n")


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda t: simulate(t, n_cells=3, perturbations=[Perturbation(("REG1",))]), "too few"),
        (lambda t: simulate(t, n_cells=90, perturbations=[Perturbation(("STAT1",))]), "none of the 60 genes"),
        (lambda t: perturbation_plan(t, n_singles=2, n_doubles=40), "ask for fewer pairs"),
        (lambda t: Noise(ambient=1.0), "ambient share"),
        (lambda t: TruthConfig(n_genes=20), "too few for 24 regulators"),
        (lambda t: planted_truth(ad.AnnData(np.ones((2, 2)))), "not simulated"),
    ],
    ids=["cells", "gene", "pairs", "ambient", "genes", "not-simulated"],
)
def test_what_cannot_be_simulated_is_said(truth: Truth, make: object, match: str) -> None:
    with pytest.raises(InputError, match=match):
        make(truth)  # type: ignore[operator]
