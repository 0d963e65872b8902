"""Coverage and false findings of what is said about predictions, each by simulation with a fixed seed."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from genediff.core.stats import false_discovery_rates, mean_interval, p_beside_best
from genediff.data.importing.perturbation_names import Perturbation
from genediff.perturbation.change_scores import change_scores, noise_limits
from genediff.perturbation.effect_test import e_test, refined
from genediff.perturbation.model.fit_response import COVERAGE, conformal_width, intervals
from genediff.perturbation.model.leave_out import Fold, predict_fold
from genediff.perturbation.model.measured_shifts import MeasuredTask
from genediff.perturbation.model.model_kinds import KINDS
from genediff.perturbation.model.perturbation_identity import Identity
from genediff.perturbation.model.shrinkage import LeftOut, Shrinkage, decide
from genediff.perturbation.perturbation_metrics import discrimination
from genediff.perturbation.score_table import Scores
from genediff.perturbation.target_loss import TargetLoss
from genediff.perturbation.task import Group
from genediff.perturbation.task_config import ALL_CELLS, TaskConfig
from genediff.perturbation.verdict import verdict_of_case

N_SIMULATED = 2000


def within_two_errors(share: float, nominal: float, n: int) -> bool:
    return abs(share - nominal) < 2 * np.sqrt(nominal * (1 - nominal) / n) + 1e-9


@pytest.mark.parametrize("n", [6, 8, 20])
def test_mean_gains_are_called_real_as_rarely_as_the_level_says(n: int) -> None:
    """The percentile bootstrap over 3 to 5 perturbations called 12 to 18 of 100 null gains better or worse."""
    draw = np.random.default_rng(n)
    signs = [mean_interval(row).sign for row in draw.normal(size=(N_SIMULATED, n))]
    assert within_two_errors(np.mean([sign == 0 for sign in signs]), 0.95, N_SIMULATED)


def test_below_six_perturbations_nothing_is_called_real() -> None:
    assert all(mean_interval(np.full(n, 0.5) + 1e-3 * np.arange(n)).sign is None for n in range(6))
    assert mean_interval([0.5, 0.51, 0.52, 0.5, 0.49, 0.5]).sign == 1
    bounded = mean_interval([1.0, 1.0, 1.0, 1.0, 1.0, 0.5], bounds=(0.0, 1.0))
    assert bounded.high == 1.0 and 0 < bounded.low < bounded.mean  # a share above 100% stood in the table


@pytest.mark.parametrize("n", [6, 12, 30])
def test_a_model_that_is_as_good_as_the_baselines_is_rarely_called_worse_than_the_best_of_them(n: int) -> None:
    """The best of six baselines is the luckiest: by 95% intervals the model was worse in 10%, in one of six measures
    in 45% of cases."""
    draw, found, plain = np.random.default_rng(n), [], []
    for _ in range(1000):
        scores = draw.normal(size=(6, n, 7)) + draw.normal(size=(1, n, 1))  # (measure, perturbation, predictor)
        best = 1 + scores[:, :, 1:].mean(1).argmax(1)
        gains = [one[:, 0] - one[:, place] for one, place in zip(scores, best, strict=True)]
        p = np.array([p_beside_best(one, rivals=6) for one in gains])
        found.append((false_discovery_rates(p) < 0.05).any())
        plain.append(any(mean_interval(one).sign for one in gains))
    assert np.mean(found) <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 1000)
    assert np.mean(plain) > 0.3
    behind = [p_beside_best(draw.normal(-1, 0.5, n), rivals=6) < 0.05 for _ in range(1000)]
    assert np.mean(behind) >= 0.6


def simulated_errors(draw: np.random.Generator, n: int, n_genes: int) -> np.ndarray:
    """Errors whose size differs from perturbation to perturbation and from gene to gene, (perturbation, gene)."""
    return np.exp(0.5 * draw.normal(size=(n, 1))) * draw.gamma(2.0, 0.5, n_genes) * draw.normal(size=(n, n_genes))


@pytest.mark.parametrize("n", [12, 30])
def test_intervals_of_a_perturbation_never_seen_hold_nine_in_ten_genes(n: int) -> None:
    """They covered .91, .87, .81 and .73 of genes over hold-outs, when the width was that of the pooled genes, in
    sample, and .97 of them when the perturbation to come was counted as one of which no gene lies within."""
    draw = np.random.default_rng(1000 + n)
    covered = []
    for _ in range(1000):
        errors = simulated_errors(draw, n + 1, 40)
        seen, new = np.abs(errors[:n]), np.abs(errors[n])
        squares = (seen**2).mean(0)
        scale = np.sqrt(0.9 * squares / squares.mean() + 0.1)
        covered.append((new <= conformal_width(seen, np.arange(n)) * scale).mean())
    error = np.std(covered) / np.sqrt(len(covered))
    assert abs(np.mean(covered) - COVERAGE) < 2 * error
    assert conformal_width(np.abs(simulated_errors(draw, 8, 40)), np.arange(8)) == np.inf, "too few to promise it"


def test_intervals_hold_nine_in_ten_genes_of_each_kind_of_question() -> None:
    """The width was measured on the scale of its own kind and applied to that of all kinds; perturbed genes, which do
    not count, were errors of 0."""
    draw, covered = np.random.default_rng(7), {"seen": [], "single": []}
    sizes = {"seen": draw.gamma(2.0, 0.2, 40), "single": draw.gamma(2.0, 1.0, 40)}
    for _ in range(500):
        left, new = {}, {}
        for kind, size in sizes.items():
            errors = np.exp(0.5 * draw.normal(size=(19, 1))) * size * draw.normal(size=(19, 40))
            errors[np.arange(18), np.arange(18)] = 0.0
            labels = [(f"P{number}", "") for number in range(18)]
            left[kind] = LeftOut(labels, list(errors[:18]), baselines={"additive": [np.zeros(40)] * 18})
            new[kind] = np.abs(errors[18])
        gates = {kind: Shrinkage(baseline="additive") for kind in sizes}
        scale, width = intervals(left, gates, 40)  # type: ignore[arg-type]
        for kind, errors in new.items():
            covered[kind].append((errors <= width[kind] * scale).mean())  # type: ignore[index]
    for shares in covered.values():
        assert abs(np.mean(shares) - COVERAGE) < 2 * np.std(shares) / np.sqrt(len(shares))


def screen_without_effects(draw: np.random.Generator, n: int = 8) -> MeasuredTask:
    """A screen of 8 perturbations that do nothing, with few controls, whose noise all of them share."""
    sizes = np.concatenate([[[16, 8, 8]][0], np.full(n, 40)])
    ends = np.cumsum(sizes)
    rows = [np.arange(end - size, end) for end, size in zip(ends, sizes, strict=True)]
    x = sp.csr_matrix(draw.normal(size=(ends[-1], 30)))
    genes = tuple(f"G{number}" for number in range(30))
    done = [Perturbation.of_genes(gene) for gene in genes[:n]]
    groups = tuple(Group(one, ALL_CELLS, "train", part) for one, part in zip(done, rows[3:], strict=True))
    controls = {(ALL_CELLS, part): cells for part, cells in zip(("train", "validation", "test"), rows, strict=False)}
    dataset = SimpleNamespace(genes=genes, x=lambda: x, info=SimpleNamespace(target_sum=None))
    empty = SimpleNamespace(of={}, unique=())
    control = Perturbation.of_genes("G29")
    return MeasuredTask(dataset, TaskConfig(), empty, control, tuple(done), (ALL_CELLS,), groups, controls, ())  # type: ignore[arg-type]


def test_left_out_perturbations_do_not_share_controls_with_those_that_are_fitted() -> None:
    """The noise of shared controls made the mean of others predict perturbations that did nothing (r about .5)."""
    draw, r = np.random.default_rng(1), []
    for seed in range(1000):
        task = screen_without_effects(draw)
        fitted, judging = task.split_controls(seed)
        assert not set(fitted.control_rows("train")) & set(judging.control_rows("train"))
        train = task.part("train")
        left = {kind: LeftOut() for kind in KINDS}
        unknown = Identity(task.genes, np.zeros((30, 1)))
        predict_fold(fitted, judging, unknown, Fold(train[1:], train[:1]), left, recipes=())
        one = left["single"]
        r.append(np.corrcoef(one.baselines["mean_perturbed"][0], one.measured[0])[0, 1])
    assert abs(np.mean(r)) < 2 * np.std(r) / np.sqrt(len(r))


def test_the_same_perturbation_left_out_twice_counts_once() -> None:
    """“On 160 perturbations that were left out” in a screen of 42; each counted five times, gains looked surer."""
    draw = np.random.default_rng(0)
    labels = [(f"P{number % 5}", "") for number in range(25)]
    measured = [draw.normal(size=20) for _ in labels]
    left = LeftOut(labels, measured, [np.ones(20)] * 25, {"additive": [one + 1 for one in measured]}, {0: measured})
    assert left.n == 5
    found = decide("double_2", left, "additive", np.eye(20))
    assert found.n == 5 and found.weight == 0 and found.why.startswith("Only 5 perturbations")


def test_a_prediction_without_noise_reaches_the_attainable_correlation_and_passes_a_replicate() -> None:
    """The ceiling was a replicate's r, .65 under a prediction of .85, “what no prediction can be asked to” exceed."""
    draw = np.random.default_rng(2)
    reached, replicate, attainable = [], [], []
    for _ in range(1000):
        truth = 0.25 * draw.normal(size=60)
        x = sp.csr_matrix(draw.normal(size=(80, 60)) + np.where(np.arange(80) < 40, 1.0, 0.0)[:, None] * truth)
        task = SimpleNamespace(x=x)
        cells, controls = np.arange(40), np.arange(40, 80)
        measured = np.asarray(x[:40].mean(0) - x[40:].mean(0)).ravel()
        limits = noise_limits(task, cells, controls, np.ones(60, dtype=bool))  # type: ignore[arg-type]
        replicate.append(limits[0])
        attainable.append(limits[1])
        reached.append(np.corrcoef(truth, measured)[0, 1])
    assert np.mean(attainable) == pytest.approx(np.mean(reached), abs=0.02)
    assert np.mean(reached) > np.mean(replicate) + 0.1


@pytest.mark.parametrize("n", [2, 5, 12])
def test_discrimination_of_random_predictions_is_at_the_chance_that_is_printed(n: int) -> None:
    draw = np.random.default_rng(n)
    keep = np.ones((n, 6), dtype=bool)
    found = [discrimination(*draw.normal(size=(2, n, 6)), keep).mean() for _ in range(N_SIMULATED)]
    table = pd.DataFrame({"context": "", "perturbation": list(map(str, range(n)))})
    chance = Scores(table, {}, {}, {}).chance("discrimination_score_l1")
    assert chance == pytest.approx((n + 1) / (2 * n))
    assert abs(np.mean(found) - chance) < 2 * np.std(found) / np.sqrt(N_SIMULATED)


def test_the_e_test_finds_no_effect_more_often_than_its_level_and_real_ones_with_the_cells_it_asks_for() -> None:
    draw = np.random.default_rng(3)

    def p(shift: float, n: int) -> float:
        perturbed, control = draw.normal(size=(n, 5)), draw.normal(size=(n, 5))
        perturbed[:, 0] += shift
        return e_test(perturbed, control, n_permutations=99, generator=draw).p

    null = np.array([p(0.0, 20) for _ in range(1000)])
    assert (null <= 0.05).mean() < 0.05 + 2 * np.sqrt(0.05 * 0.95 / 1000)
    needed = np.median([
        e_test(draw.normal(size=(200, 5)) + [0.5, 0, 0, 0, 0], draw.normal(size=(200, 5)), n_permutations=199,
               generator=draw).cells_needed for _ in range(30)
    ])  # fmt: skip
    power = np.mean([p(0.5, int(needed)) <= 0.05 for _ in range(300)])
    assert 0.6 < power < 0.97


def test_one_effect_among_many_perturbations_is_a_discovery_and_none_is_where_there_is_none() -> None:
    """No p-value of 999 permutations is below 0.001: of 300 perturbations six had to tie there before one was found.

    Permutations are drawn from each perturbation's true p-value: 1 in a million for the one with an effect.
    """
    draw = np.random.default_rng(8)

    def discovered(true_p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        def p(label: str, n: int = 999) -> float:
            return (1 + draw.binomial(n, true_p[int(label)])) / (n + 1)

        first = pd.Series({str(number): p(str(number)) for number in range(len(true_p))})
        return false_discovery_rates(first.to_numpy()) < 0.05, false_discovery_rates(refined(first, p)) < 0.05

    null, before, after = [], [], []
    for _ in range(1000):
        true_p = draw.uniform(size=200)
        null.append(discovered(true_p)[1].any())
        true_p[0] = 1e-6
        for kept, found in zip((before, after), discovered(true_p), strict=True):
            kept.append(found[0])
    assert np.mean(null) <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 1000)
    assert np.mean(before) < 0.1 and np.mean(after) > 0.9


def test_types_in_another_mix_are_no_effect() -> None:
    draw = np.random.default_rng(4)
    kinds = np.repeat(["a", "b"], [40, 10]), np.repeat(["a", "b"], [10, 40])
    p = []
    for _ in range(100):
        one, other = (draw.normal(size=(50, 3)) + 3 * (kind == "a")[:, None] for kind in kinds)
        p.append(e_test(one, other, strata=kinds, n_permutations=99, generator=draw).p)
    assert np.mean(np.array(p) <= 0.05) < 0.12


def verdict(predicted: np.ndarray, measured: np.ndarray, p: float = 0.001, own: tuple[float, float] = (-1.0, -1.1)):
    effect = SimpleNamespace(p=p, n_cells=100, cells_needed=400.0)
    counted = np.ones(len(measured), dtype=bool)
    return verdict_of_case(predicted, measured, counted=counted, targets={"STAT1": own}, effect=effect,  # type: ignore[arg-type]
                           attainable=0.8)  # fmt: skip


def test_a_right_direction_of_a_tenth_of_the_size_is_not_green() -> None:
    """STAT1: r = .20, JAK2 -.4 predicted and -2.4 measured, STAT1 itself unchanged, and a green tick."""
    draw = np.random.default_rng(5)
    measured = draw.normal(size=200)
    good = measured + 0.5 * draw.normal(size=200)
    assert verdict(good, measured).tone == "good"
    assert verdict(good / 10, measured).tone == "caution" and "times the predicted" in verdict(good / 10, measured).text
    assert verdict(good, measured, own=(0.0, -1.7)).tone == "caution"
    assert verdict(-good, measured).tone == "bad"
    none = verdict(good, measured, p=0.4)
    assert none.tone == "neutral" and "no effect" in none.text and "400 cells" in none.text
    assert change_scores(good / 10, measured)["slope"] == pytest.approx(10 * change_scores(good, measured)["slope"])


def test_a_knocked_out_gene_drops_by_what_the_screen_measured() -> None:
    """Predicted knock-outs left the knocked-out gene as it was."""
    draw = np.random.default_rng(6)
    task = screen_without_effects(draw)
    x = np.abs(task.x.toarray()) + 1
    for place, group in enumerate(task.groups):
        x[group.rows, place] *= 0.25
    lowered = SimpleNamespace(genes=task.genes, x=lambda: sp.csr_matrix(x), info=task.dataset.info)
    task = MeasuredTask(lowered, *(getattr(task, name) for name in (
        "config", "levels", "control", "perturbations", "contexts", "groups", "controls", "notes")))  # fmt: skip
    loss = TargetLoss(task)
    assert loss.efficiency["knock_out"] == pytest.approx(0.75, abs=0.03)
    level = task.control_mean("train", ALL_CELLS)
    new = loss.apply(np.zeros(30), Perturbation.of_genes("G20"), ALL_CELLS)
    assert new[20] == pytest.approx(-0.75 * level[20], abs=0.05 * level[20]) and (np.delete(new, 20) == 0).all()
    seen = loss.apply(np.zeros(30), task.groups[0].perturbation, ALL_CELLS)
    assert seen[0] == pytest.approx(task.delta(task.groups[0])[0])
    raised = Perturbation.of_genes("G20", mode="activation", usual="knock_out")
    assert (loss.apply(np.zeros(30), raised, ALL_CELLS) == 0).all()
