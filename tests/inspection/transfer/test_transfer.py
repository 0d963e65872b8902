"""A model on other cells: held against an independent implementation, a round trip, and losses that were planted."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import torch
from typer.testing import CliRunner

from genediff.cli import app
from genediff.core.errors import InputError
from genediff.data.cells.renamed import RenamedDataset
from genediff.evaluation.reconstruction import gene_correlation, reconstruct
from genediff.inspection.pathways.agreement import spearman_interval
from genediff.inspection.tokens.inspected_cells import read_cells
from genediff.inspection.transfer import aligned, proposal, transfer
from genediff.inspection.transfer.measure import estimate
from genediff.inspection.transfer.transfer_scores import (
    Judged,
    average_logits,
    correlation_draws,
    judge,
    level_shift,
    nll_draws,
    weights,
)
from genediff.inspection.transfer.transferred_names import _outcome
from genediff.knowledge.orthologs import shipped_orthologs


def in_mouse_names(genes):
    """The table read the other way: what shipped pairs make of human names, and what stays without a name."""
    table = shipped_orthologs()
    return table.names_for(genes, [pair[1] for pair in table.pairs])


def test_in_all_genes_it_is_the_reconstruction_that_evaluation_measures(model, own):
    rows = own.rows("test")
    found = judge(read_cells(model, own), rows, model.genes, read=1)
    known = reconstruct(model, own)
    assert gene_correlation(found.seen, found.expected) == pytest.approx(known.correlation, abs=1e-5)
    assert found.nll.mean() == pytest.approx(known.nll, abs=1e-5)
    drawn = correlation_draws(found, weights(len(rows)))
    assert drawn[0] == pytest.approx(known.correlation, abs=1e-5)
    some = np.random.default_rng(0).integers(0, len(rows), len(rows))
    by_hand = gene_correlation(found.seen[some], found.expected[some])
    once = correlation_draws(found, np.bincount(some, minlength=len(rows))[None].astype(float))
    assert once[0] == pytest.approx(by_hand, abs=1e-4)


def test_an_average_expects_the_mean_of_its_cells(model, own, same):
    cells = read_cells(model, same)
    rows, genes = same.rows("train"), model.genes
    with torch.no_grad():
        share = float(torch.sigmoid(model.autoencoder.head.ambient))
        ambient = model.autoencoder.head.log_profile.softmax(0).numpy()
    found = judge(cells, rows[:1], genes, logits=average_logits(cells, rows), read=1)
    total = cells.measured[rows[0]].sum()
    profile = np.expm1(found.expected[0].astype(float)) / model.spec.target_sum
    mean = np.asarray(cells.measured[rows].sum(0)).ravel() + 0.5
    assert profile == pytest.approx((1 - share) * mean / mean.sum() + share * ambient, rel=1e-3)
    assert total > 0


def test_a_round_trip_over_mouse_names_loses_what_the_table_cannot_link_and_nothing_else(model, same):
    names = in_mouse_names(same.all_genes)
    mouse = RenamedDataset(same, names, species="mouse")
    assert set(mouse.all_genes) & set(model.genes) <= {"F5"}  # called the same in both
    match = aligned(model.genes, mouse, shipped_orthologs())
    assert set(match.shared) == set(names)  # every gene that got a mouse name finds its way back
    assert 1500 < len(match.shared) < len(model.genes)
    back, plain = read_cells(model, match.dataset), read_cells(model, same).only(set(match.shared))
    assert (back.measured != plain.measured).nnz == 0
    assert back.profile_share == pytest.approx(plain.profile_share)
    rows = same.rows("test")
    a, b = (judge(cells, rows, match.shared) for cells in (back, plain))
    assert np.array_equal(a.expected, b.expected) and np.array_equal(a.nll, b.nll)
    assert [match.original_name(gene) for gene in match.shared] == [names[gene] for gene in match.shared]


def test_another_species_is_noticed_and_one_species_is_not_translated(model, same):
    mouse = RenamedDataset(same, in_mouse_names(same.all_genes))
    assert proposal(model.genes, mouse) is shipped_orthologs()
    assert proposal(model.genes, same) is None
    with pytest.raises(InputError, match=r"another species.*shipped table.*would find 1,"):
        aligned(model.genes, mouse)
    with pytest.raises(InputError, match="leave the table out"):
        aligned(model.genes, same, shipped_orthologs())


@pytest.fixture(scope="module")
def kept(model, own, same):
    return transfer(model, same, own=own)


def test_on_cells_like_its_own_little_is_lost(kept):
    own, new = kept.row("own"), kept.row("new")
    assert kept.level != "most" and new.gain.low > 0
    assert new.correlation.value > 0.8 * own.correlation.value
    assert kept.row("own_hidden") is None and kept.n_shared == kept.n_genes
    outcome = kept.tokens["outcome"].value_counts()
    assert outcome["kept"] > 3 * outcome.get("lost", 0)


def test_planted_cells_without_any_structure_are_found_out(model, own, write, counts, kept):
    """Each gene is dealt out to other cells: all averages stay, and there is nothing left to read."""
    draw = np.random.default_rng(0)
    dealt = np.stack([draw.permutation(column) for column in counts.T], axis=1)
    found = transfer(model, write("dealt", dealt, list(own.genes)), own=own)
    assert found.level == "most" and found.sentence.startswith("Most was lost.")
    assert found.row("new").correlation.value < 0.3 * kept.row("new").correlation.value
    assert found.row("new_levels").gain.low <= 0


def test_planted_levels_are_lost_and_given_back(model, own, write, counts):
    """Genes are caught more or less often than in training: the average wins until each gene's level is set."""
    share = np.random.default_rng(0).choice([0.15, 1.0], size=counts.shape[1])
    thinned = np.random.default_rng(1).binomial(counts.astype(int), share)
    other = write("thinned", thinned, list(own.genes))
    found = transfer(model, other, own=None)
    assert found.row("new_levels").gain.low > max(0.0, found.row("new").gain.high)
    assert found.row("own") is None and "not in this workspace" in found.sentence
    cells = read_cells(model, other)
    shift = level_shift(cells, other.rows("train"), model.genes).numpy()
    seen = np.asarray(cells.measured[other.rows("train")].sum(0)).ravel() > 100
    assert np.corrcoef(shift[seen], np.log(share[seen]))[0, 1] > 0.8


def test_a_token_whose_genes_were_exchanged_loses_its_name(model, own, write, counts):
    """The control: the names of genes are dealt out, so no token can follow its set, and nothing else of it is new."""
    order = np.random.default_rng(0).permutation(counts.shape[1])
    found = transfer(model, write("exchanged", counts[:, order], list(own.genes)), own=own)
    count = found.tokens["outcome"].value_counts()
    assert found.level == "most" and count.get("lost", 0) > 0
    assert found.tokens["new"].median() < found.tokens["own"].median()


def test_a_name_is_lost_only_where_its_correlation_fell_beyond_chance():
    """Seen on one side and not on the other was "lost": of names that are alike on both, every second one."""
    draw = np.random.default_rng(0)
    r = np.tanh(np.arctanh(0.3) + draw.normal(scale=1 / np.sqrt(200 - 3), size=(2000, 2)))
    low, high = spearman_interval(r, 200)

    def told(one: int) -> str:
        sides = {f"{side}_{part}": end[one, place] for place, side in enumerate(("own", "new"))
                 for part, end in (("low", low), ("high", high))}  # fmt: skip
        verdicts = {f"{side}_verdict": "agrees" if r[one, place] > 0.3 else "weak"
                    for place, side in enumerate(("own", "new"))}  # fmt: skip
        return _outcome(pd.Series({**sides, **verdicts}))

    outcome = pd.Series([told(one) for one in range(2000)]).value_counts(normalize=True)
    assert outcome["unsure"] > 0.4 and outcome.get("lost", 0) + outcome.get("gained", 0) < 0.01


def test_a_model_of_these_cells_is_judged_in_the_same_genes(model, own, same, kept):
    found = transfer(model, same, own=own, native=model)
    assert found.row("native").nll.value == pytest.approx(found.row("new").nll.value)
    assert "100% of that is here" in found.sentence


def test_what_cannot_be_measured_is_refused_in_words(model, own, write, counts):
    with pytest.raises(InputError, match="the model was trained on"):
        transfer(model, own, own=own)
    few = write("few", counts[:, :300], list(own.genes[:300]))
    with pytest.raises(InputError, match=r"Only 300 of the model's 2,000 genes.* 500 are needed"):
        transfer(model, few, own=own)
    small = write("small", counts[:60], list(own.genes))
    with pytest.raises(InputError, match="20 are needed"):
        transfer(model, small, own=own)


def test_the_command_writes_what_it_prints(place, same, monkeypatch, tmp_path):
    monkeypatch.setenv("GENEDIFF_HOME", str(place.root))
    done = CliRunner().invoke(app, ["transfer", "pbmc3k-pathway", same.info.id, "-o", str(tmp_path / "r.json")])
    assert done.exit_code == 0, done.output
    written = json.loads((tmp_path / "r.json").read_text())
    assert written["sentence"] in done.output
    assert {row["key"] for row in written["rows"]} >= {"own", "new", "new_average"}
    assert len(written["tokens"]) == 47
    done = CliRunner().invoke(app, ["transfer", "pbmc3k-pathway", same.info.id, "--orthologs", "none.tsv"])
    assert done.exit_code == 1 and "There is no file none.tsv" in done.output


@pytest.mark.parametrize("n", [20, 200])
def test_intervals_of_what_transfer_saves_hold_the_truth_as_often_as_they_say(n: int) -> None:
    """1.96 standard deviations of the bootstrap held it in 92% with 20 test cells."""
    draw, held = np.random.default_rng(n), []
    for seed in range(1000):
        nll = draw.normal(size=n)
        found = estimate(nll_draws(Judged(nll, nll, nll), weights(n, seed=seed)), n)
        held.append(found.low <= 0 <= found.high)
    assert abs(np.mean(held) - 0.95) < 2 * np.sqrt(0.95 * 0.05 / 1000)
