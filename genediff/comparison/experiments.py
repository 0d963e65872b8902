"""What tokenizations are good for: experiments in which a claim could be true, as they were measured and shipped."""

from __future__ import annotations

import math
from functools import cache

from pydantic import BaseModel, ConfigDict

from genediff.comparison.gain_over_baseline import LEVEL, least_detected
from genediff.core.installation import ASSETS
from genediff.plots.comparison_plots import IntervalCurve

FILE = ASSETS / "comparisons" / "experiments.json"


class Difference(BaseModel):
    """A difference that was tested: its mean and standard deviation over ``n`` seeds or cases, and its FDR."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    row: str
    against: str
    where: str
    difference: float
    sd: float
    n: int
    fdr: float

    @property
    def detectable(self) -> float:
        """The difference that would have been found with a power of 80%, without correction."""
        return least_detected(self.n - 1, 1) * self.sd / math.sqrt(self.n)


class Experiment(BaseModel):
    """One claim, where it could be true: curves with 95% intervals, and the differences that were tested.

    ``summary`` says what was found where nothing was tested.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    question: str
    data: str
    x_title: str
    y_title: str
    unit: str
    curves: tuple[IntervalCurve, ...]
    tests: tuple[Difference, ...]
    how_to_read: str
    benchmark: str
    summary: str = ""

    def answers(self) -> list[str]:
        """Return what was found, a sentence for each pair of rows that was tested."""
        if self.summary:
            return [self.summary]
        pairs = dict.fromkeys((test.row, test.against) for test in self.tests)
        return [self._answer([test for test in self.tests if (test.row, test.against) == pair]) for pair in pairs]

    def _answer(self, tests: list[Difference]) -> str:
        found, open_ = ([test for test in tests if (test.fdr < LEVEL) is known] for known in (True, False))
        parts = [
            f"{'better' if test.difference > 0 else 'worse'} by {abs(test.difference):.2g}"
            f"{'' if number else ' ' + self.unit} ({test.where})"
            for number, test in enumerate(found)
        ]
        if open_:
            places = ", ".join(test.where for test in open_)
            least = max(test.detectable for test in open_)
            of = f"{least:.2g}{'' if found else ' ' + self.unit}"
            parts.append(f"no difference detected ({places}; one of {of} would be found in 8 of 10 such experiments)")
        return f"{tests[0].row} against {tests[0].against}: {', '.join(parts)}."


class Experiments(BaseModel):
    """All experiments that ship, and what has not been measured."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    experiments: tuple[Experiment, ...]
    not_measured: tuple[str, ...]


@cache
def shipped_experiments() -> Experiments:
    """Return the experiments that ship."""
    return Experiments.model_validate_json(FILE.read_text(encoding="utf-8"))
