"""The strongest ways from regulator to target through the passes of a model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from genediff.inspection.regulation.attention_flow import Flow

# Of the paths that can still grow, this many are followed at each length. Most genes have far fewer.
_MOST_FOLLOWED = 2000


@dataclass(frozen=True, eq=False)
class Path:
    """One way along the network, each gene once.

    Attributes
    ----------
    genes
        Places of genes, from the regulator to the target.
    edges
        Number of each step's edge in the network.
    flow
        Share of the target, after the last pass, that came this way: the sum over all choices of passes in which the
        steps are made, while the token stays where it is in the others.
    when
        How likely each step was made in each pass, (step, pass); every row adds up to 1.
    """

    genes: tuple[int, ...]
    edges: tuple[int, ...]
    flow: float
    when: np.ndarray

    @property
    def n_steps(self) -> int:
        """How many edges it has."""
        return len(self.edges)


def paths_to(
    flow: Flow, target: int, *, source: int | None = None, steps: int = 3, most: Mapping[int, int] | int = 50
) -> list[Path]:
    """Return the strongest paths into a gene, best first.

    Parameters
    ----------
    flow
        Of a model, see ``flow_of``.
    target
        Place of the gene.
    source
        Only paths from this gene; None: from any.
    steps
        The longest path.
    most
        How many paths, or how many of each number of steps.
    """
    grown = sorted(_grow(flow, target, steps=steps, source=source), key=lambda path: -path[2])
    kept: list[Path] = []
    taken = Counter[int]()
    for genes, edges, value in grown:
        kind = len(edges) if isinstance(most, Mapping) else 0  # each length has its own limit, or all share one
        limit = most.get(kind, 0) if isinstance(most, Mapping) else most
        if value > 0 and taken[kind] < limit:
            taken[kind] += 1
            kept.append(_timed(flow, genes, edges))
    return kept


def paths_from(flow: Flow, source: int, *, steps: int = 3, most: Mapping[int, int] | int = 50) -> list[Path]:
    """Return the strongest paths out of a gene, best first; parameters as in ``paths_to``."""
    found = paths_to(flow.turned(), source, steps=steps, most=most)
    return [_timed(flow, path.genes[::-1], path.edges[::-1]) for path in found]


def path_flow(flow: Flow, genes: tuple[int, ...], edges: tuple[int, ...]) -> float:
    """Return the share of the target that came along one path."""
    return float(_backward(flow, genes, edges)[0][0])


def _grow(
    flow: Flow, target: int, *, steps: int, source: int | None
) -> list[tuple[tuple[int, ...], tuple[int, ...], float]]:
    """Follow edges backwards from the target: (genes, edges, flow) of each simple path of up to ``steps`` edges."""
    into = _incoming(flow)
    near = None if source is None else _distances(flow, source)
    front: list[tuple[tuple[int, ...], tuple[int, ...], np.ndarray]] = [((target,), (), _resting(flow, target))]
    found: list[tuple[tuple[int, ...], tuple[int, ...], float]] = []
    for step in range(steps):
        grown: list[tuple[tuple[int, ...], tuple[int, ...], np.ndarray]] = []
        for genes, edges, rest in front:
            for edge in into[genes[0]]:
                before = int(flow.edges[0, edge])
                if before in genes or (near is not None and near[before] > steps - step - 1):
                    continue
                value = _extended(flow, before, int(edge), rest)
                grown.append(((before, *genes), (int(edge), *edges), value))
        found += [(genes, edges, float(rest[0])) for genes, edges, rest in grown if source in (None, genes[0])]
        grown.sort(key=lambda path: -float(path[2].max()))
        front = [path for path in grown[:_MOST_FOLLOWED] if path[0][0] != source]
    return found


def _resting(flow: Flow, gene: int) -> np.ndarray:
    """Return which share of what a gene is before each pass is still there at the end, (pass + 1,)."""
    return np.append(np.cumprod(flow.own[::-1, gene])[::-1], 1.0)


def _extended(flow: Flow, gene: int, edge: int, rest: np.ndarray) -> np.ndarray:
    """Return what gets from a gene before each pass to the end of a path, over an edge to the path's first gene."""
    values = np.zeros_like(rest)
    for number in range(len(rest) - 2, -1, -1):
        values[number] = flow.own[number, gene] * values[number + 1] + flow.carried[number, edge] * rest[number + 1]
    return values


def _backward(flow: Flow, genes: tuple[int, ...], edges: tuple[int, ...]) -> list[np.ndarray]:
    """Return for each gene of a path what gets from it before each pass to the path's end, (pass + 1,)."""
    values = [_resting(flow, genes[-1])]
    for gene, edge in zip(genes[-2::-1], edges[::-1], strict=True):
        values.insert(0, _extended(flow, gene, edge, values[0]))
    return values


def _timed(flow: Flow, genes: tuple[int, ...], edges: tuple[int, ...]) -> Path:
    """Say in which passes the steps of a path are made."""
    after = _backward(flow, genes, edges)
    total = float(after[0][0])
    when = np.zeros((len(edges), len(flow.passes)))
    arrived = np.append(1.0, np.cumprod(flow.own[:, genes[0]]))  # (pass + 1,) still on the first gene
    for step, edge in enumerate(edges):
        crossing = arrived[:-1] * flow.carried[:, edge]  # (pass,) steps over the edge in this pass
        when[step] = crossing * after[step + 1][1:] / total if total > 0 else 0
        following = np.zeros_like(arrived)
        for number in range(len(flow.passes)):
            following[number + 1] = following[number] * flow.own[number, genes[step + 1]] + crossing[number]
        arrived = following
    return Path(genes, edges, total, when)


def _incoming(flow: Flow) -> list[np.ndarray]:
    order = np.argsort(flow.edges[1], kind="stable")
    counts = np.bincount(flow.edges[1], minlength=flow.n_places)
    return np.split(order, np.cumsum(counts)[:-1])


def _distances(flow: Flow, source: int) -> np.ndarray:
    """Return how many edges away from a gene each other one is; infinity where no path leads."""
    distance = np.full(flow.n_places, np.inf)
    distance[source], front, step = 0, np.array([source]), 0
    while len(front):
        step += 1
        reached = np.unique(flow.edges[1, np.isin(flow.edges[0], front)])
        front = reached[np.isinf(distance[reached])]
        distance[front] = step
    return distance
