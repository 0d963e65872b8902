"""Which regulators matter most: to one gene, or to a whole population of cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from genediff.inspection.regulation.ask import place_of
from genediff.inspection.regulation.circuit import circuit_of, network_of
from genediff.inspection.regulation.effects import upstream
from genediff.inspection.regulation.flow import flow_of
from genediff.inspection.regulation.judge import adjusted

if TYPE_CHECKING:
    from collections.abc import Callable

    from genediff.inspection.regulation.circuit import Circuit
    from genediff.inspection.regulation.flow import Measure
    from genediff.inspection.regulation.probe import Probe
    from genediff.model import GeneDiff


def regulators_of(
    model: GeneDiff, given: Probe, gene: str, *, progress: Callable[[float], None] = lambda share: None
) -> pd.DataFrame:
    """Rank all regulators of a model by what the prediction of a gene loses when each falls silent.

    A silent regulator keeps its own token, but no edge leaves it any more: all its paths to the gene are cut at once.

    Returns
    -------
    pd.DataFrame
        One row per regulator of the network, first the one that matters most: ``regulator``, ``effect`` (standard
        deviation over cells of what silence changes, in standard deviations of the gene's expression), ``slope`` (the
        change per standard deviation of the regulator; above 0 it activates), ``direct`` (whether an edge joins them).

    Raises
    ------
    InputError
        When the model is of another kind, or has no such gene.
    """
    network_of(model)
    whole, target = circuit_of(model), place_of(model, gene)
    acting = np.unique(whole.wiring.edges[0])
    circuit, held = _part(whole, target)
    here = int(np.flatnonzero(held == target)[0])
    full = circuit.predict(given)[:, here]
    effect, slope = np.zeros(len(acting)), np.zeros(len(acting))
    clean = given.clean.double().cpu().numpy()
    for number, regulator in enumerate(acting):
        progress(number / len(acting))
        if regulator == target or regulator not in held:
            continue
        change = full - _silenced(circuit, int(np.flatnonzero(held == regulator)[0])).predict(given)[:, here]
        effect[number], slope[number] = change.std(), _slope(change, clean[:, regulator])
    into = set(whole.wiring.edges[0, whole.wiring.edges[1] == target].tolist())
    table = pd.DataFrame(
        {
            "regulator": [model.genes[g] for g in acting],
            "effect": effect,
            "slope": slope,
            "direct": [int(g) in into for g in acting],
        }
    )
    table = table[acting != target]
    progress(1.0)
    return table.sort_values("effect", ascending=False, kind="stable").reset_index(drop=True)


def key_regulators(
    model: GeneDiff, given: Probe, *, n_shuffled: int = 49, most_silenced: int = 12, measure: Measure = "variation",
    seed: int = 0, progress: Callable[[float], None] = lambda share: None,
) -> pd.DataFrame:  # fmt: skip
    """Rank regulators by how much of all other genes in a population comes from them.

    Returns
    -------
    pd.DataFrame
        One row per regulator: ``regulator``, ``reach`` (sum over all other genes of the share that is its, after all
        passes), ``targets`` (edges that leave it), ``p`` and ``q`` against shuffled networks, in which it has as many
        targets and its edges the same learned weights; ``effect``: what its silence changes, the root mean square over
        cells and other genes in standard deviations, of the first ``most_silenced`` regulators (NaN for the rest).
    """
    network, circuit = network_of(model), circuit_of(model)
    acting, counts = np.unique(circuit.wiring.edges[0], return_counts=True)
    total = n_shuffled + most_silenced + 1
    reach = _reach(circuit, given, acting, measure)
    above = np.zeros(len(acting))
    for number in range(n_shuffled):
        progress((number + 1) / total)
        edges = network.shuffled(seed=seed * 100_003 + number).indices(model.genes)
        above += _reach(circuit.rewired(circuit.wiring.moved(edges)), given, acting, measure) >= reach
    p = (above + 1) / (n_shuffled + 1) if n_shuffled else np.full(len(acting), np.nan)
    effect = np.full(len(acting), np.nan)
    full = circuit.predict(given)
    for number, place in enumerate(np.argsort(-reach, kind="stable")[:most_silenced]):
        progress((n_shuffled + number + 1) / total)
        change = full - _silenced(circuit, int(acting[place])).predict(given)
        effect[place] = np.sqrt((np.delete(change, acting[place], axis=1) ** 2).mean())
    table = pd.DataFrame(
        {
            "regulator": [model.genes[g] for g in acting],
            "reach": reach,
            "targets": counts,
            "effect": effect,
            "p": p,
            "q": adjusted(p) if n_shuffled else p,
        }
    )
    progress(1.0)
    return table.sort_values("reach", ascending=False, kind="stable").reset_index(drop=True)


def _part(circuit: Circuit, target: int) -> tuple[Circuit, np.ndarray]:
    """Return what is upstream of a gene as a circuit of its own, and which places these are."""
    held = upstream(circuit.wiring, [target], len(circuit.passes))
    place = np.full(circuit.n_places, -1)
    place[held] = np.arange(len(held))
    kept = np.flatnonzero((place[circuit.wiring.edges] >= 0).all(axis=0))
    wiring = circuit.wiring.take(kept, place[circuit.wiring.edges[:, kept]])
    return circuit.wired(wiring, circuit.genes[held]), held


def _silenced(circuit: Circuit, place: int) -> Circuit:
    """Cut all edges that leave a place."""
    return circuit.rewired(circuit.wiring.without(np.flatnonzero(circuit.wiring.edges[0] == place)))


def _reach(circuit: Circuit, given: Probe, acting: np.ndarray, measure: Measure) -> np.ndarray:
    """Sum what of all other genes is each regulator's, (regulator,)."""
    flow = flow_of(circuit, given, measure=measure).turned()
    rolled = flow.rollout(acting)  # (regulator, gene)
    return rolled.sum(axis=1) - rolled[np.arange(len(acting)), acting]


def _slope(change: np.ndarray, source: np.ndarray) -> float:
    spread = source - source.mean()
    variance = float((spread**2).mean())
    return float((spread * change).mean() / variance) if variance > 0 else 0.0
