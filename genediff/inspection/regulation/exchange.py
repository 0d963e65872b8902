"""A regulator is given the values of other cells: what its targets' predictions lose."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from genediff.inspection.regulation.held_out_test import GainTest, gain_test, improvements, within_groups
from genediff.inspection.regulation.knockout_effects import upstream

if TYPE_CHECKING:
    from collections.abc import Sequence

    from genediff.inspection.regulation.circuit import Circuit
    from genediff.inspection.regulation.edge_probe import Probe


@dataclass(frozen=True, eq=False)
class Exchange:
    """What a regulator's own value changes and improves, against other cells' values, (cell, gene).

    ``slope``: change per standard deviation of the regulator, (gene,); ``test`` of each gene.
    """

    change: np.ndarray
    improved: np.ndarray
    test: GainTest
    slope: np.ndarray


def exchange(
    part: Circuit, here: np.ndarray, noisy: Sequence[Probe], own: Sequence[np.ndarray], place: int, truth: np.ndarray,
    *, draw: np.random.Generator,
) -> Exchange:  # fmt: skip
    """Give a regulator the values of other cells of the same group.

    Parameters
    ----------
    part
        What is upstream of some genes, which stand ``here`` in it, (gene,).
    noisy, own
        Copies of the cells with noise, and what is predicted for the genes from each, (cell, gene).
    place
        Of the regulator in the whole model.
    truth
        Standardised expression of the genes, (cell, gene).
    """
    exchanged, slope = [], np.zeros(truth.shape)
    for copy, before in zip(noisy, own, strict=True):
        order = within_groups(copy.groups, draw)
        exchanged.append(part.predict(copy.exchanged(place, order))[:, here])
        own_value = copy.value(place).double().cpu().numpy()
        moved = own_value - own_value[order]
        slope += moved[:, None] * (before - exchanged[-1]) / max(float((moved**2).mean()), 1e-12) / len(noisy)
    every, others = np.stack(own), np.stack(exchanged)  # (copy, cell, gene)
    test, improved = gain_test(truth, every, others), improvements(truth, every, others)
    return Exchange((every - others).mean(0), improved, test, slope.mean(0) * noisy[0].mix[0])


def part_of(circuit: Circuit, targets: Sequence[int] | np.ndarray) -> tuple[Circuit, np.ndarray]:
    """Return what is upstream of some genes as a circuit of its own, and which places these are."""
    places = upstream(circuit.wiring, targets, len(circuit.passes))
    place = np.full(circuit.n_places, -1)
    place[places] = np.arange(len(places))
    kept = np.flatnonzero((place[circuit.wiring.edges] >= 0).all(axis=0))
    wiring = circuit.wiring.take(kept, place[circuit.wiring.edges[:, kept]])
    return circuit.wired(wiring, circuit.genes[places]), places
