"""Which regulators matter most to one gene, and how far each reaches in a network."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from genediff.core.stats import adaptive_discovery_rates
from genediff.inspection.regulation.attention_flow import flow_of
from genediff.inspection.regulation.circuit import circuit_of, network_of, place_of
from genediff.inspection.regulation.exchange import exchange, part_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from genediff.inspection.regulation.attention_flow import Measure
    from genediff.inspection.regulation.circuit import Circuit
    from genediff.inspection.regulation.edge_probe import Probe
    from genediff.models.generative_model import GenerativeModel


def regulators_of(
    model: GenerativeModel, given: Probe, gene: str, *, tested: pd.DataFrame | None = None,
    progress: Callable[[float], None] = lambda share: None,
) -> pd.DataFrame:  # fmt: skip
    """Rank all regulators of a model by how the prediction of a gene changes with another cell's value of each.

    Parameters
    ----------
    tested
        What `edge_tests` found in the same cells; where this is None direct regulators are tested as all others.

    Returns
    -------
    pd.DataFrame
        One row per regulator of the network, the largest effect first: ``regulator``, ``effect`` (standard deviation
        over cells of the change, in standard deviations of the gene's expression), ``slope`` (the change per standard
        deviation of the regulator; above 0 it activates), ``direct`` (whether an edge joins them), ``gain`` (share
        of the gene's squared error that its own value removes), ``p`` and ``q``: of direct regulators over all edges of
        the network where ``tested`` is given, of others over those that reach this gene.

    Raises
    ------
    InputError
        When the model is of another kind, or has no such gene.
    """
    network_of(model)
    whole, target = circuit_of(model), place_of(model, gene)
    into = set(whole.wiring.edges[0, whole.wiring.edges[1] == target].tolist())
    known = None if tested is None else tested[tested["target"] == gene].set_index("source")
    acting = np.unique(whole.wiring.edges[0])
    acting = acting[acting != target]
    circuit, places = part_of(whole, [target])
    here = np.flatnonzero(places == target)
    truth = given.clean.double().cpu().numpy()[:, [target]]
    draw, rows = np.random.default_rng(8), []
    noisy = given.with_noise(draw, given.exchanges)
    own = [circuit.predict(copy)[:, here] for copy in noisy]
    for number, regulator in enumerate(acting.tolist()):
        progress(number / len(acting))
        name, effect, slope, gain, p = model.genes[regulator], 0.0, 0.0, 0.0, 1.0
        if regulator in places:
            found = exchange(circuit, here, noisy, own, regulator, truth, draw=draw)
            effect, slope = float(found.change.std()), float(found.slope[0])
            gain, p = float(found.test.gain[0]), float(found.test.p[0])
        rows.append((name, effect, slope, regulator in into, gain, p))
    table = pd.DataFrame(rows, columns=["regulator", "effect", "slope", "direct", "gain", "p"])
    table["q"], others = np.nan, table["effect"] > 0
    if known is not None:
        direct, columns = table["direct"], ["gain", "p", "q"]
        table.loc[direct, columns] = known.loc[table.loc[direct, "regulator"], columns].to_numpy()
        others &= ~direct
    table.loc[others, "q"] = adaptive_discovery_rates(table.loc[others, "p"].to_numpy())
    progress(1.0)
    return table.sort_values("effect", ascending=False, kind="stable").reset_index(drop=True)


def reaches(
    model: GenerativeModel, given: Probe, *, n_shuffled: int = 9, measure: Measure = "variation", seed: int = 0,
    progress: Callable[[float], None] = lambda share: None,
) -> pd.DataFrame:  # fmt: skip
    """Measure how much of all genes is each regulator's.

    Returns
    -------
    pd.DataFrame
        One row per regulator: ``regulator``, ``reach`` (sum over all other genes of the share that is its, after all
        passes) and ``reach_z``, how far that lies above shuffled networks with as many targets, in standard deviations
        (NaN with fewer than 3 of them). A description: whether the cells agree, `interventions` tests.
    """
    network, circuit = network_of(model), circuit_of(model)
    acting = np.unique(circuit.wiring.edges[0])
    table = pd.DataFrame({"regulator": [model.genes[place] for place in acting]})
    table["reach"] = reach = _reach(circuit, given, acting, measure)
    null = np.zeros((n_shuffled, len(acting)))
    for number in range(n_shuffled):
        progress(number / n_shuffled)
        moved = network.shuffled(seed=seed * 100_003 + number).indices(model.genes)
        null[number] = _reach(circuit.rewired(circuit.wiring.moved(moved)), given, acting, measure)
    table["reach_z"] = np.nan
    if n_shuffled > 2:
        spread = null.std(0, ddof=1)
        table["reach_z"] = np.divide(reach - null.mean(0), spread, out=np.zeros_like(reach), where=spread > 1e-12)
    progress(1.0)
    return table


def _reach(circuit: Circuit, given: Probe, acting: np.ndarray, measure: Measure) -> np.ndarray:
    """Sum what of all other genes is each regulator's, (regulator,)."""
    flow = flow_of(circuit, given, measure=measure).turned()
    rolled = flow.rollout(acting)  # (regulator, gene)
    return rolled.sum(axis=1) - rolled[np.arange(len(acting)), acting]
