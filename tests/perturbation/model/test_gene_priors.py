"""What is known of genes from elsewhere: similarities, weights by left-out perturbations, and its shuffled control."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from genediff.core.errors import InputError
from genediff.core.stats import pearson
from genediff.knowledge import make_gene_sets
from genediff.knowledge.add_file import add_file
from genediff.knowledge.gene_embedding import GeneEmbedding, read_embedding
from genediff.knowledge.library import Library
from genediff.knowledge.network import make_network
from genediff.models.response_config import ResponseConfig
from genediff.perturbation import ALL_CELLS, BASELINES, Task
from genediff.perturbation.model.fit_response import fit_response
from genediff.perturbation.model.gene_priors import GenePriors, prior_of, priors_of
from genediff.perturbation.model.measured_shifts import measured
from genediff.perturbation.model.prior_weights import weigh_priors
from genediff.perturbation.model.response_store import Saved, load_response, save_response
from genediff.perturbation.model.shrinkage import simplest
from genediff.perturbation.target_loss import without_targets

if TYPE_CHECKING:
    from pathlib import Path


def test_genes_that_share_rare_sets_are_more_alike() -> None:
    sets = make_gene_sets(
        "sets", {"rare": ("A", "B", "X"), "common": ("A", "B", "C", "D", "E", "F"), "other": ("D", "E", "F")}
    )
    prior = prior_of(sets, id="sets")
    found = prior.similarity(["A"], ["B", "C", "D", "unknown"])[0]
    assert found[0] == pytest.approx(1) and found[0] > found[1] > found[2] > 0 == found[3]
    assert prior.shared("A", ["B", "C"])[0] == ("rare", ("B",))
    priors = GenePriors((prior,), {"sets": 1.0})
    assert "shares “rare” with B" in priors.reasons("A", ["B", "D"])[0]
    assert priors.knows("A") and not priors.knows("unknown") and not GenePriors((prior,), {})


def test_neighbours_in_a_network_and_numbers_of_a_user_are_priors_too(tmp_path: Path) -> None:
    edges = pd.DataFrame({"source": list("AABBC"), "target": list("XYXYZ"), "weight": 1.0, "sign": 1})
    assert prior_of(make_network("net", edges)).similarity(["A"], ["B", "C"])[0] == pytest.approx([1, 0])
    values = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    pd.DataFrame(values, index=list("ABCDE")).to_csv(tmp_path / "mine.tsv", sep="\t")
    np.savez(tmp_path / "mine.npz", genes=np.array(list("ABCDE")), values=values)
    table, packed = (read_embedding(tmp_path / name) for name in ("mine.tsv", "mine.npz"))
    np.testing.assert_allclose(table.values, packed.values, rtol=1e-5)
    library = Library(tmp_path / "knowledge")
    added = add_file(library, tmp_path / "mine.npz", title="Mine")
    assert [item.id for item in library.list("embedding")] == [added.id] == ["mine"]
    np.testing.assert_allclose(library.embedding("mine").values, values, rtol=1e-4)
    centred = values - values.mean(0)
    cosine = centred[0] @ centred[1] / np.linalg.norm(centred[0]) / np.linalg.norm(centred[1])
    assert priors_of(library, ["mine"]).similarity(["A"], ["B"])[0, 0] == pytest.approx(cosine, abs=1e-4)
    library.delete("mine")
    assert not library.list("embedding")


@pytest.mark.parametrize(
    "text", ["A\tB\n1\tx\n", "A\t1\t\nB\t2\t3\n", "A\t1\nB\t2\n"], ids=["words", "gap", "one number"]
)
def test_tables_that_are_no_embeddings_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "wrong.tsv").write_text(text)
    with pytest.raises(InputError):
        read_embedding(tmp_path / "wrong.tsv")
    with pytest.raises(InputError, match="missing or infinite"):
        GeneEmbedding("x", ("A",), np.array([[1.0, np.nan]]))


@pytest.fixture(scope="module")
def unseen(screen) -> Task:
    return Task.of(screen.dataset, scheme="unseen_single")


@pytest.fixture(scope="module")
def truth_prior(screen, unseen) -> GenePriors:
    """Numbers that say which knock-outs do the same: the true effects, projected at random, beside noise."""
    draw = np.random.default_rng(0)
    whole = Task.of(screen.dataset, scheme="cells")
    singles = {g.perturbation.label: whole.delta(g) for g in whole.part("train") if len(g.perturbation.parts) == 1}
    names = tuple(singles)
    deltas = np.array([singles[name] for name in names])
    good = GeneEmbedding("Good", names, (deltas - deltas.mean(0)) @ draw.normal(size=(deltas.shape[1], 40)))
    noise = GeneEmbedding("Noise", names, draw.normal(size=(len(names), 40)))
    return GenePriors((prior_of(good, id="good"), prior_of(noise, id="noise")), {"good": 0.5, "noise": 0.5})


def test_left_out_perturbations_decide_how_much_a_source_counts(unseen, truth_prior) -> None:
    task = measured(unseen)
    weights = weigh_priors(task, truth_prior, seed=0).weights
    assert weights.get("good", 0) > 2 * weights.get("noise", 0)
    shuffled = [weigh_priors(task, truth_prior.shuffled(seed), seed=0).weights.get("good", 0) for seed in range(4)]
    assert np.mean(shuffled) < weights["good"], "permuted names count for less"


def test_unseen_genes_gain_by_priors_and_permuted_names_neither_help_nor_harm(unseen, truth_prior) -> None:
    """Told which knock-outs do the same, predictions get better; told wrongly, they stay the baseline's."""
    mean = BASELINES["mean_perturbed"](unseen)

    def gains(priors: GenePriors) -> np.ndarray:
        model, found = fit_response(unseen, priors=priors, members=0), []
        for group in unseen.part("test"):
            keep = without_targets(unseen, group.perturbation)
            one, other = (p.delta(group.perturbation, ALL_CELLS)[keep] for p in (model, mean))
            truth = unseen.delta(group)[keep]
            found.append(float(pearson(one, truth) - pearson(other, truth)))
        return np.array(found)

    good, wrong = gains(truth_prior), gains(truth_prior.shuffled(0))
    assert (good > 0).all() and good.mean() > 0.05
    assert abs(wrong.mean()) < 0.3 * good.mean()


def test_the_simplest_of_baselines_that_are_about_as_good_is_chosen_for_unseen_genes() -> None:
    draw = np.random.default_rng(3)
    truth = draw.normal(size=(20, 50))
    units = np.arange(20)
    first, second = np.where(units % 2, 0.5, 1.5)[:, None], np.where(units % 2, 1.5, 0.5)[:, None]
    noise = draw.normal(size=truth.shape)
    about = {"linear": truth + first * noise, "mean_perturbed": truth + second * noise}  # each wins on every other one
    assert simplest(about, truth, units) == "mean_perturbed"
    clear = {**about, "linear": truth + 0.1 * draw.normal(size=truth.shape)}
    assert simplest(clear, truth, units) == "linear"


def test_a_model_with_priors_is_kept_and_says_why(screen, unseen, truth_prior, tmp_path) -> None:
    model = fit_response(unseen, priors=truth_prior, members=2)
    saved = Saved(ResponseConfig(dataset_id=screen.dataset.info.id))
    save_response(model, tmp_path / "m", saved, model_id="m")
    back = load_response(tmp_path / "m", screen.dataset)
    group = unseen.part("test")[0]
    np.testing.assert_allclose(back.delta(group.perturbation, ALL_CELLS), model.delta(group.perturbation, ALL_CELLS),
                               atol=1e-4)  # fmt: skip
    gate = model.gates["single"].model_copy(update={"weight": 1.0, "recipe": model.gates["single"].recipe.__class__(
        alike=0, prior=1, centred=True)})  # fmt: skip
    model.gates["single"] = gate
    reasons = model.confidence(group.perturbation, ALL_CELLS).reasons
    assert any(group.perturbation.targets[0] in one and "similar to" in one for one in reasons)
