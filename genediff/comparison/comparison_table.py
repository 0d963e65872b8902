"""The leaderboard: means and spreads over seeds, gains over the flat vector, and an honest sentence for every row."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import pandas as pd

from genediff.comparison.comparison_verdict import Verdict, judge
from genediff.comparison.config import BASELINE
from genediff.comparison.gain_over_baseline import Gain, false_discovery, gain, holm
from genediff.comparison.table_metrics import FIGURES
from genediff.evaluation import HEADLINE, ROW_TITLES
from genediff.evaluation.generation_verdict import SIMPLE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from genediff.comparison.comparison_results import Results
    from genediff.comparison.comparison_store import StoredRow
    from genediff.evaluation import Figure

Kind = Literal["strategy", "control", "baseline", "floor"]


@dataclass(frozen=True)
class Cell:
    """Mean and standard deviation of one figure; the deviation is None for a single seed."""

    mean: float
    spread: float | None
    n: int

    def text(self, figure: Figure) -> str:
        """Write it with its spread: "0.68 ± 0.02"."""
        return figure.text(self.mean, self.spread)


@dataclass(frozen=True)
class Row:
    """One line of the leaderboard.

    ``values`` are the figures of each seed, ``gains`` those over the flat vector, ``over_control`` those over the row's
    own shuffled control in what it claims.
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
    """Return a line for every planned row, those without results too, then floor and simple baselines.

    Findings are corrected for how many there could be: those that carry claims over all claims of the table (Holm),
    the others over the figures of their row (false discovery rate).
    """
    values = [_values(place, results) for place in range(len(rows))]
    flats = [_baseline_of(rows, place, values) for place in range(len(rows))]
    controls = [_control_of(rows, place) for place in range(len(rows))]
    over_flat = [_gains(values, place, other) for place, other in enumerate(flats)]
    over_control = [_gains(values, place, other) for place, other in enumerate(controls)]
    claims = holm(
        {
            (place, kind, name): gains[name]
            for kind, table in (("flat", over_flat), ("control", over_control))
            for place, gains in enumerate(table)
            for name in rows[place].claims
            if name in gains and not rows[place].entry.shuffled
        }
    )
    lines = []
    for place, row in enumerate(rows):
        gains = false_discovery(over_flat[place])
        of_flat, of_control = (
            {name: own for (at, what, name), own in claims.items() if (at, what) == (place, kind)}
            for kind in ("flat", "control")
        )
        flat = flats[place]
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
                over_control=of_control,
                verdict=judge(
                    row,
                    gains,
                    of_flat,
                    of_control,
                    done=bool(values[place]),
                    flat=None if flat is None else rows[flat],
                    is_flat=row.entry.strategy == BASELINE,
                    has_control=controls[place] is not None,
                ),
                models=tuple(result.model_id for result in results.results if result.place == place),
            )
        )
    return (*lines, *_references(results))


def takeaway(rows: Sequence[Row]) -> str:
    """Return in one sentence what the finished rows show: against the flat vector, and against the best baseline."""
    models = [row for row in rows if row.kind == "strategy" and row.cells]
    tested = [row for row in models if row.verdict is not None and row.verdict.level != "open"]
    better = [row.title for row in tested if row.verdict is not None and row.verdict.level in ("kept", "partly")]
    if tested and not better:
        parts = ["No tokenization is detectably better than the MLP in what it claims"]
    elif better:
        parts = [f"Detectably better than the MLP in something they claim: {', '.join(better)}"]
    else:
        parts = ["Fewer than three seeds are finished, so no difference can be tested"]
    beside = next((row for name in SIMPLE for row in rows if row.title == ROW_TITLES[name]), None)
    counts = []
    for name in HEADLINE if beside is not None and tested else ():  # of fewer seeds no means are set beside others
        figure, own = FIGURES[name], [row for row in models if name in row.cells]
        if own and beside is not None and name in beside.cells:
            limit = figure.cost(beside.cells[name].mean)
            n = sum(figure.cost(row.cells[name].mean) < limit for row in own)
            counts.append(f"{n} of {len(own)} in {figure.title}")
    if counts and beside is not None:
        parts.append(f"by their means, models are ahead of {beside.title.lower()}: {', '.join(counts)}")
    return "; ".join(parts) + "."


def to_frame(rows: Sequence[Row]) -> pd.DataFrame:
    """Return the leaderboard as a table: for each row and figure mean, spread, gain over the MLP, and its p."""
    lines = []
    for row in rows:
        line: dict[str, object] = {"row": row.title, "kind": row.kind, "space": row.space, "seeds": _n_seeds(row)}
        for name in FIGURES:
            cell, own = row.cells.get(name), row.gains.get(name)
            line[name] = None if cell is None else cell.mean
            line[f"{name}_spread"] = None if cell is None else cell.spread
            line[f"{name}_gain"] = None if own is None else own.difference
            line[f"{name}_gain_percent"] = None if own is None else own.percent
            line[f"{name}_p"] = None if own is None else own.p
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
    return {
        "gain": own.difference,
        "gain_percent": own.percent,
        "gain_spread": own.spread,
        "p": own.p,
        "detectable": own.detectable,
        "finding": own.finding,
    }


def _n_seeds(row: Row) -> int:
    return len(row.models) if row.place is not None else 0


def _values(place: int, results: Results) -> dict[str, tuple[float, ...]]:
    own = [result.values for result in results.results if result.place == place]
    names = [name for name in FIGURES if any(name in values for values in own)]
    return {name: tuple(values[name] for values in own if name in values) for name in names}


def _cell(values: Sequence[float]) -> Cell:
    return Cell(statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else None, len(values))


def _gains(values: Sequence[dict[str, tuple[float, ...]]], place: int, other: int | None) -> dict[str, Gain]:
    if other is None or other == place:
        return {}
    own, beside = values[place], values[other]
    return {name: gain(FIGURES[name], own[name], beside[name]) for name in own if name in beside}


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
