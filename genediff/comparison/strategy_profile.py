"""Rows of a leaderboard brought to one scale for drawing, and rows that differ in one number alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from genediff.comparison.table_metrics import FIGURES
from genediff.evaluation import ROW_TITLES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from genediff.comparison.comparison_table import Row


@dataclass(frozen=True)
class Sweep:
    """Rows that differ in one option alone, in its order."""

    strategy: str
    title: str
    option: str
    values: tuple[float, ...]
    rows: tuple[Row, ...]


def heights(rows: Sequence[Row], name: str) -> dict[str, tuple[float, float]]:
    """Return where each row stands in a figure, and its spread there, by the title of the row.

    From 0 (permuted genes) to 1 (real vs. real cells) where both are among the rows and the figure tells them apart;
    else from the worst of these rows to the best. All are at 1 where they do not differ.
    """
    figure = FIGURES[name]
    costs = {row.title: figure.cost(row.cells[name].mean) for row in rows if name in row.cells}
    if not costs:
        return {}
    best, worst = (costs.get(ROW_TITLES[row]) for row in ("floor", "permuted"))
    if best is None or worst is None or worst - best < 1e-9:
        best, worst = min(costs.values()), max(costs.values())
    span = worst - best
    spread = {row.title: row.cells[name].spread or 0.0 for row in rows if name in row.cells}
    return {
        title: ((worst - cost) / span if span > 0 else 1.0, spread[title] / span if span > 0 else 0.0)
        for title, cost in costs.items()
    }


def find_sweep(rows: Sequence[Row]) -> Sweep | None:
    """Return rows that differ in one numeric option of the same strategy and space; None where there are not two."""
    groups: dict[tuple[str, str, str, str], list[tuple[float, Row]]] = {}
    for row in rows:
        if row.kind != "strategy" or len(row.options) != 1:
            continue
        ((option, value),) = row.options.items()
        if isinstance(value, int | float) and not isinstance(value, bool):
            key = (row.strategy, row.space, option, row.title.split(",")[0])
            groups.setdefault(key, []).append((float(value), row))
    found = max(groups.items(), key=lambda item: len(item[1]), default=None)
    if found is None or len(found[1]) < 2:
        return None
    (strategy, _, option, title), points = found
    points.sort(key=lambda point: point[0])
    return Sweep(strategy, title, option, tuple(v for v, _ in points), tuple(row for _, row in points))
