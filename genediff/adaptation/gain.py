"""What adapting was worth: base, adapted and from scratch, judged by the same held-out cells."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from genediff.adapter_info import GAIN_FILE
from genediff.evaluation import HEADLINE, METRICS

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


@dataclass(frozen=True)
class Gain:
    """Figures by row and metric, each with its standard deviation over seeds (0 for one measurement).

    ``figures[row][metric]`` is (mean, sd). ``steps`` are those of the autoencoder and the flow, the same in both
    trainings; ``n_trained`` and ``seconds`` are of the adapter and of the model from scratch.
    """

    figures: dict[str, dict[str, tuple[float, float]]]
    steps: tuple[int, int]
    n_trained: tuple[int, int]
    seconds: tuple[float, float]

    @property
    def metrics(self) -> tuple[str, ...]:
        """What was measured of adapted cells, in the order of tables."""
        return tuple(m for m in (HELD_OUT, *HEADLINE) if m in self.figures["adapted"])

    @property
    def sentence(self) -> str:
        """The outcome in words, whoever has won."""
        parts = []
        if "scratch" in self.figures:
            parts.append(self._against("scratch"))
        if "base" in self.figures:
            parts.append(self._against("base"))
        return " ".join(parts)

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
        partial = folder / f"{GAIN_FILE}.part"
        partial.write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")
        partial.replace(folder / GAIN_FILE)

    def _against(self, row: str) -> str:
        better, worse = self._won(row)
        n = sum(metric in self.figures[row] for metric in self.metrics)
        other = "training from scratch" if row == "scratch" else "the base as it was"
        budget = f" with the same {sum(self.steps):,} steps" if row == "scratch" else ""
        if better and not worse:
            return f"Adapting was better than {other}{budget} on {better} of {n} figures, and on none worse."
        if worse and not better:
            advice = "train from scratch instead" if row == "scratch" else "use the base, or adapt for longer"
            return f"Adapting was worse than {other}{budget} on {worse} of {n} figures, and on none better: {advice}."
        if not better and not worse:
            return f"Adapting and {other}{budget} cannot be told apart on any of {n} figures."
        return f"Against {other}{budget}, adapting was better on {better} of {n} figures and worse on {worse}."

    def _won(self, row: str) -> tuple[int, int]:
        """Return on how many figures adapting is better, and worse, by more than both spreads together."""
        better = worse = 0
        for metric in self.metrics:
            if metric in self.figures[row]:
                (own, sd), (other, other_sd) = self.figures["adapted"][metric], self.figures[row][metric]
                lead = _cost(other, metric) - _cost(own, metric)
                better += lead > sd + other_sd
                worse += -lead > sd + other_sd
        return better, worse


def read_gain(folder: Path) -> Gain | None:
    """Return the gain that was measured of the adapter in a model folder, if it was."""
    try:
        found = json.loads((folder / GAIN_FILE).read_text(encoding="utf-8"))
        figures = {row: {m: (v[0], v[1]) for m, v in values.items()} for row, values in found["figures"].items()}
        return Gain(figures, tuple(found["steps"]), tuple(found["n_trained"]), tuple(found["seconds"]))
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        return None


def figures_of(evaluation: Evaluation, row: str = "model") -> dict[str, tuple[float, float]]:
    """Return the headline figures of one row of an evaluation."""
    scores = {metric: evaluation.score(row, metric) for metric in HEADLINE}
    return {metric: (one.mean, one.sd or 0.0) for metric, one in scores.items() if one is not None}


def title(metric: str) -> str:
    """Return what a figure is called."""
    return HELD_OUT_TITLE if metric == HELD_OUT else METRICS[metric].title


def _cost(value: float, metric: str) -> float:
    """Return the value so that lower is better."""
    if metric == HELD_OUT:
        return value
    better, ideal = METRICS[metric].better, METRICS[metric].ideal
    return abs(value - (ideal or 0.0)) if better == "target" else value if better == "lower" else -value


def _figure(found: tuple[float, float] | None, metric: str) -> str:
    if found is None:
        return "–"
    digits = 4 if metric == HELD_OUT else METRICS[metric].digits
    spread = f" ± {found[1]:.{digits}f}" if found[1] else ""
    return f"{found[0]:.{digits}f}{spread}"
