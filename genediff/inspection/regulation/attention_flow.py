"""How much of every gene's token comes from each of its regulators, pass by pass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch

from genediff.inspection.regulation.edge_flow import Meter

if TYPE_CHECKING:
    from genediff.inspection.regulation.circuit import Circuit
    from genediff.inspection.regulation.edge_probe import Probe

Measure = Literal["variation", "attention"]

# Cells pass in groups of about this many (edge, channel) numbers.
_MOST_NUMBERS = 2**23


@dataclass(frozen=True, eq=False)
class Flow:
    """For each pass, which share of a gene's token was its own and which came along each edge.

    Own share and incoming edges of a place add up to 1 in every pass, so that a product over passes is a share again.

    Attributes
    ----------
    edges
        Places, (2, edge), source above target.
    passes
        Names of the passes in order: encoder, each layer, decoder.
    own
        (pass, place).
    carried
        (pass, edge).
    """

    edges: np.ndarray
    passes: tuple[str, ...]
    own: np.ndarray
    carried: np.ndarray

    @property
    def n_places(self) -> int:
        """The number of places."""
        return self.own.shape[1]

    def turned(self) -> Flow:
        """Return the flow backwards in time: sources and targets, first and last pass change places."""
        return Flow(self.edges[::-1], self.passes[::-1], self.own[::-1], self.carried[::-1])

    def rollout(self, targets: np.ndarray) -> np.ndarray:
        """Return how much of each target after the last pass was each place before the first, (target, place).

        The product of the matrices of all passes: attention rollout, Abnar and Zuidema 2020,
        doi:10.18653/v1/2020.acl-main.385.
        """
        reached = np.zeros((len(targets), self.n_places))
        reached[np.arange(len(targets)), targets] = 1.0
        for own, carried in zip(self.own[::-1], self.carried[::-1], strict=True):
            moved = reached * own
            np.add.at(moved.T, self.edges[0], (reached[:, self.edges[1]] * carried).T)
            reached = moved
        return reached


def flow_of(circuit: Circuit, given: Probe, *, measure: Measure = "variation") -> Flow:
    """Measure the flow through a circuit over the cells of a probe.

    Two measures. ``"attention"`` is that of Abnar and Zuidema (2020): weights averaged over heads and cells, and half
    of every token passed by the residual stream; encoder and decoder edges count by the size of their learned weight
    against 1, what a gene gives itself. ``"variation"`` asks what in fact arrives: how much what an edge adds to its
    target's token differs from cell to cell, against how much the token itself does (after Kobayashi et al. 2020,
    doi:10.18653/v1/2020.emnlp-main.574, on deviations from the mean over cells, since what is the same in all cells
    tells nothing of the regulator). It takes the residual stream, gates, heads and values as they are.
    """
    meter = Meter(circuit)
    channels = circuit.denoiser.backbone.place.shape[1]
    size = max(1, _MOST_NUMBERS // ((circuit.wiring.n_edges + circuit.n_places) * channels))
    state = circuit.state(given)
    with torch.no_grad():
        for start in range(0, given.n_cells, size):
            part = slice(start, start + size)
            meter.see(state[part], given.t[part], given.codes[part])
    own, carried = meter.attention() if measure == "attention" else meter.variation()
    target = circuit.wiring.edges[1]
    for number in range(len(own)):
        total = own[number] + np.bincount(target, carried[number], minlength=circuit.n_places)
        alone = total <= 0  # nothing moves here: the token stays what it is
        total = np.where(alone, 1.0, total)
        own[number] = np.where(alone, 1.0, own[number] / total)
        carried[number] /= total[target]
    return Flow(circuit.wiring.edges, circuit.passes, np.stack(own), np.stack(carried))
