"""The result of an evaluation: every figure, the verdict, and its forms as table, text and JSON."""

from __future__ import annotations

import json
import math
import os
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from genediff.errors import InputError
from genediff.evaluation.drift import Drift
from genediff.evaluation.memorisation import Memorisation
from genediff.evaluation.metrics import HEADLINE, METRICS
from genediff.evaluation.scoring import POOLED
from genediff.evaluation.verdict import Verdict

if TYPE_CHECKING:
    from pathlib import Path

FORMAT_VERSION = 1
ROW_TITLES = {
    "model": "Generated",
    "floor": "Two real samples",
    "independent_nb": "Drawn gene by gene",
    "copied": "Copied training cells",
    "vae": "VAE (scVI-like)",
}
_CLASS_COLUMNS = ("c2st_pcs", "c2st_genes", "w2_debiased", "precision", "recall", "train_ratio")


@dataclass(frozen=True)
class Score:
    """One figure of one row.

    Parameters
    ----------
    row
        "model", "floor" (validation against test cells), "independent_nb", "copied" or "vae".
    metric
        A name in `METRICS`.
    scope
        "pooled" or a label.
    mean, sd
        Over seeds; the sd is None for a single seed.
    n
        Cells on each side, the smallest over seeds.
    """

    row: str
    metric: str
    scope: str
    mean: float
    sd: float | None
    n: int


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
        Genes further off than any gene is between two real samples; None without a floor.
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
        partial = path.with_name(path.name + ".part")
        partial.write_text(json.dumps(self.to_dict(), indent=1, allow_nan=False) + "\n", encoding="utf-8")
        os.replace(partial, path)

    @classmethod
    def read(cls, path: Path) -> Evaluation:
        """Read what `save` wrote.

        Raises
        ------
        InputError
            When the file is missing or damaged.
        """
        try:
            return cls.from_dict(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, KeyError, TypeError, ValueError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"{path} holds no readable evaluation; evaluate the cells again.") from None

    def to_text(self) -> str:
        """Return the verdict and aligned tables for a terminal."""
        parts = [self.verdict.sentence, _text_table(self._pooled_table())]
        if self.classes:
            parts.append(f"By {self.label} (in brackets: two real samples)\n" + _text_table(self._class_table()))
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
                lines.append([metric.title, *(_figure(score, metric.digits) for score in scores)])
        return lines

    def _class_table(self) -> list[list[str]]:
        lines = [["", "cells", *(METRICS[name].title for name in _CLASS_COLUMNS)]]
        for name in self.classes:
            cells, n = [], 0
            for metric in _CLASS_COLUMNS:
                own, floor = self.score("model", metric, name), self.score("floor", metric, name)
                digits = METRICS[metric].digits
                cells.append("-" if own is None else f"{own.mean:.{digits}f}")
                cells[-1] += "" if floor is None else f" ({floor.mean:.{digits}f})"
                n = n if own is None else own.n
            lines.append([name, str(n), *cells])
        return lines


def summarise(row: str, metric: str, scope: str, values: list[float], n: int) -> Score:
    """Return mean and standard deviation over seeds."""
    mean = sum(values) / len(values)
    spread = [(value - mean) ** 2 for value in values]
    sd = math.sqrt(sum(spread) / (len(values) - 1)) if len(values) > 1 else None
    return Score(row, metric, scope, mean, sd, n)


def _figure(score: Score | None, digits: int) -> str:
    if score is None:
        return "-"
    spread = "" if score.sd is None else f" ± {score.sd:.{digits}f}"
    return f"{score.mean:.{digits}f}{spread}"


def _text_table(lines: list[list[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join(_aligned(line, widths)).rstrip() for line in lines)


def _aligned(line: list[str], widths: list[int]) -> list[str]:
    return [line[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(line[1:], widths[1:], strict=True))]
