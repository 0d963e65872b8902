"""The result of an evaluation: every figure, the verdict, and its forms as table, text and JSON."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from genediff.core.errors import InputError
from genediff.core.json_files import MALFORMED, read_object, write_text
from genediff.evaluation.drift import Drift
from genediff.evaluation.generation_verdict import Verdict
from genediff.evaluation.memorisation import Memorisation
from genediff.evaluation.metrics import HEADLINE, METRICS
from genediff.evaluation.scoring import POOLED, Score

if TYPE_CHECKING:
    from pathlib import Path

FORMAT_VERSION = 1
ROW_TITLES = {
    "model": "Generated",
    "floor": "Real vs. real",
    "subclusters": "Sub-cluster baseline",
    "independent_nb": "Independent genes",
    "copied": "Copied training cells",
    "permuted": "Permuted genes",
}
_CLASS_COLUMNS = ("c2st_pcs", "c2st_genes", "frechet", "precision", "recall", "lfc_correlation", "train_ratio")


@dataclass(frozen=True)
class Evaluation:
    """How generated cells compare with held-out real ones.

    Parameters
    ----------
    dataset_id, dataset_name, model_id
        What was compared; `model_id` is None for cells from elsewhere.
    label
        The `obs` column of the per-class figures, None where there is none.
    against
        The part of the real cells, "test" unless asked otherwise.
    seeds
        Of subsamples, halves, folds and forests.
    n_cells
        Cells on each side, pooled.
    scores
        All figures.
    too_few
        Labels with too few cells for figures of their own, and how many there are on a side.
    drifted
        Genes least like the real ones, worst first.
    n_drifted
        Genes whose distribution differs from real cells' beyond chance, corrected for all genes; None in evaluations of
        older versions.
    chance_distance
        The distance that this takes: see `drift.chance_distance`.
    memorisation
        The alarm.
    verdict
        In words.
    notes
        What a reader must know of how the cells were compared.
    created
        ISO date and time, UTC.
    seconds
        That it took.
    weights
        SHA-256 of the weights that generated the cells; empty where they came from elsewhere.
    """

    dataset_id: str
    dataset_name: str
    model_id: str | None
    label: str | None
    against: str
    seeds: tuple[int, ...]
    n_cells: int
    scores: tuple[Score, ...]
    too_few: dict[str, int]
    drifted: tuple[Drift, ...]
    n_drifted: int | None
    memorisation: Memorisation
    verdict: Verdict
    notes: tuple[str, ...]
    created: str
    seconds: float
    weights: str = ""
    chance_distance: float | None = None

    @property
    def rows(self) -> tuple[str, ...]:
        """Rows there are, in the order of tables."""
        return tuple(dict.fromkeys(score.row for score in self.scores))

    @property
    def classes(self) -> tuple[str, ...]:
        """Labels with figures of their own."""
        return tuple(dict.fromkeys(score.scope for score in self.scores if score.scope != POOLED))

    def score(self, row: str, metric: str, scope: str = POOLED) -> Score | None:
        """Return one figure, None where it was left out."""
        return self._lookup.get((row, metric, scope))

    def dynamic_range(self, metric: str) -> tuple[float, float] | None:
        """Return the figures of permuted genes and of real cells, None where they do not differ beyond chance.

        A metric without range says nothing on these data.
        """
        control, best = self.score("permuted", metric), self.score("floor", metric)
        if control is None or best is None:
            return None
        span = METRICS[metric].cost(control.mean) - METRICS[metric].cost(best.mean)
        noise = math.hypot(control.error or 0.0, best.error or 0.0)
        return (control.mean, best.mean) if span > max(2 * noise, 1e-9) else None

    def share_of_range(self, row: str, metric: str) -> float | None:
        """Return where a figure lies between permuted genes (0) and real cells (1); None without a range."""
        ends, own = self.dynamic_range(metric), self.score(row, metric)
        if ends is None or own is None:
            return None
        worst, best = (METRICS[metric].cost(end) for end in ends)
        return (worst - METRICS[metric].cost(own.mean)) / (worst - best)

    @property
    def _lookup(self) -> dict[tuple[str, str, str], Score]:
        return {(score.row, score.metric, score.scope): score for score in self.scores}

    def headline(self) -> dict[str, float]:
        """Return the figures a list of models shows."""
        names = (*HEADLINE, "recall", "train_ratio", "tstr_f1")
        found = {name: self.score("model", name) for name in names}
        return {name: score.mean for name, score in found.items() if score is not None}

    def table(self) -> pd.DataFrame:
        """Return all figures as a tidy table: row, metric, scope, mean, sd (NaN for a single seed), n."""
        frame = pd.DataFrame([asdict(score) for score in self.scores], columns=list(Score.__annotations__))
        return frame.astype({"sd": float})

    def summary(self) -> pd.DataFrame:
        """Return the pooled means as a small table: a row per metric, a column per kind of cells, by their titles."""
        pooled = self.table().query("scope == @POOLED").pivot(index="metric", columns="row", values="mean")
        metrics = [name for name in METRICS if name in pooled.index]
        small = pooled.loc[metrics, list(self.rows)]
        small.index = pd.Index([METRICS[name].title for name in metrics], name="metric")
        small.columns = pd.Index([ROW_TITLES.get(row, row) for row in self.rows])
        return small

    def drift_table(self) -> pd.DataFrame:
        """Return the drifted genes as a table, worst first."""
        return pd.DataFrame([asdict(drift) for drift in self.drifted], columns=list(Drift.__annotations__))

    def to_dict(self) -> dict[str, Any]:
        """Return plain values that JSON can hold."""
        return {"format_version": FORMAT_VERSION, "headline": self.headline(), **asdict(self)}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Evaluation:
        """Return the evaluation that `to_dict` wrote.

        Raises
        ------
        InputError
            When it is of another format.
        """
        if values.get("format_version") != FORMAT_VERSION:
            raise InputError("This evaluation was written by another version of GeneDiff; evaluate the cells again.")
        parts = {name: value for name, value in values.items() if name not in ("format_version", "headline")}
        parts["scores"] = tuple(Score(**score) for score in parts["scores"])
        parts["drifted"] = tuple(Drift(**drift) for drift in parts["drifted"])
        parts["memorisation"] = Memorisation(**parts["memorisation"])
        parts["verdict"] = Verdict.from_dict(parts["verdict"])
        parts["seeds"], parts["notes"] = tuple(parts["seeds"]), tuple(parts["notes"])
        return cls(**parts)

    def save(self, path: Path) -> None:
        """Write JSON, in one step."""
        write_text(path, json.dumps(self.to_dict(), indent=1, allow_nan=False) + "\n")

    @classmethod
    def read(cls, path: Path) -> Evaluation:
        """Read what `save` wrote.

        Raises
        ------
        InputError
            When the file is missing or damaged.
        """
        try:
            return cls.from_dict(read_object(path))
        except MALFORMED as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"{path} holds no readable evaluation; evaluate the cells again.") from None

    def to_text(self) -> str:
        """Return the verdict and aligned tables for a terminal."""
        parts = [self.verdict.sentence, _text_table(self._pooled_table())]
        if self.classes:
            parts.append(f"By {self.label} (in brackets: real vs. real)\n" + _text_table(self._class_table()))
        if self.too_few:
            few = ", ".join(f"{name} ({n})" for name, n in self.too_few.items())
            parts.append(f"Too few cells for figures of their own: {few}.")
        if self.drifted:
            genes = "\n".join(
                f"  {d.gene:<14} {d.distance:.2f}  {d.direction}: mean {d.mean_generated:.2f}, real {d.mean_real:.2f}; "
                f"zeros {d.zeros_generated:.0%}, real {d.zeros_real:.0%}"
                for d in self.drifted[:10]
            )
            parts.append(f"Genes furthest off (largest gap between distributions)\n{genes}")
        parts.append(self.memorisation.sentence)
        parts.append("\n".join(f"- {note}" for note in self.notes))
        return "\n\n".join(part for part in parts if part) + "\n"

    def _pooled_table(self) -> list[list[str]]:
        lines = [["", *(ROW_TITLES.get(row, row) for row in self.rows)]]
        for metric in METRICS.values():
            scores = [self.score(row, metric.name) for row in self.rows]
            if any(scores):
                lines.append([metric.title, *("-" if s is None else metric.text(s.mean, s.sd) for s in scores)])
        return lines

    def _class_table(self) -> list[list[str]]:
        lines = [["", "cells", *(METRICS[name].title for name in _CLASS_COLUMNS)]]
        for name in self.classes:
            cells, n = [], 0
            for metric in _CLASS_COLUMNS:
                own, floor = self.score("model", metric, name), self.score("floor", metric, name)
                cells.append("-" if own is None else METRICS[metric].text(own.mean))
                cells[-1] += "" if floor is None else f" ({METRICS[metric].text(floor.mean)})"
                n = n if own is None else own.n
            lines.append([name, str(n), *cells])
        return lines


def _text_table(lines: list[list[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join(_aligned(line, widths)).rstrip() for line in lines)


def _aligned(line: list[str], widths: list[int]) -> list[str]:
    return [line[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(line[1:], widths[1:], strict=True))]
