"""What is said of one cell: its genes lost, its pathways, its network, its ranks."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from genediff.core.errors import InputError
from genediff.inspection.one_cell.capabilities import RanksGenes
from genediff.inspection.one_cell.cell_reconstruction import reconstruct
from genediff.inspection.one_cell.dataset_context import cell_of, typical_cells
from genediff.inspection.one_cell.neighbourhood import strongest_edges
from genediff.inspection.one_cell.pathway_scores import score_table
from genediff.inspection.one_cell.tokenization import build_tokenization, lost_genes, reaching
from genediff.models.config import ModelConfig, RunConfig
from genediff.models.generative_model import GenerativeModel
from genediff.models.model_info import ModelSpec
from genediff.tokenizers import TOKENIZERS


def run(strategy, **options):
    model = ModelConfig(tokenizer=strategy, tokenizer_options=options, width=32, depth=1, heads=2)
    return RunConfig(dataset_id="d", model=model)


@pytest.fixture
def cell(cells, context):
    return cell_of(cells, context, "c3")


def test_a_cell_is_normalised_as_models_do_it(cells, context, cell):
    counts = cells.counts()[3].toarray().ravel()
    x = np.log1p(counts * context.target_sum / counts.sum())
    np.testing.assert_allclose(cell.x, x, rtol=1e-5)
    expected = (x - context.statistics.mean.numpy()) / context.statistics.std.numpy()
    np.testing.assert_allclose(cell.standardised, expected, rtol=1e-4, atol=1e-5)
    assert cell.n_detected == (counts > 0).sum()


def test_an_unknown_cell_is_named(cells, context):
    with pytest.raises(InputError, match="no cell 'nobody'"):
        cell_of(cells, context, "nobody")


def test_the_typical_cell_of_a_group_is_in_it_and_near_its_middle(cells):
    found = typical_cells(cells, "kind")
    assert set(found) == {"one", "two"}
    row = cells.obs.index.get_loc(found["two"])
    assert cells.obs["kind"].iloc[row] == "two"
    rows = np.flatnonzero(cells.obs["kind"] == "two")
    away = ((cells.pcs - cells.pcs[rows].mean(0)) ** 2).sum(1)
    assert away[row] == away[rows].min()


@pytest.mark.parametrize("strategy", TOKENIZERS)
def test_every_strategy_is_cut_and_says_what_it_loses(strategy, context, known, cell):
    tokenization = build_tokenization(context, run(strategy), known)
    lost = lost_genes(tokenization, cell)
    assert tokenization.layout.n_tokens >= 1 and tokenization.n_parameters > tokenization.cost.n_parameters > 0
    assert 0 <= lost.n_lost <= lost.n_detected == cell.n_detected
    assert 0 <= lost.share <= 1


@pytest.mark.parametrize("by_order", [False, True])
def test_the_genes_that_ranks_lose_are_those_after_the_last_rank(context, known, cell, by_order):
    """Where order alone counts nothing has a slope, and Tokenize ended in a traceback."""
    tokenization = build_tokenization(context, run("rank", n_tokens=12, by_order=by_order), known)
    assert isinstance(tokenization.tokenizer, RanksGenes)
    sequence = tokenization.tokenizer.sequence(torch.from_numpy(cell.standardised))
    tokens = tokenization.tokenizer.encode(cell.tensor)
    without = cell.tensor.repeat(len(context.genes), 1)
    without[range(len(context.genes)), range(len(context.genes))] = -100.0  # each gene once as if it were not there
    changed = ((tokenization.tokenizer.encode(without) - tokens).abs() > 1e-4).flatten(1).any(1).numpy()
    reached = {context.genes[i] for i in np.flatnonzero(reaching(tokenization, cell))}
    assert reached == {context.genes[i] for i in np.flatnonzero(changed)}
    assert reached == set(sequence.genes) and len(reached) == 12
    lost = lost_genes(tokenization, cell)
    assert lost.n_lost == cell.n_detected - 12
    assert lost.n_lost / cell.n_detected == pytest.approx(sequence.genes_lost)
    assert tokenization.vocabulary == 41


def test_the_sequence_is_the_same_whatever_weights_the_tokenizer_starts_with(context, known, cell):
    found = []
    for seed in (0, 1):
        tokenization = build_tokenization(context, run("rank", n_tokens=12, hidden=8 + 8 * seed), known)
        found.append(tokenization.tokenizer.sequence(torch.from_numpy(cell.standardised)).genes)
    assert found[0] == found[1]


def test_genes_in_no_set_are_unnamed_but_not_lost(context, known, cell):
    tokenization = build_tokenization(context, run("pathway", smallest=5), known)
    lost = lost_genes(tokenization, cell)
    assert lost.n_lost == 0
    assert lost.unnamed == (cell.measured[20:] > 0).sum()


def test_cutting_twice_gives_the_same_tokens_and_leaves_the_random_state_alone(context, known, cell):
    before = torch.random.get_rng_state()
    tokens = [build_tokenization(context, run("latent"), known).tokenizer.encode(cell.tensor) for _ in range(2)]
    assert torch.equal(*tokens)
    assert torch.equal(before, torch.random.get_rng_state())


def test_the_set_that_a_type_has_high_scores_highest(cells, context, known):
    for name, high in (("c3", "first"), ("c150", "second")):
        table = score_table(
            cell_of(cells, context, name).standardised, context.compared, known.gene_sets, context.genes
        )
        assert table["set"].iloc[0] == high
        assert table["deviation"].iloc[0] > 0 > table["deviation"].iloc[1]


def test_a_score_is_the_mean_of_its_genes(context, known, cell):
    table = score_table(cell.standardised, context.compared, known.gene_sets, context.genes).set_index("set")
    assert table.loc["first", "score"] == pytest.approx(cell.standardised[:10].mean(), abs=1e-5)
    others = context.compared[:, :10].mean(1)
    assert table.loc["first", "below"] == pytest.approx((others < cell.standardised[:10].mean()).mean())


def test_edges_are_between_expressed_genes_and_the_strongest_come_first(context, known, cell):
    found = strongest_edges(cell, known.network, context.genes, most=4)
    assert len(found) == 4 and found["score"].is_monotonic_decreasing
    for row in found.itertuples():
        source, target = context.genes.index(row.source), context.genes.index(row.target)
        assert cell.measured[source] > 0 and cell.measured[target] > 0
        high = max(cell.standardised[source], 0) * max(cell.standardised[target], 0)
        assert row.score == pytest.approx(row.weight / 9 * high**0.5, rel=1e-5)
    assert strongest_edges(cell, known.network, context.genes, regulator="G5").empty


def test_a_trained_models_tokens_are_told_in_deviations_from_other_cells(cells, context, cell):
    spec = ModelSpec(
        id="m", title="m", created="", dataset_id="d", dataset_name="d", run=run("latent", n_tokens=3),
        genes=context.genes, levels={}, combinations=(), has_counts=True, target_sum=context.target_sum,
    )  # fmt: skip
    model = GenerativeModel(spec, context.statistics).eval()
    seen = reconstruct(model, context, cell)
    assert seen.tokens.shape == (3, 4) and seen.x_back.shape == (40,)
    assert -1 <= seen.r <= 1
    other = GenerativeModel(spec.model_copy(update={"genes": tuple(f"X{i}" for i in range(40))}), context.statistics)
    with pytest.raises(InputError, match="other genes"):
        reconstruct(other, context, cell)
