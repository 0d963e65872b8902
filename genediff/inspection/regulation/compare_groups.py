"""The same paths in two groups of cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.stats import norm, ttest_ind_from_stats

from genediff.core.stats import false_discovery_rates
from genediff.inspection.regulation.attention_flow import flow_of
from genediff.inspection.regulation.attention_paths import path_flow, paths_to
from genediff.inspection.regulation.circuit import circuit_of, network_of, place_of
from genediff.inspection.regulation.knockout_effects import effects_of
from genediff.inspection.regulation.query import ARROW
from genediff.inspection.regulation.shuffled_networks import MOST_OF_LENGTH

if TYPE_CHECKING:
    from genediff.inspection.regulation.attention_flow import Measure
    from genediff.inspection.regulation.edge_probe import Probe
    from genediff.models.generative_model import GenerativeModel


def compare(
    model: GenerativeModel, first: Probe, second: Probe, gene: str, *, steps: int = 2, measure: Measure = "variation"
) -> pd.DataFrame:  # fmt: skip
    """Measure the strongest paths into a gene in two groups of cells.

    Returns
    -------
    pd.DataFrame
        One row per path that is among the strongest of either group: ``path``, ``flow_first``, ``flow_second``,
        ``slope_first``, ``slope_second`` (standard deviations of the target per standard deviation of the source),
        their standard errors over cells (``se_…``, HC4), ``p`` and ``q`` of the difference of slopes (Welch's t-test),
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
    for name, flow, given in zip(("first", "second"), flows, (first, second), strict=True):
        effects = effects_of(circuit, given, list(paths.values()))
        table[f"flow_{name}"] = [path_flow(flow, path.genes, path.edges) for path in paths.values()]
        table[f"slope_{name}"], table[f"se_{name}"] = effects.slope, effects.slope_error
    table["p"] = slopes_differ(*(
        (table[f"slope_{name}"].to_numpy(), table[f"se_{name}"].to_numpy(), given.n_cells)
        for name, given in (("first", first), ("second", second))
    ))  # fmt: skip
    table["q"] = false_discovery_rates(table["p"].to_numpy())
    order = np.argsort(-np.abs(table["slope_first"] - table["slope_second"]).to_numpy(), kind="stable")
    return table.iloc[order].reset_index(drop=True)


def detectable(table: pd.DataFrame) -> float:
    """Return the difference of slopes that the usual path shows with a power of 80%, corrected for all of a table."""
    return float((norm.isf(0.025 / len(table)) + 0.84) * np.hypot(table["se_first"], table["se_second"]).median())


def slopes_differ(first: tuple[np.ndarray, np.ndarray, int], second: tuple[np.ndarray, np.ndarray, int]) -> np.ndarray:
    """Return two-sided p-values of Welch's t-test between slopes, each given with its standard error and its cells."""
    sides = [(slope, error * np.sqrt(n - 1), n - 1) for slope, error, n in (first, second)]
    with np.errstate(divide="ignore", invalid="ignore"):
        p = np.asarray(ttest_ind_from_stats(*sides[0], *sides[1], equal_var=False).pvalue)
    return np.where(first[1] + second[1] > 0, p, 1.0)  # a slope without an error is that of a gene that never varies
