"""The part of a network that one cell shows: edges whose two ends are expressed, those that stand out first."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from genediff.inspection.one_cell.dataset_context import Cell
    from genediff.knowledge import Network


def strongest_edges(
    cell: Cell, network: Network, genes: Sequence[str], *, most: int = 25, regulator: str | None = None
) -> pd.DataFrame:
    """Return the edges between expressed genes that stand out in a cell.

    An edge scores its weight (1 for the largest of the network) times how far regulator and target, together, lie above
    the average cell: the geometric mean of their standardised expression, zero where one lies below.

    Parameters
    ----------
    network
        Restricted to the genes.
    most
        How many edges are returned.
    regulator
        Only edges that leave this gene.

    Returns
    -------
    pandas.DataFrame
        The network's columns, and source_x, target_x (log-normalised) and score; the highest score first, then by name.
    """
    place = {gene: position for position, gene in enumerate(genes)}
    edges = network.edges
    if regulator is not None:
        edges = edges[edges["source"] == regulator]
    source = np.array([place[gene] for gene in edges["source"]], dtype=np.int64)
    target = np.array([place[gene] for gene in edges["target"]], dtype=np.int64)
    above = np.maximum(cell.standardised, 0)  # (gene,)
    largest = float(network.edges["weight"].max()) if len(network.edges) else 1.0
    score = edges["weight"].to_numpy() / largest * np.sqrt(above[source] * above[target])  # (edge,)
    found = edges.assign(source_x=cell.shown[source], target_x=cell.shown[target], score=score)
    found = found[(cell.measured[source] > 0) & (cell.measured[target] > 0)]
    order = ["score", "source", "target"]
    return found.sort_values(order, ascending=[False, True, True], ignore_index=True).head(most)
