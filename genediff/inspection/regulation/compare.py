"""The same paths in two groups of cells."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from genediff.inspection.regulation.ask import ARROW, place_of
from genediff.inspection.regulation.circuit import circuit_of, network_of
from genediff.inspection.regulation.effects import effects_of
from genediff.inspection.regulation.flow import flow_of
from genediff.inspection.regulation.judge import adjusted
from genediff.inspection.regulation.null import MOST_OF_LENGTH
from genediff.inspection.regulation.paths import path_flow, paths_to

if TYPE_CHECKING:
    from genediff.inspection.regulation.effects import Effects
    from genediff.inspection.regulation.flow import Measure
    from genediff.inspection.regulation.probe import Probe
    from genediff.model import GeneDiff

_RESAMPLES = 200


def compare(
    model: GeneDiff, first: Probe, second: Probe, gene: str, *, steps: int = 2, measure: Measure = "variation",
    seed: int = 0,
) -> pd.DataFrame:  # fmt: skip
    """Measure the strongest paths into a gene in two groups of cells.

    Returns
    -------
    pd.DataFrame
        One row per path that is among the strongest of either group: ``path``, ``flow_first``, ``flow_second``,
        ``slope_first``, ``slope_second`` (standard deviations of the target per standard deviation of the source),
        their standard errors over cells (``se_…``, bootstrap), ``p`` and ``q`` of the difference of slopes (normal),
        largest difference first. Standard errors are of the cells that were looked at: they hold neither the noise of
        training nor that of donors.

    Raises
    ------
    InputError
        When the model is of another kind, or has no such gene.
    """
    network_of(model)
    circuit, target = circuit_of(model), place_of(model, gene)
    flows = [flow_of(circuit, given, measure=measure) for given in (first, second)]
    paths = {path.edges: path for flow in flows for path in paths_to(flow, target, steps=steps, most=MOST_OF_LENGTH)}
    table = pd.DataFrame({"path": [ARROW.join(model.genes[g] for g in path.genes) for path in paths.values()]})
    draw = np.random.default_rng([seed, 4])
    for name, flow, given in zip(("first", "second"), flows, (first, second), strict=True):
        effects = effects_of(circuit, given, list(paths.values()))
        table[f"flow_{name}"] = [path_flow(flow, path.genes, path.edges) for path in paths.values()]
        table[f"slope_{name}"], table[f"se_{name}"] = effects.slope, _errors(effects, draw)
    difference = table["slope_first"] - table["slope_second"]
    error = np.hypot(table["se_first"], table["se_second"])
    z = np.abs(difference) / np.where(error > 0, error, np.inf)
    table["p"] = [math.erfc(value / math.sqrt(2)) for value in z]
    table["q"] = adjusted(table["p"].to_numpy())
    order = np.argsort(-np.abs(difference.to_numpy()), kind="stable")
    return table.iloc[order].reset_index(drop=True)


def _errors(effects: Effects, draw: np.random.Generator) -> np.ndarray:
    """Return standard errors of the slopes by drawing the cells again."""
    n = len(effects.change)
    drawn = [draw.integers(n, size=n) for _ in range(_RESAMPLES)]
    slopes = [type(effects)(effects.change[rows], effects.source[rows], effects.missed[rows]).slope for rows in drawn]
    return np.std(slopes, axis=0, ddof=1)
