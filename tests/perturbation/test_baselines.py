"""Baselines against closed forms and what was planted, and the cells that they move."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from genediff.core.errors import InputError
from genediff.data.importing.recipe import Treatment
from genediff.perturbation import (
    ALL_CELLS,
    BASELINES,
    BaselinePredictor,
    Predictor,
    Scores,
    Task,
    best_baseline,
    fit_baselines,
    score,
)
from genediff.perturbation.perturbation_baselines import RIDGE, Linear, dose_similarity, gene_embedding
from genediff.perturbation.target_loss import without_targets

if TYPE_CHECKING:
    from pathlib import Path

    from genediff.data.cells.dataset import Dataset


@pytest.fixture(scope="module")
def doubles(screen: Dataset) -> Task:
    return Task.of(screen, scheme="doubles", share=0.3)


def of_train(task: Task, label: str) -> np.ndarray:
    names = [group.perturbation.label for group in task.part("train")]
    return task.train_deltas[names.index(label)]


def test_sums_and_means_are_what_they_say(doubles: Task) -> None:
    shifts = fit_baselines(doubles)
    pair = doubles.part("test")[0].perturbation
    keep = without_targets(doubles, pair)
    one, other = (of_train(doubles, gene) for gene in pair.targets)
    mean = doubles.train_deltas.mean(0)
    for name, expected in (("additive", one + other), ("matching_mean", (one + other) / 2), ("mean_perturbed", mean)):
        found = shifts[name].delta(pair, ALL_CELLS)
        np.testing.assert_allclose(found[keep], expected[keep])
        own = [part[doubles.genes.index(gene)] for part, gene in zip((one, other), pair.targets, strict=True)]
        np.testing.assert_allclose([found[doubles.genes.index(gene)] for gene in pair.targets], own)
    assert not shifts["no_change"].delta(pair, ALL_CELLS).any()
    single = doubles.perturbation(pair.targets[0])
    np.testing.assert_allclose(shifts["nearest"].delta(single, ALL_CELLS), one)
    assert all(not shift.delta(doubles.control, ALL_CELLS).any() for shift in shifts.values())


def test_the_linear_one_solves_its_equations(doubles: Task) -> None:
    """G'(Y - b)P = (G'G + r)W(P'P + r), with P the summed embeddings of the targets."""
    fitted = Linear(doubles)
    embedding = gene_embedding(doubles)
    place = {gene: number for number, gene in enumerate(doubles.genes)}
    targets = np.array([sum(embedding[place[gene]] for gene in g.perturbation.targets) for g in doubles.part("train")])
    mean = doubles.train_deltas.mean(0)
    pair = doubles.part("test")[0].perturbation
    said = fitted.delta(pair, ALL_CELLS) - mean
    eye = RIDGE * np.eye(embedding.shape[1])
    left = embedding.T @ (doubles.train_deltas - mean).T @ targets
    weights = np.linalg.inv(embedding.T @ embedding + eye) @ left @ np.linalg.inv(targets.T @ targets + eye)
    expected = embedding @ weights @ sum(embedding[place[g]] for g in pair.targets)
    keep = without_targets(doubles, pair)
    np.testing.assert_allclose(said[keep], expected[keep], atol=1e-8)


def test_additive_is_best_where_effects_add_up(doubles: Task) -> None:
    found = score(doubles, with_de=False, seeds=(0,)).summary(("pearson_perturbed", "mse"))
    means = found.xs("mean", axis=1, level=1)
    r = means["pearson_perturbed"].drop("replicate")
    assert r["additive"] > r.max() - 0.02  # over few pairs, and without the perturbed genes, the linear one ties
    assert means["mse"].drop("replicate").idxmin() == "additive"
    assert best_baseline(doubles).name in ("additive", "matching_mean")


@pytest.mark.parametrize("name", sorted(BASELINES))
def test_cells_move_as_far_as_they_are_told(doubles: Task, name: str) -> None:
    predictor = BaselinePredictor(BASELINES[name](doubles))
    assert isinstance(predictor, Predictor)
    rows = doubles.control_rows("test", ALL_CELLS)
    group = doubles.part("test")[0]
    found = predictor.predict(group.perturbation, rows, context=ALL_CELLS, seed=1)
    control = doubles.mean(rows)
    goal = np.maximum(control + found.delta, 0.0)
    assert np.abs(found.x.mean(0) - goal).max() < 0.02
    assert found.counts is not None
    assert (found.counts == np.rint(found.counts)).all() and found.counts.min() >= 0
    assert np.abs(doubles.dataset.normalise(found.counts).mean(0) - goal).max() < 0.15
    again = predictor.predict(group.perturbation, rows, context=ALL_CELLS, seed=1)
    np.testing.assert_array_equal(found.x, again.x)
    drawn = predictor.predict(group.perturbation, rows, context=ALL_CELLS, n_cells=17)
    assert drawn.x.shape == (17, len(doubles.genes)) and set(drawn.source) <= set(rows)


def test_counts_that_fall_are_thinned_and_zeros_stay(doubles: Task) -> None:
    shift = fit_baselines(doubles)["additive"]
    group = doubles.part("test")[0]
    rows = doubles.control_rows("test", ALL_CELLS)
    found = BaselinePredictor(shift).predict(group.perturbation, rows, context=ALL_CELLS)
    before = doubles.dataset.counts()[rows].toarray()
    knocked = [doubles.genes.index(gene) for gene in group.perturbation.targets]
    assert found.counts is not None
    assert (found.counts[:, knocked] <= before[:, knocked]).all()


def test_cells_without_counts_move_too(without_counts: Dataset) -> None:
    task = Task.of(without_counts)
    found = BaselinePredictor(fit_baselines(task)["additive"]).predict(
        task.perturbations[0], task.control_rows("test"), context=ALL_CELLS
    )
    goal = np.maximum(task.control_mean("test", ALL_CELLS) + found.delta, 0.0)
    assert found.counts is None
    np.testing.assert_allclose(found.x.mean(0), goal, atol=1e-4)


def test_an_unseen_context_is_predicted_from_the_others(screen: Dataset) -> None:
    held = sorted(screen.obs["cell_type"].astype(str).unique())[1]
    task = Task.of(screen, scheme="context", context="cell_type", hold_out=(held,))
    group = task.part("test")[0]
    train = zip(task.part("train"), task.train_deltas, strict=True)
    own = [delta for one, delta in train if one.perturbation.label == group.perturbation.label]
    assert own
    keep = without_targets(task, group.perturbation)
    found = fit_baselines(task)["matching_mean"].delta(group.perturbation, held)
    np.testing.assert_allclose(found[keep], np.mean(own, 0)[keep])


def test_scores_are_kept_and_compared(doubles: Task, tmp_path: Path) -> None:
    found = score(doubles, with_de=False, seeds=(0, 1))
    found.save(tmp_path / "scores.json")
    again = Scores.read(tmp_path / "scores.json")
    columns = list(found.metrics)
    np.testing.assert_allclose(again.table[columns], found.table[columns], rtol=1e-12)
    assert again.best == found.best and again.titles == found.titles
    gap = found.gain("additive", "no_change", "mse")
    assert gap.mean > 0 and (gap.n < 6) == np.isnan(gap.low)
    best = found.best["pearson_delta"]
    assert found.harm_rate(best) == 0.0
    assert found.harm_rate("no_change") == 1.0
    assert "Additive" in found.to_text()


def test_training_cells_judge_nobody(doubles: Task, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="trained on"):
        score(doubles, part="train")
    (tmp_path / "other.json").write_text("{}")
    with pytest.raises(InputError, match="no evaluation of perturbations"):
        Scores.read(tmp_path / "other.json")


def test_the_nearest_dose_of_a_substance_is_nearer_than_any_of_another() -> None:
    """Doses are numbers: 3 µM stood no nearer to 1 µM than to another drug."""
    drug, other = (lambda dose, name=name: (Treatment(name, dose, "µM"),) for name in ("A", "B"))
    asked = drug(3.0)
    alike = {dose: dose_similarity(asked, drug(dose)) for dose in (0.1, 1.0, 10.0, 100.0)}
    assert max(alike, key=alike.__getitem__) == 1.0 and alike[10.0] > alike[100.0] > 0  # log10: .48, .52 and 1.5
    assert dose_similarity(asked, other(3.0)) == 0 and dose_similarity(asked, asked) == 1
    assert dose_similarity(asked, (*drug(3.0), *other(1.0))) == 0.5
