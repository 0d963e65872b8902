"""Which regulators a model uses: their values are replaced, and their targets' predictions compared with the cells."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from torch import nn

from genediff.core.stats import adaptive_discovery_rates, false_discovery_rates
from genediff.inspection.regulation.circuit import attention_of, circuit_of, copy_of, network_of
from genediff.inspection.regulation.exchange import exchange, part_of
from genediff.inspection.regulation.held_out_test import gain_test, improvements, joint_p, within_groups
from genediff.inspection.regulation.significance import LEVEL
from genediff.models.count_denoiser import CountDenoiser

if TYPE_CHECKING:
    from collections.abc import Callable

    from genediff.inspection.regulation.circuit import Circuit
    from genediff.inspection.regulation.edge_probe import Probe
    from genediff.models.generative_model import GenerativeModel

MOST_CELLS_OF_OTHERS = 128  # in which the change of genes that are no targets is measured
RIDGE = 1.0  # standard deviations² that the linear baseline's slopes are shrunk by, times the number of regulators


@dataclass(frozen=True, eq=False)
class Interventions:
    """What replacing regulators' values does in a model, beside controls.

    Attributes
    ----------
    regulators
        One row per regulator, the smallest p-value first: ``regulator``; ``targets`` (edges that leave it);
        ``on_targets`` and ``on_others``, root mean square change of its targets and of all other regulated genes, in
        standard deviations; ``p`` and ``q`` of the test over all its targets; ``specific``: q is below 0.05
        and its targets change more than other genes.
    edges
        One row per edge of the network, the smallest p-value first: ``source``, ``target``, ``sign`` of the network,
        ``effect`` and ``slope`` of the exchange, ``gain`` (share of the squared error that the true value removes),
        ``p`` and ``q`` over all edges.
    controls
        One row per control: ``what``, ``specific`` (regulators that pass the same test; a mean over shuffled networks)
        and ``edges`` (share of edges with q below 0.05, NaN where there are none).
    ablations
        One row per part of the model: ``part``, ``rise`` (of the mean squared error of all regulated genes when the
        part is silenced, as a share) and ``error`` (standard error over cells). Heads also carry a gene's own value.
    n_cells
        Cells that all this rests on.
    """

    regulators: pd.DataFrame
    edges: pd.DataFrame
    controls: pd.DataFrame
    ablations: pd.DataFrame
    n_cells: int


def interventions(
    model: GenerativeModel, given: Probe, known: np.ndarray, known_groups: np.ndarray, *, n_shuffled: int = 2,
    seed: int = 0, progress: Callable[[float], None] = lambda share: None,
) -> Interventions:  # fmt: skip
    """Replace the value of each regulator by that of another cell of its group, and test what its targets lose.

    A regulator passes where the model predicts its targets better from the true value than from another cell's.
    Controls: the trained weights on shuffled networks (degrees kept),
    and a linear regression of each gene on the same regulators, fitted on training cells, without the model.

    Parameters
    ----------
    given
        Cells, best held out from training, at a time t.
    known
        Standardised expression of training cells, (cell, gene): what the linear baseline is fitted on.
    known_groups
        A code per training cell, (cell,).
    n_shuffled
        Shuffled networks.

    Raises
    ------
    InputError
        When the model's tokens are not genes on a network.
    """
    network, circuit = network_of(model), circuit_of(model)
    total = n_shuffled + 2

    def part(number: int) -> Callable[[float], None]:
        return lambda share: progress((number + share) / total)

    regulators, edges = _exchanged(model, circuit, given, seed=seed, progress=part(0))
    shuffled = []
    for number in range(n_shuffled):
        moved = network.shuffled(seed=seed * 100_003 + number).indices(model.genes)
        other = circuit.rewired(circuit.wiring.moved(moved))
        found, its_edges = _exchanged(model, other, given, seed=seed, progress=part(number + 1))
        shuffled.append((found["specific"].sum(), (its_edges["q"] < LEVEL).mean()))
    linear, linear_edges = _linear(circuit, given, known, known_groups)
    rows = [("this model", float(regulators["specific"].sum()), float((edges["q"] < LEVEL).mean()))]
    if shuffled:
        means = np.mean(shuffled, axis=0)
        rows.append(("the same weights on shuffled networks", float(means[0]), float(means[1])))
    rows.append(("linear regression on the same regulators (no model)", float(linear), float(linear_edges)))
    controls = pd.DataFrame(rows, columns=["what", "specific", "edges"])
    ablations = _ablations(circuit, given)
    progress(1.0)
    return Interventions(regulators, edges, controls, ablations, given.n_cells)


def edge_tests(
    model: GenerativeModel, given: Probe, *, seed: int = 0, progress: Callable[[float], None] = lambda share: None
) -> pd.DataFrame:
    """Return ``edges`` of `interventions` alone."""
    return _exchanged(model, circuit_of(model), given, seed=seed, progress=progress)[1]


def _exchanged(
    model: GenerativeModel, circuit: Circuit, given: Probe, *, seed: int, progress: Callable[[float], None]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Give each regulator the values of other cells; test all its targets together, and each edge."""
    wiring, draw = circuit.wiring, np.random.default_rng([seed, 5])
    acting, counts = np.unique(wiring.edges[0], return_counts=True)
    clean, names = given.clean.double().cpu().numpy(), np.array(model.genes, dtype=object)
    few = given.take(np.sort(draw.permutation(given.n_cells)[:MOST_CELLS_OF_OTHERS]))
    whole, places = part_of(circuit, np.unique(wiring.edges[1]))  # genes without an edge cannot change
    before = whole.predict(few)
    noisy = given.with_noise(draw, given.exchanges)
    own = [whole.predict(copy) for copy in noisy]  # (cell, place of whole) each
    rows, edges = [], []
    for number, place in enumerate(acting.tolist()):
        into = np.flatnonzero(wiring.edges[0] == place)
        targets = wiring.edges[1, into]
        part, held = part_of(circuit, targets)
        at = np.searchsorted(places, targets)
        found = exchange(part, np.searchsorted(held, targets), noisy, [one[:, at] for one in own], place,
                         clean[:, targets], draw=draw)  # fmt: skip
        everywhere = before - whole.predict(few.exchanged(place, within_groups(few.groups, draw)))
        others = np.delete(everywhere, np.searchsorted(places, np.append(targets, place)), axis=1)
        rows.append((model.genes[place], _size(found.change), _size(others), joint_p(found.improved)))
        edges.append(
            pd.DataFrame(
                {
                    "source": names[place],
                    "target": names[targets],
                    "sign": wiring.signs[into],
                    "effect": found.change.std(0),
                    "slope": found.slope,
                    "gain": found.test.gain,
                    "p": found.test.p,
                }
            )
        )
        progress((number + 1) / len(acting))
    table = pd.DataFrame(rows, columns=["regulator", "on_targets", "on_others", "p"])
    table.insert(1, "targets", counts)
    table["q"] = false_discovery_rates(table["p"].to_numpy())
    table["specific"] = (table["q"] < LEVEL) & (table["on_targets"] > table["on_others"])
    every = pd.concat(edges, ignore_index=True)
    every["q"] = adaptive_discovery_rates(every["p"].to_numpy())
    return (
        table.sort_values("p", kind="stable").reset_index(drop=True),
        every.sort_values("p", kind="stable").reset_index(drop=True),
    )


def _linear(circuit: Circuit, given: Probe, known: np.ndarray, known_groups: np.ndarray) -> tuple[int, float]:
    """Return how many regulators, and which share of edges, pass with ridge regression in the model's place."""
    edges, draw = circuit.wiring.edges, np.random.default_rng(7)
    x, clean = centred(known, known_groups), centred(given.clean.double().cpu().numpy(), given.groups)
    own = np.zeros((given.exchanges, given.n_cells, edges.shape[1]))  # (copy, cell, edge)
    exchanged = np.zeros_like(own)
    for target in np.unique(edges[1]):
        into = np.flatnonzero(edges[1] == target)
        fitted = x[:, edges[0, into]]  # (cell, regulator)
        slopes = np.linalg.solve(fitted.T @ fitted + RIDGE * len(into) * np.eye(len(into)), fitted.T @ x[:, target])
        values = clean[:, edges[0, into]]
        own[:, :, into] = (values @ slopes)[:, None]
        for copy in range(given.exchanges):
            moved = values[within_groups(given.groups, draw)] - values
            exchanged[copy][:, into] = own[copy][:, into] + moved * slopes
    truth = clean[:, edges[1]]
    improved = improvements(truth, own, exchanged)
    tests = [joint_p(improved[:, edges[0] == place]) for place in np.unique(edges[0])]
    found = int((false_discovery_rates(np.array(tests)) < LEVEL).sum())
    return found, float((adaptive_discovery_rates(gain_test(truth, own, exchanged).p) < LEVEL).mean())


def _ablations(circuit: Circuit, given: Probe) -> pd.DataFrame:
    """Silence all edges, those of encoder and decoder, and each head, and measure the error of all targets."""
    part, places = part_of(circuit, np.unique(circuit.wiring.edges[1]))
    regulated = np.unique(part.wiring.edges[1])
    clean = given.clean.double().cpu().numpy()[:, places[regulated]]

    def error(one: Circuit) -> np.ndarray:
        return ((one.predict(given)[:, regulated] - clean) ** 2).mean(1)  # (cell,)

    base, rows = error(part), []
    for name, silenced in _silenced_parts(part):
        rise = (error(silenced) - base) / base.mean()
        rows.append((name, float(rise.mean()), float(rise.std(ddof=1) / np.sqrt(len(rise)))))
    return pd.DataFrame(rows, columns=["part", "rise", "error"])


def _silenced_parts(circuit: Circuit) -> list[tuple[str, Circuit]]:
    wiring, zero = circuit.wiring, np.zeros_like(circuit.wiring.encoder)
    first = "linear edges" if isinstance(circuit.denoiser, CountDenoiser) else "encoder edges"
    parts = [
        ("all edges", circuit.rewired(wiring.take(np.zeros(0, dtype=np.int64)))),
        (first, circuit.rewired(replace(wiring, encoder=zero))),
        ("decoder edges", circuit.rewired(replace(wiring, decoder=zero))),
    ]
    for layer, block in enumerate(circuit.denoiser.backbone.stack.blocks):
        for head in range(attention_of(block).heads):
            parts.append((f"layer {layer + 1}, head {head + 1}", _without_head(circuit, layer, head)))
    return parts


def _without_head(circuit: Circuit, layer: int, head: int) -> Circuit:
    silenced = circuit.rewired(circuit.wiring)
    blocks = list(silenced.denoiser.backbone.stack.blocks)
    block = copy_of(blocks[layer])
    block.attention = copy_of(block.attention)
    out = copy_of(attention_of(block).out)
    weight = out.weight.detach().clone()
    size = weight.shape[1] // attention_of(block).heads
    weight[:, head * size : (head + 1) * size] = 0.0
    out.weight = nn.Parameter(weight, requires_grad=False)
    block.attention.out = out
    blocks[layer] = block
    silenced.denoiser.backbone.stack.blocks = nn.ModuleList(blocks)
    return silenced


def centred(values: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Return values (cell, item) less the mean of each cell's group."""
    out = np.array(values, dtype=np.float64)
    for code in np.unique(groups):
        inside = groups == code
        out[inside] -= out[inside].mean(0)
    return out


def _size(change: np.ndarray) -> float:
    return float(np.sqrt((change**2).mean())) if change.size else 0.0
