"""The table of an evaluation: every predictor, every baseline and a replicate, for every perturbation and seed."""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from genediff.core.errors import InputError
from genediff.core.json_files import write_text
from genediff.core.stats import MeanInterval, mean_interval, spearman_brown
from genediff.perturbation.perturbation_metrics import HEADLINE, METRICS
from genediff.perturbation.replicate import DUPLICATE, REPLICATE

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

FORMAT_VERSION = 1
KEYS = ("predictor", "seed", "context", "perturbation")
NEGATIVE = ("no_change", "mean_perturbed")
"""Baselines that know nothing of a perturbation: the lower end of a metric's dynamic range."""
_NO_WORSE = 1e-9


@dataclass(frozen=True)
class DynamicRange:
    """Where a metric can lie on these data.

    Attributes
    ----------
    low, high
        Means of the negative control that does better, and of the interpolated duplicate.
    negative
        That control, by name.
    gain
        Of the duplicate over it, paired, with its 95% t interval: a metric has a range where that lies above 0.
    """

    low: float
    high: float
    negative: str
    gain: MeanInterval

    @property
    def exists(self) -> bool:
        """Whether the metric tells a very good prediction from none on these data."""
        return self.gain.sign == 1

    @property
    def why_not(self) -> str:
        """Say why it has no range; empty where it has."""
        if self.exists:
            return ""
        if self.gain.sign is None:
            return "too few perturbations to know its range"
        return "does not tell measured cells of a perturbation from an uninformed prediction here"


@dataclass(frozen=True, eq=False)
class Scores:
    """Figures of an evaluation.

    Attributes
    ----------
    table
        One row per predictor, seed, context and perturbation; columns are these, the metrics, the numbers of cells, and
        ``n_parts`` and ``n_seen`` of the perturbation.
    titles
        What each predictor is called, in the order of the table.
    best
        By metric, the baseline that did best on the validation part; empty for a pair of files.
    about
        How it was made: data set, choices, part, seeds.
    notes
        Sentences.
    halves
        As ``table``, but judged by half of the measured cells of each perturbation, with the row of the interpolated
        duplicate of the other half; None where no dynamic range was asked for.
    """

    table: pd.DataFrame
    titles: dict[str, str]
    best: dict[str, str]
    about: dict[str, Any]
    notes: tuple[str, ...] = ()
    halves: pd.DataFrame | None = None

    @property
    def metrics(self) -> tuple[str, ...]:
        """Metrics that were computed."""
        return tuple(name for name in METRICS if name in self.table and self.table[name].notna().any())

    def per_perturbation(self, predictor: str, metric: str) -> pd.Series:
        """Return a metric per (context, perturbation), the mean over seeds."""
        rows = self.table[self.table["predictor"] == predictor]
        return rows.groupby(["context", "perturbation"], sort=True)[metric].mean()

    def summary(self, metrics: tuple[str, ...] = HEADLINE) -> pd.DataFrame:
        """Return each metric's mean and 95% t interval over cases: rows predictor, columns (metric, figure).

        Below six perturbations there is no interval (NaN).
        """
        shown = [metric for metric in metrics if metric in self.metrics]
        found: dict[tuple[str, str, str], float] = {}
        for metric in shown:
            for predictor in self.titles:
                values = self.per_perturbation(predictor, metric)
                cases = values.groupby(independent_cases(values.index)).mean().to_numpy()
                one = mean_interval(cases, bounds=METRICS[metric].bounds)
                found |= {(metric, figure, predictor): getattr(one, figure) for figure in ("mean", "low", "high")}
        wide = pd.Series(found).unstack(level=2).T.reindex(list(self.titles))
        return wide[[(metric, figure) for metric in shown for figure in ("mean", "low", "high")]]

    def gains(self, predictor: str, other: str, metric: str) -> pd.Series:
        """Return paired differences of two predictors by independent case, above 0 where the first is better."""
        sign = 1.0 if METRICS[metric].better == "high" else -1.0
        gaps = (sign * (self.per_perturbation(predictor, metric) - self.per_perturbation(other, metric))).dropna()
        return gaps.groupby(independent_cases(gaps.index)).mean()

    def gain(self, predictor: str, other: str, metric: str) -> MeanInterval:
        """Return the mean gain over another predictor with its 95% t interval over perturbations."""
        return mean_interval(self.gains(predictor, other, metric).to_numpy())

    def dynamic_range(self, metric: str) -> DynamicRange | None:
        """Return the range of a metric from a negative control to an interpolated duplicate; None where not asked for.

        All are judged by the same half of the measured cells, so the noise of these cells is in both ends alike.
        """
        return self._ranges.get(metric)

    @functools.cached_property
    def _ranges(self) -> dict[str, DynamicRange | None]:
        known = [] if self.halves is None else [name for name in METRICS if name in self.halves]
        return {metric: self._range(metric) for metric in known}

    def _range(self, metric: str) -> DynamicRange | None:
        assert self.halves is not None
        means = self.halves.groupby("predictor")[metric].mean()
        known = means[[name for name in NEGATIVE if name in means]].dropna()
        if known.empty or not np.isfinite(means[DUPLICATE]):
            return None
        sign = 1.0 if METRICS[metric].better == "high" else -1.0
        negative = str((sign * known).idxmax())
        wide = self.halves.pivot(index=["context", "perturbation"], columns="predictor", values=metric)
        gaps = (sign * (wide[DUPLICATE] - wide[negative])).dropna()
        gain = mean_interval(gaps.groupby(independent_cases(gaps.index)).mean().to_numpy())
        return DynamicRange(float(means[negative]), float(means[DUPLICATE]), negative, gain)

    def share_of_range(self, predictor: str, metric: str) -> float:
        """Return where a predictor lies between the negative control (0) and the duplicate (1); NaN without a range."""
        ends = self.dynamic_range(metric)
        if ends is None or not ends.exists or self.halves is None:
            return float("nan")
        own = self.halves.loc[self.halves["predictor"] == predictor, metric].mean()
        return float((own - ends.low) / (ends.high - ends.low))

    def ceiling(self, metric: str) -> float:
        """Return cell-eval's ceiling: the mean agreement of two halves, r, brought to full depth as 2 r / (1 + r).

        It is a replicate's figure, which a prediction without noise can pass. NaN where cell-eval gives none.
        """
        halves = self.table.loc[self.table["predictor"] == REPLICATE]
        known = METRICS[metric].in_cell_eval and METRICS[metric].better == "high"
        r = float(halves[metric].mean()) if known and metric in halves else float("nan")
        return spearman_brown(r) if r > 0 else float("nan")

    def harm(self, predictor: str, other: str, metric: str) -> float:
        """Return the share of perturbations on which a predictor is worse than another; NaN without any."""
        gains = self.gains(predictor, other, metric)
        return float((gains < -_NO_WORSE).mean()) if len(gains) else np.nan

    def harm_rate(self, predictor: str, metric: str = "pearson_delta") -> float:
        """Return the share of perturbations on which a predictor is worse than the best baseline of this metric."""
        if metric not in self.best:
            raise InputError("Without a best baseline there is no harm rate; evaluate with a data set.")
        return self.harm(predictor, self.best[metric], metric)

    def chance(self, metric: str) -> float:
        """Return what a metric is on average when predictions are drawn at random; NaN where that is not known.

        Discrimination ranks a perturbation among the n of its context: (n + 1) / 2n.
        """
        if not metric.startswith("discrimination"):
            return 0.5 if metric == "roc_auc" else np.nan
        n = self.table.groupby("context")["perturbation"].nunique()
        return float(np.average((n + 1) / (2 * n), weights=n))

    def beside(self, other: Scores) -> Scores:
        """Return both tables as one; they must be of the same task, part and choices, and name different predictors."""
        if shared := sorted(set(self.titles) & set(other.titles)):
            raise InputError(f"Both tables hold {shared[0]!r}.")
        table = pd.concat([self.table, other.table], ignore_index=True)
        halves = self.halves
        if halves is not None and other.halves is not None:
            new = other.halves[~other.halves["predictor"].isin(halves["predictor"])]
            halves = pd.concat([halves, new], ignore_index=True)
        return replace(self, table=table, titles=self.titles | other.titles, halves=halves)

    def to_text(self) -> str:
        """Return the summary in plain words, for a terminal."""
        return "\n".join(_lines(self))

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain values, for JSON."""
        rows, halves = (
            None if one is None else json.loads(one.to_json(orient="records", double_precision=15))
            for one in (self.table, self.halves)
        )
        return {
            "format_version": FORMAT_VERSION,
            "about": self.about,
            "titles": self.titles,
            "best": self.best,
            "notes": list(self.notes),
            "rows": rows,
            "halves": halves,
        }

    def save(self, path: Path) -> None:
        """Write JSON in one step."""
        write_text(path, json.dumps(self.to_dict(), indent=1, ensure_ascii=False) + "\n")

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
            table = _table(stored["rows"]).replace({"predictor": {"ceiling": REPLICATE}})  # its earlier name
            halves = None if stored.get("halves") is None else _table(stored["halves"])
            titles = {REPLICATE if name == "ceiling" else name: title for name, title in stored["titles"].items()}
            return cls(table, titles, dict(stored["best"]), stored["about"], tuple(stored["notes"]), halves)
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


def _table(rows: list[dict[str, Any]]) -> pd.DataFrame:
    table = pd.DataFrame(rows)
    return table.astype({name: float for name in METRICS if name in table})


def share_in_words(share: float) -> str:
    """Write a share of a range: beyond its ends how far has no meaning, for the range may be small there."""
    return ">100%" if share > 1 else "<0%" if share < -0.005 else f"{abs(share):.0%}"


def independent_cases(index: pd.MultiIndex) -> pd.Index:
    """Return what held-out groups are independent by: the perturbation, or the context where there are more of these.

    Groups of the same perturbation in several cell types share what it does, so they count once.
    """
    return max((index.get_level_values(level) for level in range(2)), key=lambda names: names.nunique())


def _lines(scores: Scores) -> list[str]:
    summary = scores.summary()
    shown = [metric for metric in HEADLINE if metric in scores.metrics]
    pairs = scores.table[["context", "perturbation"]].drop_duplicates()
    n, places = pairs["perturbation"].nunique(), pairs["context"].nunique()
    what = f"{n} perturbation{'s' * (n > 1)}" + (f" in {places} groups of cells ({len(pairs)} cases)" * (places > 1))
    lines = [f"{what}; mean over them, and 95% interval in brackets" if len(pairs) > 1 else what]
    for predictor, title in scores.titles.items():
        lines.append(title)
        for metric in shown:
            mean, low, high = (summary.loc[predictor, (metric, figure)] for figure in ("mean", "low", "high"))
            if np.isfinite(mean):
                bounds = f" [{low:.3f}, {high:.3f}]" if np.isfinite(low) else ""
                mark = "  (best baseline)" if scores.best.get(metric) == predictor else ""
                chance = f", chance {scores.chance(metric):.3f}" if np.isfinite(scores.chance(metric)) else ""
                share = scores.share_of_range(predictor, metric)
                part = f", {share_in_words(share)} of its range" if np.isfinite(share) else ""
                lines.append(f"  {METRICS[metric].title:34} {mean:.3f}{bounds}{chance}{part}{mark}")
        if "pearson_delta" in scores.best and predictor not in (scores.best["pearson_delta"], REPLICATE):
            lines.append(f"  Worse than the best baseline on {scores.harm_rate(predictor):.0%} of perturbations.")
    return [*lines, *_limits(scores, shown), *scores.notes]


def _limits(scores: Scores, metrics: Sequence[str]) -> list[str]:
    """Say what each metric can be on these data: its dynamic range, and cell-eval's ceiling."""
    lines = []
    for metric in metrics:
        ends, ceiling = scores.dynamic_range(metric), scores.ceiling(metric)
        parts = [] if ends is None else [ends.why_not or f"{ends.low:.3f} to {ends.high:.3f}"]
        parts += [f"cell-eval's ceiling {ceiling:.3f}"] * bool(np.isfinite(ceiling))
        if parts:
            lines.append(f"  {METRICS[metric].title:34} {'; '.join(parts)}")
    if not lines:
        return []
    words = "Dynamic range (uninformed prediction to interpolated duplicate of the measured cells), and ceiling"
    return [words, *lines]
