"""The table of an evaluation: every predictor, every baseline and the ceiling, for every perturbation and seed."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from genediff.errors import InputError
from genediff.perturbation.ceiling import CEILING
from genediff.perturbation.metrics import HEADLINE, METRICS

if TYPE_CHECKING:
    from pathlib import Path

FORMAT_VERSION = 1
KEYS = ("predictor", "seed", "context", "perturbation")
_RESAMPLES = 1000
_NO_WORSE = 1e-9


@dataclass(frozen=True, eq=False)
class Scores:
    """Figures of an evaluation.

    Attributes
    ----------
    table
        One row per predictor, seed, context and perturbation; columns are these, the metrics, the bootstrap bounds of
        ``pearson_delta``, the numbers of cells, and ``n_parts`` and ``n_seen`` of the perturbation.
    titles
        What each predictor is called, in the order of the table.
    best
        By metric, the baseline that did best on the validation part; empty for a pair of files.
    about
        How it was made: data set, choices, part, seeds.
    notes
        Sentences.
    """

    table: pd.DataFrame
    titles: dict[str, str]
    best: dict[str, str]
    about: dict[str, Any]
    notes: tuple[str, ...] = ()

    @property
    def metrics(self) -> tuple[str, ...]:
        """Metrics that were computed."""
        return tuple(name for name in METRICS if name in self.table and self.table[name].notna().any())

    def per_perturbation(self, predictor: str, metric: str) -> pd.Series:
        """Return a metric per (context, perturbation), the mean over seeds."""
        rows = self.table[self.table["predictor"] == predictor]
        return rows.groupby(["context", "perturbation"], sort=True)[metric].mean()

    def summary(self, metrics: tuple[str, ...] = HEADLINE) -> pd.DataFrame:
        """Return each metric's mean and 90% interval over perturbations: rows predictor, columns (metric, figure)."""
        found = {}
        for metric in metrics:
            if metric not in self.metrics:
                continue
            for predictor in self.titles:
                values = self.per_perturbation(predictor, metric).dropna().to_numpy()
                mean, low, high = _interval(values)
                found[metric, "mean", predictor] = mean
                found[metric, "low", predictor] = low
                found[metric, "high", predictor] = high
        wide = pd.Series(found).unstack(level=2).T.reindex(list(self.titles))
        return wide[[(m, f) for m in metrics if m in self.metrics for f in ("mean", "low", "high")]]

    def against(self, predictor: str, other: str, metric: str) -> dict[str, float]:
        """Compare two predictors on the same perturbations.

        Returns
        -------
        dict
            ``difference``: the mean of the paired differences, positive where ``predictor`` is better; ``low`` and
            ``high``: its 90% interval by a bootstrap over perturbations; ``harm``: the share of perturbations on which
            it is worse; ``n``: how many perturbations.
        """
        sign = 1.0 if METRICS[metric].better == "high" else -1.0
        gap = (sign * (self.per_perturbation(predictor, metric) - self.per_perturbation(other, metric))).dropna()
        mean, low, high = _interval(gap.to_numpy())
        harm = float((gap < -_NO_WORSE).mean()) if len(gap) else np.nan
        return {"difference": mean, "low": low, "high": high, "harm": harm, "n": float(len(gap))}

    def harm_rate(self, predictor: str, metric: str = "pearson_delta") -> float:
        """Return the share of perturbations on which a predictor is worse than the best baseline of this metric."""
        if metric not in self.best:
            raise InputError("Without a best baseline there is no harm rate; evaluate with a data set.")
        return self.against(predictor, self.best[metric], metric)["harm"]

    def differences(self, metrics: tuple[str, ...] = HEADLINE) -> pd.DataFrame:
        """Return predictors against the best baseline of each metric: rows (predictor, metric), columns as there."""
        rows = {
            (predictor, metric): self.against(predictor, self.best[metric], metric) | {"best": self.best[metric]}
            for predictor in self.titles
            for metric in metrics
            if metric in self.best and predictor not in (self.best[metric], CEILING)
        }
        return pd.DataFrame.from_dict(rows, orient="index")

    def beside(self, other: Scores) -> Scores:
        """Return both tables as one; they must be of the same task, part and choices, and name different predictors."""
        if shared := sorted(set(self.titles) & set(other.titles)):
            raise InputError(f"Both tables hold {shared[0]!r}.")
        table = pd.concat([self.table, other.table], ignore_index=True)
        return replace(self, table=table, titles=self.titles | other.titles)

    def to_text(self) -> str:
        """Return the summary in plain words, for a terminal."""
        return "\n".join(_lines(self))

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain values, for JSON."""
        rows = json.loads(self.table.to_json(orient="records", double_precision=15))
        return {
            "format_version": FORMAT_VERSION,
            "about": self.about,
            "titles": self.titles,
            "best": self.best,
            "notes": list(self.notes),
            "rows": rows,
        }

    def save(self, path: Path) -> None:
        """Write JSON in one step."""
        partial = path.with_name(path.name + ".part")
        partial.write_text(json.dumps(self.to_dict(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        os.replace(partial, path)

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> Scores:
        """Rebuild from plain values.

        Raises
        ------
        InputError
            When they are of a newer version or not of an evaluation of perturbations.
        """
        try:
            if stored["format_version"] > FORMAT_VERSION:
                raise InputError("This evaluation was written by a newer GeneDiff; update GeneDiff.")
            table = pd.DataFrame(stored["rows"])
            for name in METRICS:
                if name in table:
                    table[name] = table[name].astype(float)
            return cls(table, stored["titles"], dict(stored["best"]), stored["about"], tuple(stored["notes"]))
        except (KeyError, TypeError):
            raise InputError("This file holds no evaluation of perturbations.") from None

    @classmethod
    def read(cls, path: Path) -> Scores:
        """Read what ``save`` wrote."""
        try:
            return cls.from_dict(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"The file {path} cannot be read as an evaluation of perturbations.") from None


def _interval(values: np.ndarray) -> tuple[float, float, float]:
    """Return the mean and its 90% bootstrap interval; NaN without values, no interval for one value."""
    if not len(values):
        return np.nan, np.nan, np.nan
    if len(values) == 1:
        return float(values[0]), np.nan, np.nan
    draw = np.random.default_rng(0)
    means = values[draw.integers(0, len(values), (_RESAMPLES, len(values)))].mean(axis=1)
    low, high = np.quantile(means, [0.05, 0.95])
    return float(values.mean()), float(low), float(high)


def _lines(scores: Scores) -> list[str]:
    summary = scores.summary()
    shown = [metric for metric in HEADLINE if metric in scores.metrics]
    n = len(scores.table.groupby(["context", "perturbation"]))
    lines = [f"{n} perturbations; mean over them, and 90% interval in brackets" if n > 1 else "1 perturbation"]
    for predictor, title in scores.titles.items():
        lines.append(title)
        for metric in shown:
            mean, low, high = (summary.loc[predictor, (metric, figure)] for figure in ("mean", "low", "high"))
            if np.isfinite(mean):
                bounds = f" [{low:.3f}, {high:.3f}]" if np.isfinite(low) else ""
                mark = "  (best baseline)" if scores.best.get(metric) == predictor else ""
                lines.append(f"  {METRICS[metric].title:34} {mean:.3f}{bounds}{mark}")
        if "pearson_delta" in scores.best and predictor not in (scores.best["pearson_delta"], CEILING):
            lines.append(f"  Worse than the best baseline on {scores.harm_rate(predictor):.0%} of perturbations.")
    return [*lines, *scores.notes]
