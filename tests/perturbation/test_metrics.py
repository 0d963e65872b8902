"""Metrics against closed forms, independent implementations, and shuffled controls."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from scipy.stats import false_discovery_control, mannwhitneyu

from genediff.core.stats import pearson, spearman_brown
from genediff.perturbation.differential import differential, rank_test
from genediff.perturbation.perturbation_metrics import de_metrics, discrimination, e_distance, response_weights
from genediff.perturbation.prediction_scores import Judge
from genediff.perturbation.replicate import DUPLICATE, interpolate, split_halves
from genediff.perturbation.score_table import Scores, share_in_words

N_GENES = 60


def cells(mean: np.ndarray, n: int, draw: np.random.Generator) -> np.ndarray:
    """Cells with many zeros and ties, as counts have them."""
    return np.log1p(draw.poisson(mean, (n, len(mean)))).astype(np.float32)


@pytest.fixture
def judge() -> Judge:
    draw = np.random.default_rng(0)
    base = draw.gamma(1.0, 1.0, N_GENES)
    real = {}
    for number in range(12):
        moved = base.copy()
        moved[number * 4 : number * 4 + 6] *= 4.0
        real[f"p{number:02d}"] = sp.csr_matrix(cells(moved, 80, draw))
    return Judge(tuple(f"g{n}" for n in range(N_GENES)), cells(base, 120, draw), real)


def test_the_rank_test_is_that_of_scipy() -> None:
    draw = np.random.default_rng(1)
    one, other = cells(draw.gamma(0.5, 2.0, 40), 33, draw), cells(draw.gamma(0.5, 2.0, 40), 71, draw)
    one[:, 0] = other[:, 0] = 0.0  # all tied
    one[:, 1] = other[0, 1]
    expected = mannwhitneyu(one.astype(float), other.astype(float), method="asymptotic").pvalue
    expected = np.where(np.isnan(expected), 1.0, expected)
    np.testing.assert_allclose(rank_test(one, other), expected, atol=1e-12)
    found = differential(one, other)
    np.testing.assert_allclose(found.fdr, false_discovery_control(expected), rtol=1e-5)


def test_fold_changes_of_genes_that_are_silent() -> None:
    one, other = np.zeros((5, 3), dtype=np.float32), np.zeros((6, 3), dtype=np.float32)
    one[:, 1] = np.log1p(6.0)
    other[:, 1] = np.log1p(3.0)
    other[:, 2] = 1.0
    np.testing.assert_allclose(differential(one, other).log2_fold, [0.0, 1.0, -np.inf], atol=1e-6)


def test_pearson_is_numpy_s_and_0_where_nothing_is_predicted() -> None:
    draw = np.random.default_rng(2)
    one, other = draw.normal(size=(4, 30)), draw.normal(size=(4, 30))
    expected = [np.corrcoef(a, b)[0, 1] for a, b in zip(one, other, strict=True)]
    np.testing.assert_allclose(pearson(one, other), expected)
    assert pearson(np.zeros(30), other[0]) == 0.0


def test_e_distance_of_points_and_of_samples() -> None:
    one, other = np.zeros((5, 2)), np.zeros((7, 2))
    other[:, 0] = 3.0
    assert e_distance(one, other) == pytest.approx(6.0)  # twice the distance, and no spread
    draw = np.random.default_rng(3)
    same = [e_distance(draw.normal(size=(60, 5)), draw.normal(size=(60, 5))) for _ in range(40)]
    assert abs(np.mean(same)) < 3 * np.std(same) / np.sqrt(40) + 1e-3  # unbiased


def test_discrimination_tells_own_from_others_and_shuffled_ones_do_not() -> None:
    draw = np.random.default_rng(4)
    measured = draw.normal(size=(30, 50))
    keep = np.ones((30, 50), dtype=bool)
    for distance in ("l1", "l2", "cosine"):
        assert discrimination(measured + 0.1 * draw.normal(size=(30, 50)), measured, keep, distance=distance).min() == 1
    shuffled = np.mean([discrimination(measured[draw.permutation(30)], measured, keep).mean() for _ in range(20)])
    assert shuffled == pytest.approx(0.5, abs=0.06)


def test_what_is_given_away_does_not_count() -> None:
    measured, keep = np.zeros((2, 3)), np.ones((2, 3), dtype=bool)
    measured[0, 0], measured[1, 1] = 9.0, 5.0
    predicted = measured.copy()
    predicted[0] = [9.0, 5.0, 0.0]  # right only in its own target
    keep[0, 0] = False
    assert discrimination(predicted, measured, keep)[0] == 0.5


def test_weights_lie_on_genes_that_respond() -> None:
    draw = np.random.default_rng(5)
    base = np.full(40, 2.0)
    moved = base.copy()
    moved[:3] = 8.0
    weights = response_weights(cells(moved, 60, draw), cells(base, 60, draw))
    assert weights.sum() == pytest.approx(1.0)
    assert weights[:3].sum() > 0.9


def test_the_right_answer_is_judged_right(judge: Judge) -> None:
    table = judge.judge(lambda label: judge.real[label].toarray())
    for metric in ("pearson_delta", "discrimination_score_l1", "overlap_at_N", "de_direction_match", "pr_auc"):
        assert table[metric].min() == pytest.approx(1.0)
    assert table["mse"].max() == pytest.approx(0.0, abs=1e-12)


def test_controls_as_prediction_score_nothing(judge: Judge) -> None:
    table = judge.judge(lambda label: judge.control)
    assert (table["pearson_delta"] == 0).all()
    assert table["de_sig_genes_recall"].max() == 0.0
    assert table["discrimination_score_l1"].mean() == pytest.approx(0.54, abs=0.01)  # ranks 0 to 11 in some order


def test_another_s_cells_score_less(judge: Judge) -> None:
    names = list(judge.labels)
    other = dict(zip(names, names[6:] + names[:6], strict=True))
    wrong = judge.judge(lambda label: judge.real[other[label]].toarray())
    assert wrong["pearson_delta"].mean() < 0.3
    assert wrong["pr_auc"].mean() < 0.5


def test_no_gene_responds_and_nothing_is_claimed() -> None:
    draw = np.random.default_rng(6)
    same = differential(cells(np.ones(30), 20, draw), cells(np.ones(30), 20, draw))
    found = de_metrics(same, same)
    assert np.isnan(found["pr_auc"])
    assert np.isnan(found["de_sig_genes_recall"])


def test_a_replicate_is_alike_for_effects_and_near_0_without_them(judge: Judge) -> None:
    halves = split_halves(judge, seed=0).replicate()
    assert halves["pearson_delta"].min() > 0.7
    draw = np.random.default_rng(7)
    base = np.ones(N_GENES)
    none = Judge(
        judge.genes, cells(base, 200, draw), {f"p{n}": sp.csr_matrix(cells(base, 60, draw)) for n in range(12)}
    )
    found = split_halves(none, seed=0).replicate()["pearson_delta"]
    # Shared controls would give 0.5 here: each half's change holds the noise of the controls.
    assert abs(found.mean()) < 0.1
    assert spearman_brown(0.5) == pytest.approx(2 / 3) and spearman_brown(-0.5) == 0


def test_an_interpolated_duplicate_follows_genes_that_respond_and_leaves_the_noise_of_others() -> None:
    draw, closer = np.random.default_rng(8), []
    moved = np.where(np.arange(N_GENES) < 10, 1.0, 0.0)
    for _ in range(200):
        one = draw.normal(size=(20, N_GENES)) + moved
        others = draw.normal(size=(400, N_GENES))
        mixed = interpolate(one, (others.sum(0), (others**2).sum(0), 400), np.zeros(N_GENES))
        closer.append(((mixed - moved) ** 2).mean() < ((one.mean(0) - moved) ** 2).mean())
    assert np.mean(closer) > 0.95
    assert mixed[:10].mean() == pytest.approx(1.0, abs=0.2)


def test_a_perfect_prediction_takes_the_whole_range_and_an_uninformed_one_none(judge: Judge) -> None:
    halves = split_halves(judge, seed=0)
    rows = {
        "no_change": halves.judge.judge(lambda label: halves.judge.other_control),  # type: ignore[arg-type, return-value]
        "truth": halves.judge.judge(lambda label: judge.real[label].toarray()),
        DUPLICATE: halves.interpolated_duplicate(),
    }
    table = pd.concat([one.reset_index().assign(predictor=name, context="") for name, one in rows.items()])
    scores = Scores(table.assign(seed=0), {name: name for name in rows}, {}, {}, halves=table)
    for metric in ("pearson_delta", "mse", "discrimination_score_l1", "pr_auc"):
        assert scores.dynamic_range(metric).exists  # type: ignore[union-attr]
        assert scores.share_of_range("no_change", metric) == pytest.approx(0, abs=1e-9)
        assert scores.share_of_range("truth", metric) > 0.9
    assert [share_in_words(one) for one in (14.2, 0.5, -0.001, -0.4)] == [">100%", "50%", "0%", "<0%"]
    assert Scores.from_dict(scores.to_dict()).share_of_range("truth", "mse") == scores.share_of_range("truth", "mse")


def test_a_metric_that_cannot_tell_a_duplicate_from_nothing_has_no_range() -> None:
    """1,000 metrics of noise: a range is seen in no more than the level says, and never with few perturbations."""
    draw, keys = np.random.default_rng(9), [f"p{number}" for number in range(10)]
    seen = []
    for _ in range(1000):
        rows = [(name, "", key) for name in ("no_change", DUPLICATE) for key in keys]
        table = pd.DataFrame(rows, columns=["predictor", "context", "perturbation"])
        table["mse"] = draw.normal(size=len(table))
        seen.append(Scores(table, {}, {}, {}, halves=table).dynamic_range("mse").exists)  # type: ignore[union-attr]
    assert np.mean(seen) < 0.025 + 2 * np.sqrt(0.025 * 0.975 / 1000)
    few = table[table["perturbation"].isin(keys[:5])]
    ends = Scores(few, {}, {}, {}, halves=few).dynamic_range("mse")
    assert ends is not None and not ends.exists and "too few" in ends.why_not
    assert np.isnan(Scores(few, {}, {}, {}, halves=few).share_of_range(DUPLICATE, "mse"))
