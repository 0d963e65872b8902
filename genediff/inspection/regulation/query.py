"""How a model of gene tokens regulates a gene: its strongest paths, tested in cells and beside shuffled networks."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from genediff.core.errors import InputError
from genediff.core.stats import false_discovery_rates
from genediff.inspection.regulation.circuit import circuit_of, network_of, place_of
from genediff.inspection.regulation.interventions import edge_tests
from genediff.inspection.regulation.shuffled_networks import End, Strengths, shuffled_paths, strengths
from genediff.inspection.regulation.significance import best, empirical_p, verdicts

if TYPE_CHECKING:
    from collections.abc import Callable

    from genediff.inspection.regulation.attention_flow import Measure
    from genediff.inspection.regulation.attention_paths import Path
    from genediff.inspection.regulation.circuit import Circuit
    from genediff.inspection.regulation.edge_probe import Probe
    from genediff.knowledge.network import Network
    from genediff.models.generative_model import GenerativeModel

ARROW = " → "


@dataclass(frozen=True, eq=False)
class PathSearch:
    """The strongest paths at a gene, tested.

    Attributes
    ----------
    gene, end
        The gene that was asked about, and whether it is the paths' "target" or their "source".
    paths
        One row per path, strongest first: ``path`` in words, ``source``, ``target``, ``steps``, ``flow`` (share of the
        target), ``effect`` (standard deviations of the target's prediction that cutting it takes away), ``slope``
        (standard deviations of the target per standard deviation of the source, above 0: activates), ``help`` (share of
        the squared error of the target in these cells that cutting the path would restore), ``gain``, ``p`` and ``q``
        of its least certain edge (false discovery rate over all edges of the network), ``flow_p`` and ``flow_q``
        against shuffled networks (NaN without any), ``verdict``, ``genes``.
    edges
        One row per edge of these paths: ``source``, ``target``, ``flow`` (of all paths over it), ``effect`` and
        ``slope`` of the edge alone where it leads to its target directly, ``prior_sign``, ``layer`` in which it is used
        most, ``encoder`` … ``decoder`` shares, ``prior`` (the network it is from), ``verdict`` (best of its paths).
    n_cells, n_shuffled, t
        What it rests on.
    """

    gene: str
    end: End
    paths: pd.DataFrame
    edges: pd.DataFrame
    n_cells: int
    n_shuffled: int
    t: float


def find_paths(
    model: GenerativeModel, given: Probe, gene: str, *, end: End = "target", regulator: str | None = None,
    steps: int = 2, measure: Measure = "variation", n_shuffled: int = 9, seed: int = 0,
    tested: pd.DataFrame | None = None, progress: Callable[[float], None] = lambda share: None,
) -> PathSearch:  # fmt: skip
    """Find the strongest paths into a gene, or out of it; one is supported where each of its edges is.

    Edges are tested together over the whole network. In count space that finds 71% of planted paths of one edge in 800
    cells, where a test among the few paths at one gene found 40% (and 20% in 256 cells, where it now is 7%):
    benchmarks/regulation_power.md.

    Parameters
    ----------
    model
        Of gene tokens, in count or gene space.
    given
        Cells at a time t, from ``probe`` or ``probe_generated``.
    gene
        One of the model's genes.
    end
        "target": who regulates it; "source": what it regulates.
    regulator
        With ``end="target"``: paths from this gene are measured in any case, and alone are returned.
    steps
        The longest path, 1 to 3 edges.
    measure
        Of the flow, see ``flow_of``.
    n_shuffled
        Shuffled networks that flow is compared with; 0: none.
    tested
        What `edge_tests` found in the same cells; it is called where this is None.
    progress
        Told the share that is done; may raise to stop.

    Raises
    ------
    InputError
        When the model is of another kind, a gene is none of its genes, or no edge leads there.
    """
    network, circuit = network_of(model), circuit_of(model)
    place = place_of(model, gene)
    also = None if regulator is None else place_of(model, regulator)
    row = 1 if end == "target" else 0
    if not (circuit.wiring.edges[row] == place).any():
        raise InputError(
            f"no edge of {network.title!r} leads {'to' if end == 'target' else 'from'} {gene}, so the model knows no "
            f"{'regulator' if end == 'target' else 'target'} of it; choose another gene"
        )
    found = strengths(circuit, given, place, end=end, steps=steps, measure=measure, also=also)
    null = shuffled_paths(
        circuit, network, model.genes, given, place, n=n_shuffled, end=end, steps=steps, measure=measure, seed=seed,
        progress=progress if tested is not None else lambda share: progress(share / 2),
    ) if n_shuffled else []  # fmt: skip
    if tested is None:
        tested = edge_tests(model, given, seed=seed, progress=lambda share: progress(0.5 + share / 2))
    table = _table(model, found, null, tested)
    if regulator is not None:
        table = table[table["source"] == regulator]
        if table.empty:
            raise InputError(f"no path of up to {steps} edges leads from {regulator} to {gene}; allow longer paths")
    edges = _edges(circuit, network, found, table)
    table = table.sort_values("flow", ascending=False, kind="stable")
    table = table.drop(columns="number").reset_index(drop=True)
    return PathSearch(gene, end, table, edges, given.n_cells, n_shuffled, float(given.t[0]))


def _table(model: GenerativeModel, found: Strengths, null: list[Path], tested: pd.DataFrame) -> pd.DataFrame:
    edges = tested.set_index(["source", "target"])
    names = [tuple(model.genes[g] for g in path.genes) for path in found.paths]
    on = [edges.loc[list(pairwise(genes))] for genes in names]
    table = pd.DataFrame(
        {
            "path": [ARROW.join(genes) for genes in names],
            "source": [genes[0] for genes in names],
            "target": [genes[-1] for genes in names],
            "steps": found.n_steps,
            "flow": found.flow,
            "effect": found.size,
            "slope": found.slope,
            "help": found.help,
            "gain": [tests["gain"].min() for tests in on],
            "p": [tests["p"].max() for tests in on],
            "q": [tests["q"].max() for tests in on],
            "genes": names,
            "number": np.arange(len(names)),
        }
    )
    table["flow_p"] = table["flow_q"] = np.nan
    if null:
        flow, lengths = np.array([(path.flow, path.n_steps) for path in null]).T
        table["flow_p"] = empirical_p(found.flow, found.n_steps, flow, lengths)
        table["flow_q"] = false_discovery_rates(table["flow_p"].to_numpy())
    table["verdict"] = verdicts(table["q"].to_numpy(), table["flow_q"].to_numpy())
    return table


def _edges(circuit: Circuit, network: Network, found: Strengths, table: pd.DataFrame) -> pd.DataFrame:
    """Gather what is known of each edge of the paths in a table."""
    gathered: dict[int, dict[str, object]] = {}
    shares: dict[int, np.ndarray] = {}
    for number, verdict in zip(table["number"], table["verdict"], strict=True):
        path = found.paths[number]
        for step, edge in enumerate(path.edges):
            known = gathered.setdefault(edge, {"flow": 0.0, "effect": np.nan, "slope": np.nan, "verdicts": []})
            known["flow"] = float(known["flow"]) + path.flow  # type: ignore[arg-type]
            known["verdicts"].append(verdict)  # type: ignore[attr-defined]
            shares[edge] = shares.get(edge, 0.0) + path.flow * path.when[step]
            if path.n_steps == 1:
                known["effect"], known["slope"] = found.size[number], found.slope[number]
    rows = []
    for edge, known in sorted(gathered.items(), key=lambda item: -float(item[1]["flow"])):  # type: ignore[arg-type]
        known_edge, split = network.edges.iloc[edge], shares[edge] / shares[edge].sum()
        rest = {str(c): known_edge[c] for c in network.edges.columns if c not in ("source", "target", "weight", "sign")}
        words = known.pop("verdicts")
        rows.append(
            {
                "source": known_edge["source"],
                "target": known_edge["target"],
                **known,
                "prior": network.title,
                "prior_sign": int(known_edge["sign"]),
                "prior_weight": float(known_edge["weight"]),
                "layer": circuit.passes[int(split.argmax())],
                **dict(zip(circuit.passes, split, strict=True)),
                "verdict": best(words),  # type: ignore[arg-type]
                **rest,
            }
        )
    return pd.DataFrame(rows)
