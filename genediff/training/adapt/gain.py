"""What adapting was worth: base, adapted and from scratch, judged by the same held-out cells."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from genediff.core.json_files import MALFORMED, read_object, write_json
from genediff.evaluation import HEADLINE, METRICS
from genediff.evaluation.generation_verdict import FEWEST_DRAWS, compare_rows
from genediff.evaluation.scoring import POOLED, Score
from genediff.models.adapter_info import GAIN_FILE

if TYPE_CHECKING:
    from pathlib import Path

    from genediff.evaluation import Evaluation

ROWS = {
    "base": "Base, not adapted",
    "adapted": "Adapted",
    "scratch": "From scratch, same budget",
    "floor": "Two real samples",
}
HELD_OUT = "held_out"
HELD_OUT_TITLE = "Held-out loss (nats per gene)"
ONE_TRAINING = "Each was trained once; another seed may differ."
NOT_TESTED = f"With fewer than {FEWEST_DRAWS} draws of cells no difference can be tested."


@dataclass(frozen=True)
class Gain:
    """Figures by row and metric, each with its standard deviation over draws of cells (0 for one measurement).

    ``figures[row][metric]`` is (mean, sd, draws); files of older versions lack the draws. ``steps`` are those of the
    autoencoder and the flow, the same in both trainings; ``n_trained`` and ``seconds`` are of the adapter and of the
    model from scratch.
    """

    figures: dict[str, dict[str, tuple[float, float, int]]]
    steps: tuple[int, int]
    n_trained: tuple[int, int]
    seconds: tuple[float, float]

    @property
    def metrics(self) -> tuple[str, ...]:
        """What was measured of adapted cells, in the order of tables."""
        return tuple(m for m in (HELD_OUT, *HEADLINE) if m in self.figures["adapted"])

    @property
    def sentence(self) -> str:
        """The outcome in words, whoever has won.

        Figures are tested over draws of cells (5% false discoveries); each model was trained once, so what another seed
        of training would change is in no figure. It was once "better" where means lay further apart than both spreads
        together, which for a loss, measured once, was always.
        """
        parts = [self._against(row) for row in ("scratch", "base") if row in self.figures]
        parts = [part for part in parts if part]
        return " ".join([*parts, ONE_TRAINING] if parts else [NOT_TESTED])

    def table(self) -> list[list[str]]:
        """Return a heading and one line per row, as text."""
        lines = [["", *(title(metric) for metric in self.metrics)]]
        for row, name in ROWS.items():
            if row in self.figures:
                found = self.figures[row]
                lines.append([name, *(_figure(found.get(metric), metric) for metric in self.metrics)])
        return lines

    def to_markdown(self) -> str:
        """Return the sentence and the table."""
        head, *rows = ["| " + " | ".join(line) + " |" for line in self.table()]
        rule = "|" + " --- |" * (len(self.metrics) + 1)
        return "\n".join([self.sentence, "", head, rule, *rows])

    def save(self, folder: Path) -> None:
        """Write gain.json into a model folder."""
        write_json(folder / GAIN_FILE, asdict(self))

    def _against(self, row: str) -> str:
        scores = {(name, metric, POOLED): Score(name, metric, POOLED, mean, sd or None, 0, draws)
                  for name in ("adapted", row)
                  for metric, (mean, sd, draws) in self.figures[name].items() if metric in METRICS}  # fmt: skip
        n = sum(metric in METRICS for metric in self.figures[row])
        if not any(one.repeats >= FEWEST_DRAWS for one in scores.values()):
            return ""
        better, worse = (len(found) for found in compare_rows(scores, "adapted", row))
        other = "training from scratch" if row == "scratch" else "the base as it was"
        budget = f" with the same {sum(self.steps):,} steps" if row == "scratch" else ""
        if better and not worse:
            return f"Adapting was better than {other}{budget} on {better} of {n} figures, and on none worse."
        if worse and not better:
            advice = "train from scratch instead" if row == "scratch" else "use the base, or adapt for longer"
            return f"Adapting was worse than {other}{budget} on {worse} of {n} figures, and on none better: {advice}."
        if not better and not worse:
            return f"No difference between adapting and {other}{budget} was detected in any of {n} figures."
        return f"Against {other}{budget}, adapting was better on {better} of {n} figures and worse on {worse}."


def read_gain(folder: Path) -> Gain | None:
    """Return the gain that was measured of the adapter in a model folder, if it was."""
    try:
        found = read_object(folder / GAIN_FILE)
        figures = {
            row: {m: (v[0], v[1], v[2] if len(v) > 2 else 1) for m, v in values.items()}
            for row, values in found["figures"].items()
        }
        return Gain(figures, tuple(found["steps"]), tuple(found["n_trained"]), tuple(found["seconds"]))
    except MALFORMED:
        return None


def figures_of(evaluation: Evaluation, row: str = "model") -> dict[str, tuple[float, float, int]]:
    """Return the headline figures of one row of an evaluation."""
    scores = {metric: evaluation.score(row, metric) for metric in HEADLINE}
    return {metric: (one.mean, one.sd or 0.0, one.repeats) for metric, one in scores.items() if one is not None}


def title(metric: str) -> str:
    """Return what a figure is called."""
    return HELD_OUT_TITLE if metric == HELD_OUT else METRICS[metric].title


def _figure(found: tuple[float, float, int] | None, metric: str) -> str:
    if found is None:
        return "–"
    if metric != HELD_OUT:
        return METRICS[metric].text(found[0], found[1] or None)
    return f"{found[0]:.4f}" + (f" ± {found[1]:.4f}" if found[1] else "")
