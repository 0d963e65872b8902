"""The strongest paths at a gene, in a model's network and in shuffled ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from genediff.inspection.regulation.attention_flow import flow_of
from genediff.inspection.regulation.attention_paths import Path, paths_from, paths_to
from genediff.inspection.regulation.exchange import part_of
from genediff.inspection.regulation.knockout_effects import effects_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from genediff.inspection.regulation.attention_flow import Flow, Measure
    from genediff.inspection.regulation.circuit import Circuit
    from genediff.inspection.regulation.edge_probe import Probe
    from genediff.knowledge.network import Network

End = Literal["target", "source"]

# The strongest paths of each length that are followed, in the model's network and in shuffled ones alike.
MOST_OF_LENGTH = {1: 40, 2: 15, 3: 10}


@dataclass(frozen=True, eq=False)
class Strengths:
    """Flow, effect, slope and help of the strongest paths at a gene, (path,): see `Effects`."""

    paths: tuple[Path, ...]
    flow: np.ndarray
    size: np.ndarray
    slope: np.ndarray
    help: np.ndarray

    @property
    def n_steps(self) -> np.ndarray:
        """Edges of each path, (path,)."""
        return np.array([path.n_steps for path in self.paths], dtype=int)


def strengths(
    circuit: Circuit, given: Probe, gene: int, *, end: End = "target", steps: int = 2, measure: Measure = "variation",
    also: int | None = None,
) -> Strengths:  # fmt: skip
    """Measure the strongest paths into a gene (or out of it) in a circuit of all genes.

    Parameters
    ----------
    circuit, given
        The model's network, and the cells.
    gene
        Place of the gene.
    end
        Whether it is the paths' target or their source.
    steps
        The longest path, 1 to 3.
    measure
        Of the flow.
    also
        Place of a regulator whose paths to the target are measured in any case.
    """
    found = strongest_paths(circuit, given, gene, end=end, steps=steps, measure=measure, also=also)
    effects = effects_of(circuit, given, found)
    flows = np.array([path.flow for path in found])
    return Strengths(tuple(found), flows, effects.size, effects.slope, effects.help)


def strongest_paths(
    circuit: Circuit, given: Probe, gene: int, *, end: End = "target", steps: int = 2, measure: Measure = "variation",
    also: int | None = None,
) -> list[Path]:  # fmt: skip
    """Find the paths that `strengths` measures, by their flow alone; parameters as there."""
    flow, places = _flow(circuit, given, gene, end, measure)
    local = int(np.flatnonzero(places == gene)[0])
    look = paths_to if end == "target" else paths_from
    found = look(flow, local, steps=steps, most=MOST_OF_LENGTH)
    if also is not None and also in places:
        there = int(np.flatnonzero(places == also)[0])
        extra = paths_to(flow, local, source=there, steps=steps, most=20)
        seen = {path.edges for path in found}
        found += [path for path in extra if path.edges not in seen]
    found = [Path(tuple(int(places[g]) for g in p.genes), p.edges, p.flow, p.when) for p in found]
    return _numbered(found, circuit, places)


def shuffled_paths(
    circuit: Circuit, network: Network, names: Sequence[str], given: Probe, gene: int, *, n: int, end: End = "target",
    steps: int = 2, measure: Measure = "variation", seed: int = 0,
    progress: Callable[[float], None] = lambda share: None,
) -> list[Path]:  # fmt: skip
    """Find the strongest paths in shuffled networks, of all of them together: the trained weights on rewired edges.

    Every gene keeps how many edges leave it and how many reach it; an edge's learned weights and its sign stay with its
    source. Attention is computed anew by the trained queries and keys. What this shows: whether a path is stronger than
    the model makes any random regulator of this gene. What it cannot show: how strong a path would have become if the
    model had been trained on the shuffled network, or that the regulator acts in the cell.
    """
    found: list[Path] = []
    for number in range(n):
        edges = network.shuffled(seed=seed * 100_003 + number).indices(names)
        rewired = circuit.rewired(circuit.wiring.moved(edges))
        found += strongest_paths(rewired, given, gene, end=end, steps=steps, measure=measure)
        progress((number + 1) / n)
    return found


def _flow(circuit: Circuit, given: Probe, gene: int, end: End, measure: Measure) -> tuple[Flow, np.ndarray]:
    """Return the flow on the part of a circuit that matters, and which places that is."""
    if end == "source":
        return flow_of(circuit, given, measure=measure), np.arange(circuit.n_places)
    part, places = part_of(circuit, [gene])
    return flow_of(part, given, measure=measure), places


def _numbered(paths: list[Path], circuit: Circuit, places: np.ndarray) -> list[Path]:
    """Give the edges of paths in a part of a circuit their numbers in the whole."""
    if len(places) == circuit.n_places:
        return paths
    kept = np.flatnonzero(np.isin(circuit.wiring.edges, places).all(axis=0))
    return [Path(p.genes, tuple(int(kept[e]) for e in p.edges), p.flow, p.when) for p in paths]
