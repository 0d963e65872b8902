"""What tokenizations are good for: sentences follow from the tests, and what ships can be drawn."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from genediff.comparison.experiments import Difference, Experiment, shipped_experiments
from genediff.plots.comparison_plots import with_intervals


def test_what_would_have_been_found_is_found_in_eight_of_ten_experiments():
    known = Difference(row="a", against="b", where="x", difference=0.0, sd=2.0, n=8, fdr=1.0)
    generator = np.random.default_rng(0)
    drawn = generator.normal(known.detectable, 2.0, size=(4000, 8))
    assert (stats.ttest_1samp(drawn, 0, axis=1).pvalue < 0.05).mean() == pytest.approx(0.8, abs=0.04)


def test_a_sentence_says_what_was_found_and_what_was_not():
    def one(where, difference, fdr):
        return Difference(row="A", against="B", where=where, difference=difference, sd=1.0, n=5, fdr=fdr)

    tests = (one("few", 2.0, 0.01), one("some", -3.0, 0.02), one("many", 0.1, 0.6))
    made = {"id": "i", "question": "q", "data": "d", "x_title": "x", "y_title": "y", "unit": "nats", "how_to_read": "h",
            "benchmark": "b", "curves": ()}  # fmt: skip
    (sentence,) = Experiment(tests=tests, **made).answers()
    assert sentence.startswith(
        "A against B: better by 2 nats (few), worse by 3 (some), no difference detected (many; one of"
    )
    assert sentence.count("nats") == 1
    assert Experiment(tests=(), summary="None of it.", **made).answers() == ["None of it."]


@pytest.mark.parametrize("one", shipped_experiments().experiments, ids=lambda one: one.id)
def test_what_ships_is_drawn_with_its_intervals_and_answers_its_question(one):
    figure = with_intervals(one.curves, x_title=one.x_title, y_title=one.y_title)
    assert len([trace for trace in figure.data if trace.name]) == len(one.curves)
    for curve in one.curves:
        assert len(curve.x) == len(curve.y) == len(curve.low) == len(curve.high)
        assert all(low <= y <= high for low, y, high in zip(curve.low, curve.y, curve.high, strict=True))
    assert one.question.endswith("?") and one.answers()
    assert all(0 <= test.fdr <= 1 and math.isfinite(test.detectable) for test in one.tests)
