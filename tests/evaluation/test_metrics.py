"""Each metric against an independent implementation and against cases with a known answer."""

from __future__ import annotations

import numpy as np
import ot
import pytest
from scipy import linalg, stats
from sklearn.neighbors import KNeighborsClassifier

from genediff.evaluation import METRICS, c2st, drift, frechet, mmd, neighbours, realism, transport, utility
from genediff.evaluation.fold_changes import fold_changes


def _two(n: int = 60, d: int = 4, shift: float = 0.7) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    return rng.normal(shift, 1.3, (n, d)), rng.normal(size=(n, d))


def _distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.array([[np.sqrt(sum((p - q) ** 2)) for q in b] for p in a])


# ------------------------------------------------------------------------------------------------- W2


def test_w2_is_the_optimal_transport_cost_of_pot() -> None:
    generated, real = _two()
    weights = np.full(len(real), 1 / len(real))
    assert transport.squared_w2(generated, real) == pytest.approx(ot.emd2(weights, weights, ot.dist(generated, real)))


def test_w2_in_one_dimension_pairs_sorted_cells() -> None:
    generated, real = _two(d=1)
    closed_form = ((np.sort(generated[:, 0]) - np.sort(real[:, 0])) ** 2).mean()
    assert transport.w2(generated, real) == pytest.approx(np.sqrt(closed_form))
    assert transport.squared_w2(generated, real) == pytest.approx(ot.wasserstein_1d(generated, real, p=2)[0])


def test_w2_wants_equal_sizes() -> None:
    generated, real = _two()
    with pytest.raises(ValueError, match="equally many"):
        transport.w2(generated[:-1], real)


def test_debiasing_removes_the_noise_of_having_few_cells() -> None:
    rng = np.random.default_rng(0)
    raw, debiased = [], []
    for seed in range(10):
        a, b = rng.normal(size=(2, 100, 20))
        raw.append(transport.squared_w2(a, b))
        debiased.append(transport.debiased_w2(a, b, seed=seed))
    assert np.mean(raw) > 10
    assert abs(np.mean(debiased)) < 0.5


def test_debiased_w2_of_a_shift_is_its_square() -> None:
    rng = np.random.default_rng(0)
    pairs = [rng.normal(size=(2, 300, 3)) for _ in range(20)]
    values = [transport.debiased_w2(a + [2, 0, 0], b, n_splits=1) for a, b in pairs]
    assert np.mean(values) == pytest.approx(4.0, abs=0.3)  # one value has a sd of 4 * sqrt(2 / 300) = 0.33


def test_halves_within_labels_do_not_count_the_mix_as_negative_distance() -> None:
    """Two samples matched label by label once had a debiased W2² of -0.8: random halves differ in their mix."""
    rng = np.random.default_rng(0)
    codes = np.repeat([0, 1], [60, 60])
    centre = np.where(codes == 1, 8.0, 0.0)[:, None]
    free, within = [], []
    for seed in range(20):
        a, b = rng.normal(size=(2, 120, 2)) + centre
        free.append(transport.debiased_w2(a, b, seed=seed))
        within.append(transport.debiased_w2(a, b, generated_codes=codes, real_codes=codes, seed=seed))
    assert np.mean(free) < -0.5
    assert abs(np.mean(within)) < 0.2


# ------------------------------------------------------------------------------------------------- MMD


def test_mmd_is_the_double_sum_of_the_paper() -> None:
    generated, real = _two(n=15)
    total = 0.0
    for factor in (0.5, 1, 2, 4):
        width = 1.7 * factor

        def k(a: np.ndarray, b: np.ndarray, width: float = width) -> float:
            return float(np.exp(-((a - b) ** 2).sum() / (2 * width**2)))

        n = len(real)
        gg = sum(k(generated[i], generated[j]) for i in range(n) for j in range(n) if i != j) / (n * (n - 1))
        rr = sum(k(real[i], real[j]) for i in range(n) for j in range(n) if i != j) / (n * (n - 1))
        gr = sum(k(a, b) for a in generated for b in real) / n**2
        total += gg + rr - 2 * gr
    assert mmd.unbiased_mmd2(generated, real, bandwidth=1.7) == pytest.approx(total / 4)


def test_mmd_is_unbiased() -> None:
    rng = np.random.default_rng(0)
    same = [mmd.unbiased_mmd2(*rng.normal(size=(2, 50, 5)), bandwidth=3.0) for _ in range(200)]
    assert abs(np.mean(same)) < 3 * np.std(same) / np.sqrt(len(same))
    assert min(same) < 0
    assert mmd.unbiased_mmd2(*_two(), bandwidth=3.0) > 3 * np.std(same)


def test_median_distance_is_that_of_all_pairs() -> None:
    cells = _two(n=20)[0]
    pairs = _distances(cells, cells)[np.triu_indices(20, 1)]
    assert mmd.median_distance(cells) == pytest.approx(np.median(pairs))


# ------------------------------------------------------------------------------------------------- Fréchet


def test_frechet_distance_is_that_of_the_textbook_formula() -> None:
    generated, real = _two()
    c_g, c_r = np.cov(generated.T), np.cov(real.T)
    shift = generated.mean(0) - real.mean(0)
    textbook = shift @ shift + np.trace(c_g + c_r - 2 * linalg.sqrtm(c_g @ c_r).real)
    assert frechet.frechet_distance(generated, real) == pytest.approx(textbook)


def test_frechet_distance_of_known_gaussians() -> None:
    rng = np.random.default_rng(0)
    generated = rng.normal(size=(20_000, 2)) * [3, 1] + [1, 0]
    # (1 - 0)² + (3 - 1)² + (1 - 1)²
    assert frechet.frechet_distance(generated, rng.normal(size=(20_000, 2))) == pytest.approx(5.0, rel=0.03)


def test_frechet_distance_takes_fewer_cells_than_features() -> None:
    rng = np.random.default_rng(0)
    cells = rng.normal(size=(10, 30))
    assert frechet.frechet_distance(cells, cells) == pytest.approx(0.0, abs=1e-6)
    assert np.isfinite(frechet.frechet_distance(cells, rng.normal(size=(10, 30))))


# ------------------------------------------------------------------------------------------------- neighbours


def test_one_nn_accuracy_is_that_of_a_classifier_left_one_out() -> None:
    generated, real = _two()
    cells, kind = np.concatenate([generated, real]), np.repeat([1, 0], 60)
    right = [
        KNeighborsClassifier(1).fit(np.delete(cells, i, 0), np.delete(kind, i)).predict(cells[i : i + 1])[0] == kind[i]
        for i in range(120)
    ]
    gg, rr, gr = _distances(generated, generated), _distances(real, real), _distances(generated, real)
    assert neighbours.one_nn_accuracy(gg, rr, gr) == pytest.approx(np.mean(right))


def test_precision_recall_density_coverage_by_plain_loops() -> None:
    generated, real = _two(n=40)
    k, n = 5, 40
    gg, rr, gr = _distances(generated, generated), _distances(real, real), _distances(generated, real)
    real_radius = [sorted(rr[i][j] for j in range(n) if j != i)[k - 1] for i in range(n)]
    own_radius = [sorted(gg[i][j] for j in range(n) if j != i)[k - 1] for i in range(n)]
    figures = neighbours.manifold(gg, rr, gr, k=k)
    assert figures.precision == np.mean([any(gr[i][j] <= real_radius[j] for j in range(n)) for i in range(n)])
    assert figures.recall == np.mean([any(gr[i][j] <= own_radius[i] for i in range(n)) for j in range(n)])
    hits = sum(gr[i][j] <= real_radius[j] for i in range(n) for j in range(n))
    assert figures.density == pytest.approx(hits / (k * n))
    assert figures.coverage == np.mean([any(gr[i][j] <= real_radius[j] for i in range(n)) for j in range(n)])


def test_train_ratio_and_near_share_of_copies_and_of_new_cells() -> None:
    rng = np.random.default_rng(0)
    training, real, new = rng.normal(size=(3, 400, 6))
    to_training = neighbours.nearest_distance(real, training)
    loop = [min(np.linalg.norm(cell - other) for other in training) for cell in real[:20]]
    np.testing.assert_allclose(to_training[:20], loop)
    ours = neighbours.nearest_distance(new, training)
    assert neighbours.train_ratio(ours, to_training) == pytest.approx(1.0, abs=0.1)
    assert neighbours.too_near_share(ours, to_training) < 0.04
    some_copies = neighbours.nearest_distance(np.concatenate([new[:320], training[:80]]), training)
    assert neighbours.train_ratio(some_copies, to_training) > 0.7  # the median hardly notices
    assert neighbours.too_near_share(some_copies, to_training) >= 0.2
    assert neighbours.train_ratio(neighbours.nearest_distance(training, training), to_training) < 1e-6


# ------------------------------------------------------------------------------------------------- classifiers


def test_forest_auc_at_chance_for_one_distribution_and_high_for_two() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 150, 10))
    assert c2st.forest_auc(a, b) == pytest.approx(0.5, abs=0.08)
    # Two Gaussians 2 apart: no test can beat Φ(2 / √2) = 0.921.
    assert 0.85 < c2st.forest_auc(a + np.eye(10)[0] * 2, b) < stats.norm.cdf(2**0.5) + 0.04
    assert c2st.forest_auc(a, b, seed=3) == c2st.forest_auc(a, b, seed=3)


def test_tstr_f1_of_right_swapped_and_missing_labels() -> None:
    rng = np.random.default_rng(0)
    codes = np.repeat([0, 1, 2], 40)
    centre = np.eye(3)[codes] * 10
    generated, real = rng.normal(size=(2, 120, 3)) + centre
    assert utility.synthetic_to_real_f1(generated, codes, real, codes) == pytest.approx(1.0)
    assert utility.synthetic_to_real_f1(generated, (codes + 1) % 3, real, codes) == 0.0
    kept = codes != 2
    without = utility.synthetic_to_real_f1(generated[kept], codes[kept], real, codes)
    assert without <= 2 / 3
    assert np.isnan(utility.synthetic_to_real_f1(generated, np.zeros(120, dtype=int), real, codes))


# ------------------------------------------------------------------------------------------------- count realism


def test_count_realism_by_plain_loops() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.poisson(1.5, (60, 12)).astype(np.float32), rng.poisson(1.0, (60, 12)).astype(np.float32)
    genes = range(12)
    assert realism.mean_error(a, b) == pytest.approx(np.mean([abs(a[:, g].mean() - b[:, g].mean()) for g in genes]))
    zeros = np.mean([abs((a[:, g] == 0).mean() - (b[:, g] == 0).mean()) for g in genes])
    assert realism.zero_error(a, b) == pytest.approx(zeros)
    pairs = [(g, h) for g in genes for h in genes if g != h]
    r = [abs(stats.pearsonr(a[:, g], a[:, h])[0] - stats.pearsonr(b[:, g], b[:, h])[0]) for g, h in pairs]
    assert realism.correlation_error(a, b) == pytest.approx(np.mean(r), rel=1e-4)  # float32 inside
    assert realism.library_ks(a, b) == pytest.approx(stats.ks_2samp(a.sum(1), b.sum(1)).statistic)


def test_variance_error_counts_doublings() -> None:
    rng = np.random.default_rng(0)
    b = rng.poisson(3, (5000, 20)).astype(np.float32)
    spread_out = rng.poisson(rng.gamma(3, 1.0, (5000, 20))).astype(np.float32)  # variance 3 + 3 instead of 3
    assert realism.variance_error(spread_out, b) == pytest.approx(1.0, abs=0.05)
    assert realism.variance_error(b, b) == 0.0
    assert np.isnan(realism.variance_error(b * 0, b * 0))


def test_shuffling_genes_breaks_correlations_and_nothing_else() -> None:
    rng = np.random.default_rng(0)
    program = rng.normal(size=(2, 300, 1))
    x, other = np.exp(program + 0.3 * rng.normal(size=(2, 300, 15)))
    shuffled = np.stack([rng.permutation(x[:, g]) for g in range(15)], axis=1)
    assert realism.mean_error(shuffled, other) == pytest.approx(realism.mean_error(x, other))
    assert realism.correlation_error(shuffled, other) > 5 * realism.correlation_error(x, other)


def test_ks_distances_are_those_of_scipy_and_name_the_drifted_gene() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.poisson(1.0, (2, 80, 6)).astype(np.float32)
    a[:60, 4] = 0
    theirs = [stats.ks_2samp(a[:, g].astype(float), b[:, g].astype(float)).statistic for g in range(6)]
    np.testing.assert_allclose(drift.ks_distances(a, b), theirs)
    worst = drift.most_drifted(a, b, tuple("abcdef"), n=2)[0]
    assert (worst.gene, worst.direction) == ("e", "too often zero")
    assert worst.zeros_generated > 0.7


def test_every_metric_says_how_to_read_it() -> None:
    for name, metric in METRICS.items():
        assert metric.name == name
        assert metric.sentence.endswith((".", "?"))
        assert (metric.better == "target") <= (metric.ideal is not None)


def test_a_distance_below_zero_is_noise_and_is_not_shown_as_a_distance() -> None:
    """Readers were shown a squared distance of -4.83."""
    assert METRICS["w2_debiased"].text(-4.83, 1.2) == "≈ 0 ± 1.2"
    assert METRICS["mmd2"].text(-0.0004).startswith("≈ 0")
    assert METRICS["w2_debiased"].text(4.83) == "4.8"
    assert all(metric.signed or metric.text(-0.5) == f"{-0.5:.{metric.digits}f}" for metric in METRICS.values())


def test_the_frechet_distance_sees_the_spread_that_the_debiased_distance_misses() -> None:
    """In many dimensions the nearest of few cells is far away either way, so W2² sees a third of an error of spread: it
    stands beside the Fréchet distance, which sees two thirds."""
    rng = np.random.default_rng(0)
    size, n_pcs, shrunk = 260, 50, 0.7
    truth = n_pcs * (1 - shrunk) ** 2
    w2, fd = [], []
    for seed in range(20):
        generated, real, other = rng.normal(size=(3, size, n_pcs))
        w2.append(transport.debiased_w2(shrunk * generated, real, seed=seed, n_splits=2))
        fd.append(frechet.frechet_distance(shrunk * generated, real) - frechet.frechet_distance(other, real))
    assert np.mean(w2) < 0.6 * truth
    assert np.mean(fd) > 0.6 * truth > np.mean(w2)


def test_fold_changes_by_plain_loops() -> None:
    rng = np.random.default_rng(0)
    codes = np.repeat([0, 1], 100)
    factor = np.exp(rng.normal(0, 0.8, 30))
    mean = np.where(codes[:, None] == 0, factor, 1.0) * np.full(30, 3.0)
    real, generated = (np.log1p(rng.poisson(mean).astype(float)) for _ in range(2))
    found = fold_changes(generated, codes, real, codes, 0)
    own, true, signs = [], [], []
    for gene in range(30):
        sides = []
        for x in (generated, real):
            a, b = x[codes == 0, gene], x[codes == 1, gene]
            sides.append((np.log2((np.exp(a) - 1).mean() + 1) - np.log2((np.exp(b) - 1).mean() + 1), a, b))
        own.append(sides[0][0])
        true.append(sides[1][0])
        signs.append([np.sign(a.mean() - b.mean()) for _, a, b in sides])
    assert found.slope == pytest.approx(np.polyfit(true, own, 1)[0])
    assert found.correlation == pytest.approx(np.corrcoef(true, own)[0, 1])
    assert found.correlation > 0.9 and 0.6 < found.recall <= 1
    flat = fold_changes(np.log1p(rng.poisson(np.full((200, 30), 3.0)).astype(float)), codes, real, codes, 0)
    assert abs(flat.slope) < 0.2 and flat.recall < 0.2  # no type differs from the rest


def test_correlations_within_types_do_not_see_the_difference_between_types() -> None:
    rng = np.random.default_rng(0)
    codes = np.repeat([0, 1], 400)
    shift = np.where(codes[:, None] == 1, 3.0, 0.0)
    real = rng.multivariate_normal(np.zeros(4), 0.5 + 0.5 * np.eye(4), 800) + shift
    generated = rng.normal(size=(800, 4)) + shift  # right types, no co-expression within them
    pooled = realism.correlation_error(generated, real)
    within = realism.correlation_error(realism.centred_by(generated, codes), realism.centred_by(real, codes))
    assert within > 0.4 and within > 2 * pooled
    np.testing.assert_allclose(realism.centred_by(real, codes)[codes == 1].mean(0), 0, atol=1e-5)
