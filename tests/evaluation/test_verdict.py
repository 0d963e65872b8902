from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from genediff.evaluation.memorisation import alarm
from genediff.evaluation.verdict import Verdict, judge

if TYPE_CHECKING:
    from collections.abc import Callable

FLOOR = {"c2st_pcs": 0.49, "c2st_genes": 0.48, "w2_debiased": 0.7}
SIMPLE = {"c2st_pcs": 0.83, "c2st_genes": 0.89, "w2_debiased": 14.0}


def _value(
    model: dict[str, float], classes: dict[str, float] | None = None, *, floor: bool = True, simple: bool = True
) -> Callable[[str, str, str], float | None]:
    def value(row: str, metric: str, scope: str) -> float | None:
        if scope != "pooled":
            figure = {"model": (classes or {}).get(scope), "floor": 0.5}.get(row)
            return figure if metric.startswith("c2st") else None
        rows = {"model": model, "floor": FLOOR if floor else {}, "independent_nb": SIMPLE if simple else {}}
        return rows.get(row, {}).get(metric)

    return value


def _judge(
    model: dict[str, float],
    classes: dict[str, float] | None = None,
    *,
    ratio: float = 1.0,
    share: float = 0.01,
    missing: tuple[str, ...] = (),
    floor: bool = True,
    simple: bool = True,
    n_cells: int = 500,
) -> Verdict:
    return judge(
        _value(model, classes, floor=floor, simple=simple),
        classes=tuple(classes or ()),
        drifted=(),
        memorisation=alarm(ratio, share, n=500),
        missing=missing,
        n_cells=n_cells,
    )


def test_few_cells_are_not_judged_by_a_distance_that_is_mostly_noise() -> None:
    """With 120 cells a floor of -7.6 once made "poor" of cells that classifiers took for real."""
    figures = {**GOOD, "w2_debiased": 14.0}
    assert _judge(figures, n_cells=120).level == "good"
    assert _judge(figures, n_cells=500).level != "good"


def test_a_good_model_is_called_good_with_its_figures() -> None:
    verdict = _judge({"c2st_pcs": 0.56, "c2st_genes": 0.6, "w2_debiased": 1.5})
    assert verdict.level == "good"
    assert "56% of the time (50% is chance; two real samples: 49%; cells drawn gene by gene: 83%)" in verdict.sentence
    assert "with every gene to look at, 60%" in verdict.sentence
    assert verdict.gaps["c2st_pcs"] == pytest.approx(0.07 / 0.34)


def test_a_model_between_floor_and_baseline_is_mixed() -> None:
    verdict = _judge({"c2st_pcs": 0.66, "c2st_genes": 0.74, "w2_debiased": 3.0})
    assert verdict.level == "mixed" and not verdict.no_better


def test_no_better_than_the_baseline_is_said() -> None:
    verdict = _judge({"c2st_pcs": 0.7, "c2st_genes": 0.95, "w2_debiased": 3.0})
    assert verdict.no_better == ("c2st_genes",)
    assert "no better than cells drawn gene by gene" in verdict.sentence
    assert _judge({"c2st_pcs": 0.9, "c2st_genes": 0.95, "w2_debiased": 3.0}).level == "poor"


GOOD = {"c2st_pcs": 0.5, "c2st_genes": 0.5, "w2_debiased": 0.8}


def test_one_bad_type_spoils_a_good_verdict_and_is_named() -> None:
    verdict = _judge(GOOD, {"B": 0.52, "T": 0.55, "NK": 0.9})
    assert (verdict.level, verdict.worst_class) == ("mixed", "NK")
    assert "NK is far worse than the rest: its cells are picked out 90% of the time." in verdict.sentence
    assert _judge(GOOD, {"B": 0.52, "T": 0.55}).level == "good"


def test_missing_types_and_copies_spoil_a_good_verdict() -> None:
    missing = _judge(GOOD, missing=("NK",))
    assert missing.level == "mixed" and "No cells were generated of: NK." in missing.sentence
    copied = _judge(GOOD, ratio=0.1, share=0.9)
    assert copied.level == "poor" and "copies of training cells" in copied.sentence
    suspected = _judge(GOOD, ratio=0.85)
    assert suspected.level == "mixed" and "memorised" in suspected.sentence


def test_without_floor_or_baseline_the_verdict_falls_back_on_chance() -> None:
    verdict = _judge({"c2st_pcs": 0.6, "c2st_genes": 0.6}, floor=False, simple=False)
    assert verdict.level == "good" and "two real samples" not in verdict.sentence
    assert _judge({"c2st_pcs": 0.9, "c2st_genes": 0.95}, floor=False, simple=False).level == "poor"


@pytest.mark.parametrize(
    ("ratio", "share", "n", "level"),
    [
        (1.0, 0.01, 500, "none"),
        (1.3, 0.0, 500, "none"),
        (0.85, 0.01, 500, "suspected"),
        (1.0, 0.07, 500, "suspected"),
        (1.0, 0.07, 30, "none"),  # two cells of thirty are chance
        (0.3, 0.01, 500, "copied"),
        (1.0, 0.15, 500, "copied"),
    ],
)
def test_memorisation_levels(ratio: float, share: float, n: int, level: str) -> None:
    assert alarm(ratio, share, n=n).level == level
