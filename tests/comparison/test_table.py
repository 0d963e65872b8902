"""The leaderboard on planted scores: signs, spreads, verdicts, controls."""

from __future__ import annotations

import math

import numpy as np
import pytest

from genediff.comparison.config import Entry
from genediff.comparison.figures import FIGURES
from genediff.comparison.gain import gain
from genediff.comparison.results import Reference, Result, Results
from genediff.comparison.store import StoredRow
from genediff.comparison.table import leaderboard, to_dict, to_frame
from genediff.config import RunConfig

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
    ("figure", "own", "other", "percent"),
    [
        ("w2_debiased", 5.0, 10.0, 50),  # lower is better
        ("w2_debiased", 15.0, 10.0, -50),
        ("recall", 0.6, 0.5, 20),  # higher is better
        ("recall", 0.4, 0.5, -20),
        ("c2st_pcs", 0.6, 0.7, 50),  # nearer to 0.5 is better ...
        ("c2st_pcs", 0.4, 0.7, 50),  # ... from either side
        ("c2st_pcs", 0.8, 0.7, -50),
        ("train_ratio", 0.9, 1.2, 50),  # nearer to 1
        ("reconstruction_nll", 0.3, 0.4, 25),
        ("cells_per_second", 300, 100, 200),
    ],
)
def test_an_improvement_is_above_zero_where_the_figure_is_better(figure, own, other, percent):
    found = gain(FIGURES[figure], [own, own], [other, other])
    assert found.percent == pytest.approx(percent)
    assert found.finding == ("better" if percent > 0 else "worse")


def test_every_figure_is_better_at_its_ideal_than_away_from_it():
    for figure in FIGURES.values():
        good = {"lower": 0.1, "higher": 0.9, "target": figure.ideal}[figure.better]
        bad = {"lower": 0.4, "higher": 0.4, "target": (figure.ideal or 0) + 0.4}[figure.better]
        assert gain(figure, [good] * 2, [bad] * 2).finding == "better", figure.name
        assert gain(figure, [bad] * 2, [good] * 2).finding == "worse", figure.name


def test_a_difference_within_the_spread_of_seeds_is_no_difference():
    figure = FIGURES["w2_debiased"]
    own, other = [9.0, 10.0, 11.0], [10.0, 11.0, 12.0]  # 1 apart, each with deviation 1: together 1.41
    found = gain(figure, own, other)
    assert found.finding == "same"
    assert found.spread == pytest.approx(100 * math.sqrt(2) / 11)
    assert gain(figure, [9.0, 9.5, 10.0], [11, 11.5, 12]).finding == "better"


def test_one_seed_cannot_tell_and_nothing_is_a_share_of_zero():
    assert gain(FIGURES["recall"], [0.9], [0.1, 0.2]).finding == "unknown"
    at_ideal = gain(FIGURES["c2st_pcs"], [0.6, 0.6], [0.5, 0.5])
    assert at_ideal.percent is None and at_ideal.finding == "worse"
    below = gain(FIGURES["mmd2"], [0.01, 0.01], [-0.001, -0.001])
    assert below.percent is None and below.finding == "worse"


def test_the_spread_over_seeds_is_the_deviation_of_a_sample():
    values = [0.61, 0.66, 0.58]
    (line, _) = leaderboard([row("latent"), row("mlp")], results({"c2st_pcs": values}, {}), n_seeds=3)
    cell = line.cells["c2st_pcs"]
    assert (cell.mean, cell.spread, cell.n) == (
        pytest.approx(np.mean(values)), pytest.approx(np.std(values, ddof=1)), 3)  # fmt: skip


def test_a_claim_that_holds_is_said_to_hold_and_one_that_does_not_is_said_not_to():
    claims = ("c2st_pcs", "recall")
    mlp = {"c2st_pcs": [0.80, 0.81], "recall": [0.50, 0.51]}
    rows = [row("latent", claims=claims), row("mlp")]
    for own, level, said in (
        ({"c2st_pcs": [0.60, 0.61], "recall": [0.70, 0.71]}, "kept", "Better than the MLP in what it claims"),
        ({"c2st_pcs": [0.60, 0.61], "recall": [0.50, 0.51]}, "partly", "not in Recall"),
        ({"c2st_pcs": [0.80, 0.82], "recall": [0.30, 0.31]}, "broken", "does not beat the MLP in what it claims"),
    ):
        line, flat = leaderboard(rows, results(own, mlp), n_seeds=2)
        assert line.verdict.level == level
        assert said in line.verdict.sentence
        assert "baseline" in flat.verdict.sentence and not flat.gains
    assert "+66%" in leaderboard(rows, results({"c2st_pcs": [0.6, 0.61]}, mlp), n_seeds=2)[0].verdict.sentence


@pytest.mark.parametrize(
    ("own", "mlp", "said"),
    [
        ({}, {}, "No model is finished"),
        ({"recall": [0.5, 0.6]}, {}, "The MLP has no results yet"),
        ({"recall": [0.9]}, {"recall": [0.1]}, "one seed cannot tell"),
    ],
)
def test_what_is_open_is_said_to_be_open(own, mlp, said):
    line, _ = leaderboard([row("rank", claims=("recall",)), row("mlp")], results(own, mlp), n_seeds=2)
    assert line.verdict.level == "open" and said in line.verdict.sentence


def test_without_an_mlp_or_a_claim_the_row_says_so():
    (line,) = leaderboard([row("rank")], results({"recall": [0.5, 0.6]}), n_seeds=2)
    assert "no MLP row" in line.verdict.sentence
    line, _ = leaderboard([row("rank"), row("mlp")], results({"recall": [0.5]}, {"recall": [0.4]}), n_seeds=2)
    assert "claims no figure" in line.verdict.sentence


def test_a_control_is_compared_with_its_own_row_and_not_with_another():
    rows = [
        row("pathway", claims=("recall",)), row("pathway", claims=("recall",), shuffled=True),
        row("grn", claims=("recall",)), row("mlp"),
    ]  # fmt: skip
    flat = {"recall": [0.4, 0.41]}
    real, same = {"recall": [0.8, 0.81]}, {"recall": [0.79, 0.83]}
    counts = leaderboard(rows, results(real, {"recall": [0.5, 0.51]}, real, flat), n_seeds=2)
    assert "Its biology counts" in counts[0].verdict.sentence
    assert counts[1].kind == "control" and "no biology" in counts[1].verdict.sentence
    assert "control" not in counts[2].verdict.sentence
    luck = leaderboard(rows, results(real, same, real, flat), n_seeds=2)
    assert "not owed to the biology" in luck[0].verdict.sentence
    assert luck[0].verdict.level == "kept"  # it does beat the MLP: both are said


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
    assert list(frame["row"]) == [line["row"] for line in plain] == ["latent", "mlp", "Two real samples"]
    assert frame["recall"].tolist() == pytest.approx([0.65, 0.5, 0.95])
    assert frame["recall_gain_percent"].iloc[0] == pytest.approx(30)
    assert plain[0]["figures"]["recall"]["values"] == [0.6, 0.7]
    assert found[2].kind == "floor" and found[2].verdict is None
