"""The test between two groups against scipy, its intervals by simulation, and replicates, which cells are not."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import false_discovery_control, mannwhitneyu, ttest_ind, ttest_rel

from genediff.core.errors import InputError
from genediff.core.stats import auc_interval, mann_whitney
from genediff.inspection.groups.group_means import by_label, leaf_order
from genediff.inspection.groups.replicates import between_replicates
from genediff.inspection.groups.two_groups import compare_groups


def groups(n: int, first: int) -> tuple[np.ndarray, np.ndarray]:
    where = np.arange(n)
    return where < first, where >= first


@pytest.fixture
def values() -> np.ndarray:
    """Twelve tokens over 90 cells: the first with an effect, the second full of ties, the third constant."""
    draw = np.random.default_rng(0)
    made = draw.normal(size=(12, 90))
    made[0, :30] += 1.0
    made[1] = np.round(made[1])
    made[2] = 0.5
    return made


def test_it_is_the_mann_whitney_test_of_scipy(values: np.ndarray) -> None:
    first, second = groups(90, 30)
    names = [f"t{i}" for i in range(12)]
    table = compare_groups(values, first, second, names).table.set_index("token").loc[names]
    own = [mannwhitneyu(v[first], v[second], method="asymptotic") for v in values]
    np.testing.assert_allclose(table["auc"], [one.statistic / (30 * 60) for one in own], rtol=1e-12)
    expected = np.array([one.pvalue for one in own])
    expected[2] = 1.0  # nothing varies: scipy says so too, or not a number
    np.testing.assert_allclose(table["p_value"], expected, rtol=1e-9)
    np.testing.assert_allclose(table["fdr"], false_discovery_control(expected), rtol=1e-9)
    np.testing.assert_allclose(table["log10_p"], np.log10(expected), rtol=1e-9, atol=1e-12)
    gap = values[0, :30].mean() - values[0, 30:].mean()
    pooled = np.sqrt((29 * values[0, :30].var(ddof=1) + 59 * values[0, 30:].var(ddof=1)) / 88)
    assert table["difference"].iloc[0] == pytest.approx(gap / pooled)


def test_the_order_of_groups_turns_the_signs(values: np.ndarray) -> None:
    first, second = groups(90, 30)
    names = [f"t{i}" for i in range(12)]
    one, other = (compare_groups(values, a, b, names).table.set_index("token").loc[names]
                  for a, b in ((first, second), (second, first)))  # fmt: skip
    np.testing.assert_allclose(one["auc"], 1 - other["auc"])
    np.testing.assert_allclose(one["difference"], -other["difference"])
    np.testing.assert_allclose(one["p_value"], other["p_value"])


def test_p_values_too_small_for_a_number_keep_their_logarithm() -> None:
    first, second = groups(20_000, 10_000)
    made = np.random.default_rng(0).normal(size=(1, 20_000))
    made[0, :10_000] += 3
    row = compare_groups(made, first, second, ["t"]).table.iloc[0]
    assert row["p_value"] == 0.0
    assert -1e5 < row["log10_p"] < -1000


@pytest.mark.parametrize(
    ("draw_first", "true"),
    [
        (lambda draw, shape: draw.normal(0.8, 1, shape), 0.7142),  # Φ(0.8 / √2)
        (lambda draw, shape: draw.normal(0.5, 3, shape), 0.5628),  # Φ(0.5 / √10): spreads differ
    ],
    ids=["same spread", "other spread"],
)
def test_intervals_hold_the_true_auc_as_often_as_they_say(draw_first, true: float) -> None:
    """From the sizes of groups alone (Newcombe) 95% intervals held the true AUC in 86% where spreads differ."""
    draw, n = np.random.default_rng(1), 2000
    found = mann_whitney(draw_first(draw, (n, 60)), draw.normal(0, 1, (n, 100)))
    covered = np.mean((found.low <= true) & (true <= found.high))
    assert abs(covered - 0.95) < 2 * np.sqrt(0.95 * 0.05 / n) + 0.005, covered


def test_intervals_of_groups_that_do_not_overlap_stay_intervals() -> None:
    low, high = auc_interval(np.array([1.0, 0.0, 0.5]), 25, 40)
    assert 0.8 < low[0] < 1 and high[0] == pytest.approx(1)
    assert low[1] == pytest.approx(0) and 0 < high[1] < 0.2
    assert high[2] - 0.5 == pytest.approx(0.5 - low[2], abs=1e-6)
    apart = mann_whitney(np.ones((1, 25)), np.zeros((1, 40)))
    assert (apart.low[0], apart.high[0]) == (low[0], high[0])


def test_intervals_of_sub_sampled_cells_hold_the_truth_as_often_as_they_say() -> None:
    """Cells were sub-sampled, intervals took the sizes of the whole groups: 95% intervals held the truth in 35-67%.

    1,000 tokens over 20,000 cells: 1,000 of each group are ranked.
    """
    draw = np.random.default_rng(2)
    first, second = groups(20_000, 6_000)
    made = draw.normal(size=(1000, 20_000)).astype(np.float32)
    made[:, :6_000] += 0.5
    found = compare_groups(made, first, second, [f"t{i}" for i in range(1000)])
    assert found.n_used == 2_000
    for true, column in ((0.6382, "auc"), (0.5, "difference")):  # Φ(0.5 / √2)
        covered = np.mean((found.table[f"{column}_low"] <= true) & (true <= found.table[f"{column}_high"]))
        assert abs(covered - 0.95) < 2 * np.sqrt(0.95 * 0.05 / 1000), (column, covered)


def test_very_many_cells_are_sampled_and_give_the_same_answer() -> None:
    first, second = groups(60_000, 20_000)
    made = np.random.default_rng(0).normal(size=(200, 60_000)).astype(np.float32)
    made[0, :20_000] += 0.5
    found = compare_groups(made, first, second, [f"t{i}" for i in range(200)])
    assert found.n_used < 60_000 and (found.n_first, found.n_second) == (20_000, 40_000)
    assert found.table["token"].iloc[0] == "t0"
    assert found.table["auc"].iloc[0] == pytest.approx(0.638, abs=0.02)


def test_what_cannot_be_compared_is_said(values: np.ndarray) -> None:
    names = [f"t{i}" for i in range(12)]
    first, second = groups(90, 3)
    with pytest.raises(InputError, match="first group has 3 cells"):
        compare_groups(values, first, second, names)
    first, _ = groups(90, 30)
    with pytest.raises(InputError, match="in both groups"):
        compare_groups(values, first, np.ones(90, dtype=bool), names)


def test_replicates_are_tested_as_by_scipy(values: np.ndarray) -> None:
    first, second = groups(90, 45)
    donors = np.arange(90) % 5
    means = [
        np.stack([values[:, group & (donors == d)].mean(1) for d in range(5)], axis=1) for group in (first, second)
    ]
    found = between_replicates(values, first, second, donors)
    assert found is not None and found.design.paired
    kept = np.arange(12) != 2  # constant
    np.testing.assert_allclose(found.p_values[kept], ttest_rel(means[0][kept], means[1][kept], axis=1).pvalue)
    assert found.p_values[2] == 1.0
    apart = np.where(first, donors, donors + 5)
    found = between_replicates(values, first, second, apart)
    assert found is not None and not found.design.paired and len(found.design.first) == 5
    expected = ttest_ind(means[0][kept], means[1][kept], axis=1, equal_var=False).pvalue
    np.testing.assert_allclose(found.p_values[kept], expected)
    assert between_replicates(values, first, second, np.zeros(90, dtype=int)) is None
    assert between_replicates(values, first, second, np.full(90, -1)) is None


def test_cells_of_few_donors_are_not_independent() -> None:
    """Donors differ, groups do not: cells as replicates find almost every token, donors hardly any."""
    draw = np.random.default_rng(3)
    donors = np.repeat(np.arange(8), 100)
    first, second = donors < 4, donors >= 4
    made = draw.normal(size=(40, 8))[:, donors] + draw.normal(size=(40, 800))
    found = compare_groups(made, first, second, [f"t{i}" for i in range(40)], replicates=donors)
    assert (found.table["fdr"] < 0.05).mean() > 0.7
    assert (found.table["fdr_replicates"] < 0.05).mean() < 0.1
    assert "4 replicates were compared with 4" in found.caution


def test_means_by_label_are_those_of_pandas() -> None:
    draw = np.random.default_rng(0)
    made, codes = draw.normal(size=(9, 300)).astype(np.float32), draw.integers(-1, 4, 300)
    tokens, labels = [f"t{i}" for i in range(9)], ["a", "b", "c", "d", "never"]
    found = by_label(made, codes, tokens, labels)
    z = pd.DataFrame(((made.T - made.mean(1)) / made.std(1)), columns=tokens)
    expected = z[codes >= 0].groupby(codes[codes >= 0]).mean().T
    expected.columns = labels[:4]
    got = pd.DataFrame(found.z, index=list(found.tokens), columns=list(found.labels))
    np.testing.assert_allclose(got.loc[tokens, labels[:4]], expected, atol=1e-5)
    assert dict(zip(found.labels, found.n_cells, strict=True)) == {
        n: int((codes == i).sum()) for i, n in enumerate("abcd")
    }
    few = by_label(made, codes, tokens, labels, most=3, clustered=False)
    assert set(few.tokens) == set(np.ptp(expected, axis=1).nlargest(3).index)


def test_what_is_alike_stands_side_by_side() -> None:
    """Two blocks and their order undone: clustering puts each block together again."""
    draw = np.random.default_rng(0)
    points = np.repeat([[0.0, 0.0], [5.0, 5.0]], 10, axis=0) + draw.normal(size=(20, 2))
    block = np.repeat([0, 1], 10)
    mixed = draw.permutation(20)
    ordered = block[mixed][leaf_order(points[mixed])]
    assert (np.diff(ordered) != 0).sum() == 1
