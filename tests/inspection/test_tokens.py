"""What tokens say of cells, which genes they drive, and names for them: planted pathways come back, chance does not."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
import torch

from genediff.core.errors import InputError
from genediff.data import ImportConfig, import_cells
from genediff.data.cells.view import GeneView
from genediff.data.simulation.planted import planted_gene_sets
from genediff.data.simulation.simulate import Noise, simulate
from genediff.data.simulation.truth_draw import TruthConfig, draw_truth
from genediff.inspection.groups.group_means import group_means
from genediff.inspection.tokens import activations as measuring
from genediff.inspection.tokens import (
    at_rank,
    hybrid_parts,
    inactive_tokens,
    naming_controls,
    token_naming,
    token_space,
)
from genediff.inspection.tokens.activations import activations, activity_of, open_activations
from genediff.inspection.tokens.inspectable import token_kinds
from genediff.inspection.tokens.inspected_cells import read_cells
from genediff.inspection.tokens.loadings import principal
from genediff.inspection.tokens.output_effects import (
    OutputEffects,
    ends,
    likeness_by_chance,
    matched,
    measure_output_effects,
)
from genediff.inspection.tokens.probe import Probe
from genediff.inspection.tokens.sensitivity import sensitivity
from genediff.knowledge.enrichment import enriched
from genediff.models.config import ModelConfig, RunConfig
from genediff.models.generative_model import GenerativeModel
from genediff.training.train import make_spec
from genediff.training.training_cells import TrainingCells
from genediff.workspace import Workspace

if TYPE_CHECKING:
    from pathlib import Path

    from genediff.data import Dataset
    from genediff.inspection.tokens.inspected_cells import ReadCells
    from genediff.inspection.tokens.token_store import Activations
    from genediff.knowledge import GeneSets

N_GENES = 120


@dataclass(frozen=True, eq=False)
class World:
    """Cells with planted pathways, a model trained on them, and what its tokens say."""

    dataset: Dataset
    truth: pd.DataFrame
    sets: GeneSets
    model: GenerativeModel
    cells: ReadCells
    found: Activations
    told: OutputEffects
    folder: Path


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    folder = tmp_path_factory.mktemp("tokens")
    config = TruthConfig(
        n_genes=N_GENES,
        n_regulators=4,
        n_types=2,
        n_pathways=5,
        pathway_size=12,
        n_gated_pairs=0,
        overlap=0.0,
        regulated=0.0,
    )
    noise = Noise(depth=3000, dispersion=0.02, pathways=1.2, regulators=0.1)
    cells = simulate(draw_truth(config, seed=2), n_cells=500, noise=noise, seed=0)
    sets, truth = planted_gene_sets(cells), cells.obsm["pathways"].copy()
    cells.uns.clear()
    cells.obsm.clear()
    cells.write_h5ad(folder / "cells.h5ad")
    how = ImportConfig(label="cell_type", n_genes=N_GENES, umap=False, n_pcs=5, min_cells_per_gene=1, name="planted")
    dataset = import_cells(folder / "cells.h5ad", how, Workspace(folder / "home").datasets)
    options = {"n_tokens": 8, "n_channels": 1, "hidden": 64, "decoder": "linear", "beta": 1.0}
    run = RunConfig(
        dataset_id=dataset.info.id,
        model=ModelConfig(tokenizer_options=options, width=16, depth=1, heads=2),
        device="cpu",
    )
    training = TrainingCells.of(dataset, ())
    torch.manual_seed(0)
    model = GenerativeModel(make_spec(run, dataset, training, model_id="planted"), training.statistics())
    _fit(model, training, steps=500)
    found = activations(model, dataset, folder / "cache")
    read = read_cells(model, dataset)
    return World(
        dataset,
        truth.loc[dataset.obs.index],
        sets,
        model,
        read,
        found,
        measure_output_effects(read, found),
        folder / "cache",
    )


def _fit(model: GenerativeModel, training: TrainingCells, *, steps: int) -> None:
    """Train tokens and counts alone, the plainest way: what draws new cells has no part in these questions."""
    assert model.autoencoder is not None
    counts = torch.from_numpy(training.train.toarray())
    x, library = training.normalise(counts)
    x = model.standardise(x)
    size = (len(x), model.tokenizer.layout.n_tokens, model.tokenizer.layout.n_channels)
    generator = torch.Generator().manual_seed(0)
    adam = torch.optim.Adam(model.autoencoder.parameters(), lr=5e-3)
    for step in range(steps):
        rows = torch.randint(len(x), (128,), generator=generator)
        noise = torch.randn((128, *size[1:]), generator=generator)
        loss = model.autoencoder(x[rows], counts[rows], library[rows], noise, share=min(1.0, step / 200)).mean()
        adam.zero_grad()
        loss.backward()
        adam.step()
    model.eval()


# ------------------------------------------------------------------------------------------------------- activities


def test_activities_are_kept_and_opened_as_they_were_measured(world: World) -> None:
    spec = world.model.spec
    opened = open_activations(
        world.folder, model_id=spec.id, created=spec.created, content_hash=world.dataset.content_hash
    )
    assert opened is not None and isinstance(opened.values, np.memmap)
    x, _ = world.cells.block(np.arange(world.dataset.info.n_cells))
    tokens = world.model.tokenizer.encode(x)  # (cell, token, channel)
    assert np.array_equal(opened.rows, np.arange(len(x))) and not opened.sampled
    np.testing.assert_allclose(opened.tokens, tokens.detach().permute(1, 2, 0).numpy(), atol=1e-5)
    again = activity_of(world.model, tokens, opened.loadings)
    np.testing.assert_allclose(opened.values, again.detach().T.numpy(), atol=1e-5)
    assert np.abs(opened.values.mean(1)).max() < 1e-4  # the average cell is zero
    other = open_activations(world.folder, model_id="another", created=spec.created, content_hash="x")
    assert other is None


def test_a_first_component_is_that_of_an_independent_decomposition() -> None:
    draws = np.random.default_rng(0).normal(size=(500, 3)) @ np.diag([3.0, 1.0, 0.5])
    direction, spread, share = principal(np.cov(draws.T, bias=True)[None])
    _, sizes, axes = np.linalg.svd(draws - draws.mean(0), full_matrices=False)
    assert abs(float(direction[0] @ axes[0])) == pytest.approx(1, abs=1e-5)
    assert spread[0] == pytest.approx(sizes[0] / 500**0.5, rel=1e-5)
    assert share[0] == pytest.approx(sizes[0] ** 2 / (sizes**2).sum(), rel=1e-5)


def test_too_many_numbers_are_sampled_always_alike_and_a_cancelled_look_leaves_nothing(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measuring, "MOST_NUMBERS", 8 * 100)
    monkeypatch.setattr(measuring, "BLOCK", 64)

    def stop(share: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        activations(world.model, world.dataset, tmp_path / "a", progress=stop)
    assert not list((tmp_path / "a").iterdir())
    first = activations(world.model, world.dataset, tmp_path / "a")
    second = activations(world.model, world.dataset, tmp_path / "b")
    assert first.sampled and len(first.rows) == 100 and first.n_cells == 500
    assert np.array_equal(first.rows, second.rows) and (np.diff(first.rows) > 0).all()
    np.testing.assert_allclose(first.tokens, world.found.tokens[:, :, first.rows], atol=1e-5)


def test_cells_are_read_by_the_names_of_genes_not_their_order(world: World) -> None:
    shuffled = GeneView(world.dataset, list(np.random.default_rng(0).permutation(world.dataset.genes)))
    x, library = world.cells.block(np.arange(20))
    y, other = read_cells(world.model, shuffled).block(np.arange(20))
    torch.testing.assert_close(x, y)
    torch.testing.assert_close(library, other)
    with pytest.raises(InputError, match="too few to look through it"):
        read_cells(_renamed(world.model, 100), world.dataset)


def test_genes_that_are_not_there_stand_at_the_mean(world: World) -> None:
    read = read_cells(_renamed(world.model, 60), world.dataset)
    x, library = read.block(np.arange(20))
    absent = ~read.present
    assert int(absent.sum()) == 60 and torch.equal(x[:, absent], torch.zeros(20, 60))
    # The library is that of all genes, as far as the share of the missing ones can tell.
    whole = world.cells.block(np.arange(20))[1]
    assert 0 < read.profile_share < 1 and 0.7 < float((library / whole).median()) < 1.4


def _renamed(model: GenerativeModel, number: int) -> GenerativeModel:
    """Return the model with other names for its first genes, which no data set has."""
    other = copy.copy(model)
    genes = (*(f"UNKNOWN{i}" for i in range(number)), *model.genes[number:])
    other.spec = model.spec.model_copy(update={"genes": genes})
    return other


# ---------------------------------------------------------------------------------------- genes that tokens drive


def test_with_a_linear_decoder_a_token_drives_genes_by_its_weights(world: World) -> None:
    """The change of the logits is known: spread x weight; the softmax only moves all genes of a cell together."""
    weights = world.model.tokenizer.patterns.weight.detach().numpy().T  # (token, gene)
    expected = weights * world.found.loadings.direction * world.found.loadings.spread[:, None]
    log_share = world.model.mean.numpy() > 0.5  # firmly expressed: there log1p is nearly log
    for mine, theirs in zip(world.told.change[:, log_share], expected[:, log_share], strict=True):
        assert np.corrcoef(mine, theirs)[0, 1] > 0.9
    assert (world.told.repeats > 0.9).all()


def test_more_of_a_token_is_more_of_the_genes_it_drives(world: World) -> None:
    strongest = np.argsort(-np.abs(world.told.change), axis=1)[:, :20]
    moved = np.take_along_axis(world.told.change, strongest, axis=1)
    # Decided on other, fewer cells: a token whose ends are equally strong may go either way.
    assert (moved.sum(1) > -0.05 * np.abs(moved).sum(1)).all()


def test_the_ends_of_a_token_hold_only_genes_that_move_that_way() -> None:
    change = np.array([[3.0, -1.0, 0.0, 2.0, -5.0]])
    assert ends(change, 2).tolist() == [[[True, False, False, True, False], [False, True, False, False, True]]]
    assert ends(np.array([[1.0, 0.0]]), 2).tolist() == [[[True, False], [False, False]]]


def test_the_same_model_mirrored_and_mixed_up_is_matched_token_by_token(world: World) -> None:
    order = np.random.default_rng(1).permutation(len(world.told.names))
    other = replace(world.told, change=-world.told.change[order], genes=world.told.genes)
    best, likeness = matched(world.told, other)
    assert np.array_equal(order[best], np.arange(len(order)))
    np.testing.assert_allclose(likeness, 1, atol=1e-6)


# ------------------------------------------------------------------------------------------------------------ names


def test_planted_pathways_come_back_by_name_and_a_shuffled_collection_does_not(world: World) -> None:
    table = token_naming.enrich_lists(token_naming.lists_of(world.told), world.sets, world.told.genes)
    names = token_naming.proposed(table, world.told.names)
    recovered = {*names["up"].dropna(), *names["down"].dropna()}
    assert len(recovered) >= 0.7 * len(world.sets.sets), names
    # The token with a pathway's name is active where that pathway is.
    r = np.abs(np.corrcoef(np.asarray(world.found.values), world.truth.to_numpy().T))[: len(world.told.names)]
    by_name = {name: i + len(world.told.names) for i, name in enumerate(world.truth.columns)}
    for token, row in enumerate(names.itertuples()):
        for end in (row.up, row.down):
            if isinstance(end, str):
                assert r[token, by_name[end]] > 0.25
    shuffled = world.sets.shuffled(world.told.genes, seed=0)
    chance = token_naming.enrich_lists(token_naming.lists_of(world.told), shuffled, world.told.genes)
    by_chance = token_naming.proposed(chance, world.told.names)
    assert by_chance["up"].notna().sum() + by_chance["down"].notna().sum() <= 1


def test_tokens_of_one_space_have_a_counterpart_by_chance_only_and_the_same_tokens_always() -> None:
    """Held against the median of mixtures, half of the tokens of any other model were "counterparts"."""
    draw, shares = np.random.default_rng(0), []
    names = tuple(f"z{i}" for i in range(8))

    def effects(change: np.ndarray) -> OutputEffects:
        genes = tuple(f"G{i}" for i in range(change.shape[1]))
        return OutputEffects(np.arange(8), names, genes, change.astype(np.float32), np.ones(8))

    def found(one: OutputEffects, other: OutputEffects, seed: int) -> float:
        by_chance = likeness_by_chance(one, other, seed=seed)
        return float((matched(one, other)[1] > by_chance).mean())

    for seed in range(200):  # 1,600 tokens
        space = draw.normal(size=(8, 60))
        own, other = (effects(draw.normal(size=(8, 8)) @ space) for _ in range(2))
        shares.append(found(own, other, seed))
    assert np.mean(shares) <= 0.05 + 2 * np.std(shares) / np.sqrt(len(shares))
    again = effects(-own.change[::-1] + 0.5 * draw.normal(size=own.change.shape) * own.change.std())
    assert found(own, again, 0) >= 0.6


def test_tokens_are_rarely_called_more_enriched_than_mixtures_where_they_are_not() -> None:
    """16 directions of 8 tokens, 200 of mixtures: 80% of the tokens' share was taken for "as often"."""
    draw = np.random.default_rng(0)

    def found(share: float) -> bool:
        own = naming_controls.Control("tokens", "", int(draw.binomial(16, share)), 16)
        return own.more_often_than(naming_controls.Control("mixtures", "", int(draw.binomial(200, 0.3)), 200))

    assert np.mean([found(0.3) for _ in range(1000)]) <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 1000)
    assert np.mean([found(0.7) for _ in range(1000)]) >= 0.6


def test_the_controls_tell_planted_names_from_chance(world: World) -> None:
    rows = {row.name: row for row in naming_controls.name_controls(world.told, world.sets)}
    assert rows["tokens"].share > 0.5
    assert rows["shuffled"].share < 0.1 and rows["random"].share < 0.05
    assert rows["tokens"].n_lists == 16 and rows["mixtures"].n_lists == 200


def test_gseapy_and_our_own_test_agree_and_the_rate_counts_every_list(world: World) -> None:
    lists = token_naming.lists_of(world.told)
    table = token_naming.enrich_lists(lists, world.sets, world.told.genes)
    own = {
        (name, one.name): one for name, genes in lists.items() for one in enriched(genes, world.told.genes, world.sets)
    }
    for row in table.itertuples():
        assert row.p_value == pytest.approx(own[row.list, row.set].p_value, rel=1e-6)
        assert row.overlap == own[row.list, row.set].overlap
        assert row.fdr >= row.p_value
    one_list = dict([next(iter(lists.items()))])
    alone = token_naming.enrich_lists(one_list, world.sets, world.told.genes)
    assert len(own) == len(lists) * len(world.sets.sets)
    assert len(alone)


def test_a_list_that_shares_no_gene_with_any_set_has_no_name(world: World) -> None:
    outside = [gene for gene in world.told.genes if gene not in set(world.sets.genes)][:10]
    table = token_naming.enrich_lists({"z0 up": outside}, world.sets, world.told.genes)
    assert not len(table)
    assert token_naming.proposed(table, ["z0"])["up"].isna().all()


# ----------------------------------------------------------------------------------------------- silent and the same


def test_silent_and_redundant_tokens_are_found(world: World) -> None:
    values = np.array(world.found.values)
    values[1] = -2 * values[0] + 0.01 * np.random.default_rng(0).normal(size=values.shape[1])
    spread = world.found.loadings.spread.copy()
    spread[2] = 0.001
    divergence = world.found.divergence.copy()
    divergence[3] = 0.001
    one = replace(
        world.found, values=values, divergence=divergence, loadings=replace(world.found.loadings, spread=spread)
    )
    seen = inactive_tokens.find_inactive_tokens(one)
    assert seen.dead[[2, 3]].all()
    assert seen.redundant[[0, 1]].all() and list(seen.partner[:2]) == [1, 0]
    assert seen.likeness[0] == pytest.approx(-1, abs=0.01)
    plain = inactive_tokens.find_inactive_tokens(world.found)
    assert not plain.redundant.any()


# ----------------------------------------------------------------------------------------------- points and groups


def test_points_keep_distances_when_all_axes_are_kept(world: World) -> None:
    profiles = np.random.default_rng(0).normal(size=(4, 50))
    points = token_space.tokens_as_points(profiles)
    rows = profiles - profiles.mean(1, keepdims=True)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    apart = np.linalg.norm(rows[:, None] - rows[None], axis=2)
    placed = np.linalg.norm(points.positions[:, None] - points.positions[None], axis=2)
    np.testing.assert_allclose(placed, apart, atol=1e-5)  # four points span three axes
    assert points.explained.sum() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("most_exact", [1024, 4], ids=["exact", "projected"])
def test_cells_lie_on_the_axes_of_an_independent_decomposition(
    world: World, most_exact: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(token_space, "MOST_EXACT", most_exact)
    points = token_space.cells_as_points(world.found)
    flat = np.asarray(world.found.tokens).reshape(8, -1).T
    scores = np.linalg.svd(flat - flat.mean(0), full_matrices=False)
    expected = scores[0][:, :3] * scores[1][:3]
    for axis in range(3):
        assert abs(np.corrcoef(points.positions[:, axis], expected[:, axis])[0, 1]) == pytest.approx(1, abs=1e-3)
    np.testing.assert_allclose(points.explained, (scores[1] ** 2 / (scores[1] ** 2).sum())[:3], rtol=1e-3)


def test_group_means_are_those_of_pandas(world: World) -> None:
    codes = world.dataset.obs["cell_type"].astype("category").cat.codes.to_numpy().copy()
    codes[:7] = -1
    means = group_means(world.found.values, codes, 3)
    values = np.asarray(world.found.values, dtype=np.float64)
    scaled = (values - values.mean(1, keepdims=True)) / values.std(1, keepdims=True)
    table = pd.DataFrame(scaled.T[codes >= 0]).groupby(codes[codes >= 0]).mean().T
    np.testing.assert_allclose(means[:, :2], table, atol=1e-4)
    assert np.isnan(means[:, 2]).all()


def test_the_genes_at_a_rank_are_counted() -> None:
    ranked = np.array([[0, 1], [0, 2], [1, 3]])
    table = at_rank.genes_at(ranked, 0, ("A", "B", "C"))
    assert table.to_dict("list") == {"gene": ["A", "B"], "share": [pytest.approx(2 / 3), pytest.approx(1 / 3)]}
    assert "(nothing)" in set(at_rank.genes_at(ranked, 1, ("A", "B", "C"))["gene"])


# ------------------------------------------------------------------------------------------------- every strategy


@pytest.fixture(scope="module")
def strategies(world: World) -> dict[tuple[str, str], GenerativeModel]:
    """An untrained model of every strategy and space, tiny, its weights stirred so that nothing hides behind a zero."""
    from genediff.knowledge import Knowledge, make_network
    from genediff.models.model_info import ModelSpec
    from genediff.tokenizers import TOKENIZERS
    from tests.tokenizers.conftest import stirred, tiny_run

    training = TrainingCells.of(world.dataset, ())
    genes = world.dataset.genes
    edges = pd.DataFrame({"source": [genes[0]] * 20 + [genes[1]] * 20, "target": genes[2:42], "sign": 1})
    knowledge = Knowledge(world.sets.within(genes, smallest=3), make_network("n", edges).within(list(genes)))
    out: dict[tuple[str, str], GenerativeModel] = {}
    for name, kind in TOKENIZERS.items():
        for space in (one for one in kind.spaces if one != "counts"):  # its state has no noise to stir
            run = tiny_run(name, space)
            spec: dict[str, Any] = {
                "id": f"{name}-{space}", "title": name, "created": "now", "dataset_id": world.dataset.info.id,
                "dataset_name": "planted", "levels": {}, "combinations": (((), 1),), "has_counts": True,
            }  # fmt: skip
            run = run.model_copy(update={"model": run.model.model_copy(update={"conditions": ()})})
            model = GenerativeModel(
                ModelSpec(run=run, genes=genes, target_sum=training.target_sum, **spec),
                training.statistics(),
                knowledge=knowledge,
            )
            out[name, space] = stirred(model).eval()  # type: ignore[assignment]
    return out


def test_every_strategy_says_one_number_per_token_and_cell_and_drives_genes(
    world: World, strategies: dict[tuple[str, str], GenerativeModel], tmp_path: Path
) -> None:
    kinds_of = {
        "latent": {"free"}, "grn_latent": {"free"}, "pathway": {"set", "free"}, "latent_pathway": {"set", "free"},
        "rank": {"rank"}, "grn": {"gene"}, "mlp": {"vector"},
    }  # fmt: skip
    for (name, _), model in strategies.items():
        found = activations(model, world.dataset, tmp_path)
        assert found.values.shape == (len(found.names), 500) and np.isfinite(found.values).all()
        if not model.in_latent_space:
            assert np.isnan(found.divergence).all()  # nothing is paid for there
        assert set(token_kinds(model)) <= kinds_of[name]
        told = measure_output_effects(read_cells(model, world.dataset), found, [0])
        assert told.change.shape == (1, N_GENES) and np.abs(told.change).max() > 0, name
        if found.n_named:
            x, _ = read_cells(model, world.dataset).block(np.arange(50))
            own = model.tokenizer.activity(model.tokenizer.encode(x)).detach().numpy()  # type: ignore[operator]
            np.testing.assert_allclose(found.values[: found.n_named, :50].T, own - found.loadings.offset, atol=1e-4)


def test_a_pathway_token_moves_genes_outside_its_set_all_the_same_way(
    world: World, strategies: dict[tuple[str, str], GenerativeModel], tmp_path: Path
) -> None:
    """Its decoder reaches no other gene; those of a cell only share what is left of its counts."""
    model = strategies["pathway", "latent"]
    found = activations(model, world.dataset, tmp_path)
    probe = Probe.of(read_cells(model, world.dataset), np.array([3]))
    told = sensitivity(probe, found.loadings, range(found.n_named))  # (token, gene)
    assert model.knowledge.gene_sets is not None
    sets = model.knowledge.gene_sets.sets
    for name, change in zip(found.names, told, strict=True):
        if name in sets:
            inside = np.isin(model.genes, sets[name])
            outside = change[~inside]
            assert (outside >= 0).all() or (outside <= 0).all()
            assert change[inside].min() < 0 < change[inside].max()  # its own genes are free to go either way


def test_the_parts_of_a_hybrid_add_up_and_only_hybrids_have_them(
    world: World, strategies: dict[tuple[str, str], GenerativeModel]
) -> None:
    hybrid = read_cells(strategies["latent_pathway", "latent"], world.dataset)
    told = hybrid_parts.explained_by_part(hybrid, world.dataset)
    assert [part.title for part in told] == ["pathways", "free tokens"]
    assert sum(part.variance for part in told) == pytest.approx(1, abs=1e-4)
    assert hybrid_parts.explained_by_part(world.cells, world.dataset) == ()
    links = hybrid_parts.learned_links(strategies["grn_latent", "latent"])
    assert links is not None and np.allclose(np.diag(links), 1) and ((links >= 0) & (links <= 1)).all()
    assert hybrid_parts.learned_links(world.model) is None
