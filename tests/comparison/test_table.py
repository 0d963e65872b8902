"""The leaderboard on planted scores: signs, spreads, verdicts, controls."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from genediff.comparison.comparison_results import Reference, Result, Results
from genediff.comparison.comparison_store import StoredRow
from genediff.comparison.comparison_table import leaderboard, takeaway, to_dict, to_frame
from genediff.comparison.config import Entry
from genediff.comparison.gain_over_baseline import gain, holm
from genediff.comparison.nats_by_depth import nats_curves
from genediff.comparison.table_metrics import FIGURES
from genediff.evaluation import ROW_TITLES
from genediff.models.config import RunConfig
from genediff.plots.comparison_plots import with_intervals

RUN = RunConfig(dataset_id="d")


def row(strategy: str, *, claims=(), shuffled=False, space="latent", **options) -> StoredRow:
    entry = Entry(strategy=strategy, shuffled=shuffled, options=options)
    return StoredRow(entry, f"{strategy} {'shuffled' if shuffled else ''}".strip(), space, tuple(claims), RUN)


def results(*by_row: dict[str, list[float]], references=()) -> Results:
    found = []
    for place, figures in enumerate(by_row):
        for seed in range(max((len(v) for v in figures.values()), default=0)):
            values = {name: given[seed] for name, given in figures.items() if seed < len(given)}
            found.append(Result(place, seed, f"m{place}-{seed}", values))
    return Results(tuple(found), tuple(references))


@pytest.mark.parametrize(
    ("figure", "own", "other", "difference", "percent"),
    [
        ("w2_debiased", 5.0, 10.0, 5, None),  # lower is better, and noise may bring it below zero
        ("recall", 0.6, 0.5, 0.1, 20),  # higher is better
        ("recall", 0.4, 0.5, -0.1, -20),
        ("c2st_pcs", 0.6, 0.7, 0.1, None),  # nearer to 0.5 is better ...
        ("c2st_pcs", 0.4, 0.7, 0.1, None),  # ... from either side
        ("c2st_pcs", 0.8, 0.7, -0.1, None),
        ("train_ratio", 0.9, 1.2, 0.1, None),  # nearer to 1
        ("frechet", 0.3, 0.4, 0.1, 25),
        ("cells_per_second", 300, 100, 200, 200),
    ],
)
def test_an_improvement_is_above_zero_where_the_figure_is_better(figure, own, other, difference, percent):
    found = gain(FIGURES[figure], [own] * 3, [other] * 3)
    assert found.difference == pytest.approx(difference)
    assert found.percent == (None if percent is None else pytest.approx(percent))
    assert found.finding == ("better" if difference > 0 else "worse")


def test_a_hundredth_of_an_auc_is_not_sixteen_per_cent():
    """.569 against .580 read "-16%": of the distance to 0.5, which nobody has in mind."""
    found = gain(FIGURES["c2st_pcs"], [0.580, 0.582, 0.578], [0.569, 0.571, 0.567])
    assert found.percent is None and found.difference == pytest.approx(-0.011)


def test_every_figure_is_better_at_its_ideal_than_away_from_it():
    for figure in FIGURES.values():
        good = {"lower": 0.1, "higher": 0.9, "target": figure.ideal}[figure.better]
        bad = {"lower": 0.4, "higher": 0.4, "target": (figure.ideal or 0) + 0.4}[figure.better]
        assert gain(figure, [good] * 3, [bad] * 3).finding == "better", figure.name
        assert gain(figure, [bad] * 3, [good] * 3).finding == "worse", figure.name


def test_the_p_value_is_that_of_welchs_test():
    own, other = [9.0, 10.0, 11.5], [10.0, 11.0, 12.1, 13.0]
    found = gain(FIGURES["w2_debiased"], own, other)
    assert found.p == pytest.approx(stats.ttest_ind(own, other, equal_var=False).pvalue)
    assert found.finding == "same" and found.detectable > abs(found.difference)
    assert gain(FIGURES["w2_debiased"], [9.0, 9.5, 10.0], [14, 14.5, 15]).finding == "better"


def test_one_or_two_seeds_cannot_tell():
    """Two seeds called a difference where there was none in 29% of cases, three in 16%."""
    assert gain(FIGURES["recall"], [0.9], [0.1, 0.2]).finding == "unknown"
    assert gain(FIGURES["recall"], [0.9, 0.91], [0.1, 0.11]).finding == "unknown"


@pytest.mark.parametrize("n_seeds", [3, 5, 10])
def test_false_findings_over_seeds_are_as_rare_as_said(n_seeds):
    rng = np.random.default_rng(0)
    found = [gain(FIGURES["recall"], *rng.normal(0.6, 0.05, (2, n_seeds))).finding for _ in range(4000)]
    assert np.mean([one != "same" for one in found]) <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 4000)


def test_claims_are_corrected_for_how_many_there_are():
    """Uncorrected, two dozen claims of three seeds gave a false "better" in more than half of all tables."""
    rng = np.random.default_rng(1)
    names = ("recall", "precision", "coverage")
    rows = [*(row(f"s{i}", claims=names) for i in range(8)), row("mlp")]
    false = 0
    for _ in range(1000):
        made = results(*({name: list(rng.normal(0.6, 0.05, 3)) for name in names} for _ in rows))
        false += any(line.verdict.level in ("kept", "partly") for line in leaderboard(rows, made, n_seeds=3)[:-1])
    assert false / 1000 <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 1000)


def test_what_is_called_detectable_is_found_after_correction():
    """The power beside "no difference" was that of one uncorrected test: of a dozen claims one in four was found."""
    rng = np.random.default_rng(3)
    figure, found = FIGURES["recall"], []
    seen = [holm({i: gain(figure, *rng.normal(0.6, 0.05, (2, 5))) for i in range(12)})[0] for _ in range(200)]
    least = np.median([one.detectable for one in seen])
    for _ in range(1000):
        gains = {i: gain(figure, *rng.normal(0.6, 0.05, (2, 5))) for i in range(11)}
        gains[11] = gain(figure, rng.normal(0.6 + least, 0.05, 5), rng.normal(0.6, 0.05, 5))
        found.append(holm(gains)[11].finding == "better")
    assert np.mean(found) > 0.65


def test_true_claims_are_found():
    rng = np.random.default_rng(2)
    rows = [row("latent", claims=("recall",)), row("mlp")]
    kept = 0
    for _ in range(1000):
        made = results({"recall": list(rng.normal(0.70, 0.02, 3))}, {"recall": list(rng.normal(0.60, 0.02, 3))})
        kept += leaderboard(rows, made, n_seeds=3)[0].verdict.level == "kept"
    assert kept / 1000 >= 0.6


def test_the_spread_over_seeds_is_the_deviation_of_a_sample():
    values = [0.61, 0.66, 0.58]
    (line, _) = leaderboard([row("latent"), row("mlp")], results({"c2st_pcs": values}, {}), n_seeds=3)
    cell = line.cells["c2st_pcs"]
    assert (cell.mean, cell.spread, cell.n) == (
        pytest.approx(np.mean(values)), pytest.approx(np.std(values, ddof=1)), 3)  # fmt: skip


def test_a_claim_that_holds_is_said_to_hold_and_one_that_does_not_is_said_not_to():
    claims = ("c2st_pcs", "recall")
    mlp = {"c2st_pcs": [0.80, 0.81, 0.82], "recall": [0.50, 0.51, 0.52]}
    rows = [row("latent", claims=claims), row("mlp")]
    for own, level, said in (
        (
            {"c2st_pcs": [0.60, 0.61, 0.62], "recall": [0.70, 0.71, 0.72]},
            "kept",
            "better than the MLP in AUC (PCs) (+0.20)",
        ),
        ({"c2st_pcs": [0.60, 0.61, 0.62], "recall": [0.50, 0.51, 0.52]}, "partly", "no difference detected in Recall"),
        (
            {"c2st_pcs": [0.80, 0.82, 0.81], "recall": [0.30, 0.31, 0.32]},
            "broken",
            "worse than the MLP in Recall (-39%)",
        ),
    ):
        line, flat = leaderboard(rows, results(own, mlp), n_seeds=3)
        assert line.verdict.level == level
        assert said in line.verdict.sentence
        assert "baseline" in flat.verdict.sentence and not flat.gains
    assert "(detectable: 0.0" in leaderboard(rows, results(mlp, mlp), n_seeds=3)[0].verdict.sentence


@pytest.mark.parametrize(
    ("own", "mlp", "said"),
    [
        ({}, {}, "No model is finished"),
        ({"recall": [0.5, 0.6]}, {}, "The MLP has no results yet"),
        ({"recall": [0.9]}, {"recall": [0.1]}, "fewer than three seeds that cannot be tested"),
    ],
)
def test_what_is_open_is_said_to_be_open(own, mlp, said):
    line, _ = leaderboard([row("rank", claims=("recall",)), row("mlp")], results(own, mlp), n_seeds=2)
    assert line.verdict.level == "open" and said in line.verdict.sentence


def test_without_an_mlp_or_a_claim_the_row_says_so():
    (line,) = leaderboard([row("rank")], results({"recall": [0.5, 0.6]}), n_seeds=2)
    assert "no MLP row" in line.verdict.sentence
    line, _ = leaderboard([row("rank"), row("mlp")], results({"recall": [0.5]}, {"recall": [0.4]}), n_seeds=2)
    assert "meant to improve no figure" in line.verdict.sentence


def test_a_control_is_compared_with_its_own_row_and_not_with_another():
    rows = [
        row("pathway", claims=("recall",)), row("pathway", claims=("recall",), shuffled=True),
        row("grn", claims=("recall",)), row("mlp"),
    ]  # fmt: skip
    flat = {"recall": [0.4, 0.41, 0.42]}
    real, same = {"recall": [0.8, 0.81, 0.82]}, {"recall": [0.79, 0.83, 0.82]}
    counts = leaderboard(rows, results(real, {"recall": [0.5, 0.51, 0.52]}, real, flat), n_seeds=3)
    assert "The biological prior helps: better than its shuffled control" in counts[0].verdict.sentence
    assert counts[1].kind == "control" and "no biology" in counts[1].verdict.sentence
    assert "control" not in counts[2].verdict.sentence
    luck = leaderboard(rows, results(real, same, real, flat), n_seeds=3)
    assert "No advantage over its shuffled control was detected" in luck[0].verdict.sentence
    assert luck[0].verdict.level == "kept"  # it does beat the MLP: both are said
    two = leaderboard(rows, results(*({"recall": [v, v + 0.01]} for v in (0.8, 0.5, 0.8, 0.4))), n_seeds=2)
    assert "cannot be compared yet" in two[0].verdict.sentence  # "its biology counts" came from two seeds


def test_the_mlp_of_the_same_space_is_the_measure():
    rows = [row("latent", space="gene"), row("mlp"), row("mlp", space="gene")]
    found = leaderboard(rows, results(*({"recall": [v, v]} for v in (0.6, 0.9, 0.5))), n_seeds=2)
    assert found[0].gains["recall"].percent == pytest.approx(20)
    away = leaderboard(rows[:2], results(*({"recall": [v, v]} for v in (0.6, 0.9))), n_seeds=2)
    assert "ran in latent space" in away[0].verdict.sentence


def test_table_and_json_hold_the_same_and_the_floor_stands_last():
    floor = Reference("floor", {"recall": 0.95}, {"recall": 0.01})
    found = leaderboard(
        [row("latent"), row("mlp")],
        results({"recall": [0.6, 0.7]}, {"recall": [0.5, 0.5]}, references=[floor]),
        n_seeds=2,
    )
    frame, plain = to_frame(found), to_dict(found)
    assert list(frame["row"]) == [line["row"] for line in plain] == ["latent", "mlp", "Real vs. real"]
    assert frame["recall"].tolist() == pytest.approx([0.65, 0.5, 0.95])
    assert frame["recall_gain_percent"].iloc[0] == pytest.approx(30)
    assert plain[0]["figures"]["recall"]["values"] == [0.6, 0.7]
    assert found[2].kind == "floor" and found[2].verdict is None


def test_one_sentence_says_what_the_table_shows():
    mixture = Reference("subclusters", {"c2st_pcs": 0.58}, {})
    mlp = {"recall": [0.5, 0.51, 0.52], "c2st_pcs": [0.60, 0.61, 0.62]}
    better = {"recall": [0.7, 0.71, 0.72], "c2st_pcs": [0.55, 0.56, 0.57]}
    rows = [row("latent", claims=("recall",)), row("mlp")]
    said = takeaway(leaderboard(rows, results(better, mlp, references=[mixture]), n_seeds=3))
    assert "Detectably better than the MLP in something they claim: latent" in said
    assert "ahead of sub-cluster baseline: 1 of 2 in AUC (PCs)" in said
    few = {name: values[:2] for name, values in better.items()}, {name: values[:2] for name, values in mlp.items()}
    said = takeaway(leaderboard(rows, results(*few, references=[mixture]), n_seeds=2))
    assert said == "Fewer than three seeds are finished, so no difference can be tested."
    assert "No tokenization is detectably better" in takeaway(leaderboard(rows, results(mlp, mlp), n_seeds=3))


def test_nats_are_drawn_beside_their_control_and_the_sub_clusters():
    """Means over seeds, between the outer ends of their intervals, in thousandths; depths that all seeds have."""

    def nats(mean: float, depths=(10, 30)) -> tuple[dict[str, object], ...]:
        gain = {"mean": mean, "low": mean - 0.001, "high": mean + 0.001}
        return tuple(
            {"depth": depth, "over_independent": gain, "mixture_over_independent": {**gain, "mean": 0.002}}
            for depth in depths
        )

    rows = [row("mlp", space="counts"), row("grn", shuffled=True, space="counts"), row("latent"), row("grn")]
    found = Results(
        (
            Result(0, 0, "a", {}, nats(0.001)),
            Result(1, 0, "b", {}, nats(-0.001)),
            Result(2, 0, "c", {}),
            Result(3, 0, "d", {}, nats(0.004)),
            Result(3, 1, "e", {}, nats(0.006, (10,))),
        )
    )
    curves = nats_curves(rows, found)
    names = ["mlp", "grn", "grn shuffled", ROW_TITLES["subclusters"]]
    assert [curve.name for curve in curves] == names
    assert [curve.kind for curve in curves] == ["strategy", "strategy", "control", "baseline"]
    assert curves[1].x == (10,)
    assert (curves[1].y, curves[1].low, curves[1].high) == (
        pytest.approx((5.0,)),
        pytest.approx((3.0,)),
        pytest.approx((7.0,)),
    )
    assert curves[3].y == pytest.approx((2.0, 2.0))
    figure = with_intervals(curves, x_title="molecules", y_title="gain")
    assert [trace.name for trace in figure.data] == names
    assert figure.data[1].line.color == figure.data[2].line.color != figure.data[0].line.color
    assert nats_curves(rows, Results()) == ()
