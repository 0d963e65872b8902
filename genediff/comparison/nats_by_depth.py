"""What each row of a comparison adds to independent genes, by how many molecules of a cell were read."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Any

from genediff.evaluation import ROW_TITLES
from genediff.plots.comparison_plots import IntervalCurve

if TYPE_CHECKING:
    from collections.abc import Sequence

    from genediff.comparison.comparison_results import Results
    from genediff.comparison.comparison_store import StoredRow


def nats_curves(rows: Sequence[StoredRow], results: Results) -> tuple[IntervalCurve, ...]:
    """Return a curve for each row with held-out nats, controls right after what they belong to, sub-clusters last.

    Gains are means over seeds, with the outer ends of the seeds' 95 % intervals over cells, so that neither cells nor
    seeds are taken for certain.
    """
    first = {row.entry.strategy: place for place, row in reversed(list(enumerate(rows)))}
    order = sorted(range(len(rows)), key=lambda i: (first[rows[i].entry.strategy], rows[i].entry.shuffled))
    curves, every = [], []
    for place in order:
        seeds = [result.nats for result in results.results if result.place == place and result.nats]
        if seeds:
            kind = "control" if rows[place].entry.shuffled else "strategy"
            curves.append(_curve(rows[place].title, kind, seeds, "over_independent"))
            every += seeds
    if every:
        curves.append(_curve(ROW_TITLES["subclusters"], "baseline", every[:1], "mixture_over_independent"))
        if all("start_over_independent" in row for row in every[0]):
            curves.append(_curve("Genes one by one, recalibrated", "baseline", every[:1], "start_over_independent"))
    return tuple(curves)


def _curve(title: str, kind: str, seeds: Sequence[Sequence[dict[str, Any]]], over: str) -> IntervalCurve:
    by_depth = [{row["depth"]: row[over] for row in seed} for seed in seeds]
    depths = sorted(set.intersection(*(set(one) for one in by_depth)))
    return IntervalCurve(
        title,
        tuple(depths),
        tuple(1000 * statistics.fmean(one[depth]["mean"] for one in by_depth) for depth in depths),
        tuple(1000 * min(one[depth]["low"] for one in by_depth) for depth in depths),
        tuple(1000 * max(one[depth]["high"] for one in by_depth) for depth in depths),
        kind,
    )
