"""The leaderboard: means and spreads over seeds, gains over the flat vector, and an honest sentence for every row."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import pandas as pd

from genediff.comparison.config import BASELINE
from genediff.comparison.figures import FIGURES
from genediff.comparison.gain import Gain, gain
from genediff.comparison.verdict import Verdict, judge
from genediff.evaluation import ROW_TITLES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from genediff.comparison.results import Results
    from genediff.comparison.store import StoredRow

Kind = Literal["strategy", "control", "baseline", "floor"]


@dataclass(frozen=True)
class Cell:
    """Mean and standard deviation of one figure; the deviation is None for a single seed."""

    mean: float
    spread: float | None
    n: int


@dataclass(frozen=True)
class Row:
    """One line of the leaderboard.

    ``values`` are the figures of each seed, ``gains`` those over the flat vector, ``over_control`` those over the row's
    own shuffled control.
    """

    title: str
    kind: Kind
    place: int | None = None
    space: str = ""
    strategy: str = ""
    n_planned: int = 0
    options: dict[str, object] = field(default_factory=dict)
    cells: dict[str, Cell] = field(default_factory=dict)
    values: dict[str, tuple[float, ...]] = field(default_factory=dict)
    gains: dict[str, Gain] = field(default_factory=dict)
    over_control: dict[str, Gain] = field(default_factory=dict)
    verdict: Verdict | None = None
    models: tuple[str, ...] = ()


def leaderboard(rows: Sequence[StoredRow], results: Results, *, n_seeds: int) -> tuple[Row, ...]:
    """Return a line for every planned row, those without results too, then floor and simple baselines."""
    values = [_values(place, results) for place in range(len(rows))]
    lines = []
    for place, row in enumerate(rows):
        flat = _baseline_of(rows, place, values)
        control = _control_of(rows, place)
        gains = {} if flat is None or flat == place else _gains(values[place], values[flat])
        over = {} if control is None else _gains(values[place], values[control])
        lines.append(
            Row(
                title=row.title,
                kind="control" if row.entry.shuffled else "strategy",
                place=place,
                space=row.space,
                strategy=row.entry.strategy,
                n_planned=n_seeds,
                options=dict(row.entry.options),
                cells={name: _cell(given) for name, given in values[place].items()},
                values=values[place],
                gains=gains,
                over_control=over,
                verdict=judge(
                    row,
                    gains,
                    over,
                    done=bool(values[place]),
                    flat=None if flat is None else rows[flat],
                    is_flat=row.entry.strategy == BASELINE,
                    has_control=control is not None,
                ),
                models=tuple(result.model_id for result in results.results if result.place == place),
            )
        )
    return (*lines, *_references(results))


def to_frame(rows: Sequence[Row]) -> pd.DataFrame:
    """Return the leaderboard as a table: for each row and figure mean, spread and gain over the MLP in per cent."""
    lines = []
    for row in rows:
        line: dict[str, object] = {"row": row.title, "kind": row.kind, "space": row.space, "seeds": _n_seeds(row)}
        for name in FIGURES:
            cell, own = row.cells.get(name), row.gains.get(name)
            line[name] = None if cell is None else cell.mean
            line[f"{name}_spread"] = None if cell is None else cell.spread
            line[f"{name}_gain_percent"] = None if own is None else own.percent
        line["verdict"] = "" if row.verdict is None else row.verdict.sentence
        lines.append(line)
    return pd.DataFrame(lines).dropna(axis=1, how="all")


def to_dict(rows: Sequence[Row]) -> list[dict[str, object]]:
    """Return the leaderboard as plain values that JSON can hold."""
    return [
        {
            "row": row.title,
            "kind": row.kind,
            "space": row.space,
            "options": row.options,
            "figures": {
                name: {
                    "mean": cell.mean,
                    "spread": cell.spread,
                    "n": cell.n,
                    "values": list(row.values.get(name, ())),
                    **({} if name not in row.gains else _gain_dict(row.gains[name])),
                }
                for name, cell in row.cells.items()
            },
            "verdict": None if row.verdict is None else row.verdict.sentence,
            "models": list(row.models),
        }
        for row in rows
    ]


def _gain_dict(own: Gain) -> dict[str, object]:
    return {"gain_percent": own.percent, "gain_spread": own.spread, "finding": own.finding}


def _n_seeds(row: Row) -> int:
    return len(row.models) if row.place is not None else 0


def _values(place: int, results: Results) -> dict[str, tuple[float, ...]]:
    own = [result.values for result in results.results if result.place == place]
    names = [name for name in FIGURES if any(name in values for values in own)]
    return {name: tuple(values[name] for values in own if name in values) for name in names}


def _cell(values: Sequence[float]) -> Cell:
    return Cell(statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else None, len(values))


def _gains(own: dict[str, tuple[float, ...]], other: dict[str, tuple[float, ...]]) -> dict[str, Gain]:
    return {name: gain(FIGURES[name], own[name], other[name]) for name in own if name in other}


def _baseline_of(rows: Sequence[StoredRow], place: int, values: Sequence[dict[str, tuple[float, ...]]]) -> int | None:
    """Return the flat vector's row: in the same space where it is there, as its preset has it, with results."""
    flat = [i for i, row in enumerate(rows) if row.entry.strategy == BASELINE]
    ranked = sorted(
        flat, key=lambda i: (rows[i].space != rows[place].space, bool(rows[i].entry.options), not values[i])
    )
    return ranked[0] if ranked else None


def _control_of(rows: Sequence[StoredRow], place: int) -> int | None:
    own = rows[place].entry
    if own.shuffled:
        return None
    wanted = (own.strategy, rows[place].space, own.options)
    return next(
        (
            i
            for i, row in enumerate(rows)
            if row.entry.shuffled and (row.entry.strategy, row.space, row.entry.options) == wanted
        ),
        None,
    )


def _references(results: Results) -> tuple[Row, ...]:
    return tuple(
        Row(
            title=ROW_TITLES[reference.name],
            kind="floor" if reference.name == "floor" else "baseline",
            cells={
                name: Cell(reference.values[name], reference.spread.get(name), 1)
                for name in FIGURES
                if name in reference.values
            },
        )
        for reference in results.references
    )
