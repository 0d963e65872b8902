"""Read back what was planted in simulated cells: from a file, or from the data set that was imported from it."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from genediff.core.errors import InputError
from genediff.data.cells.store import open_store
from genediff.data.simulation.simulate import UNS_KEY
from genediff.data.simulation.truth import from_uns
from genediff.knowledge.gene_sets import GeneSets, make_gene_sets
from genediff.knowledge.network import Network, make_network

if TYPE_CHECKING:
    from anndata import AnnData

    from genediff.data.cells.dataset import Dataset
    from genediff.data.simulation.truth import Truth


def planted_truth(cells: AnnData) -> Truth:
    """Return the world that simulated cells were drawn from; InputError when they were not simulated."""
    if UNS_KEY not in cells.uns:
        raise InputError("these cells were not simulated by genediff, so nothing is known to be planted in them")
    return from_uns(cells.uns[UNS_KEY])


def planted_gene_sets(cells: AnnData) -> GeneSets:
    """Return the pathways of simulated cells."""
    return make_gene_sets("Planted pathways", planted_truth(cells).gene_sets, source="genediff simulate")


def planted_network(cells: AnnData) -> Network:
    """Return the network of simulated cells."""
    return make_network("Planted network", planted_truth(cells).edges, source="genediff simulate")


def kept_truth(dataset: Dataset) -> Truth | None:
    """Return the world that a data set was simulated from; None for measured cells, and where it cannot be read."""
    from anndata.io import read_elem

    with open_store(dataset.info.folder) as store, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if UNS_KEY not in store:
            return None
        try:
            return from_uns(read_elem(store[UNS_KEY]))
        except Exception:  # noqa: BLE001  a foreign "simulation" in uns is no truth of ours, whatever it holds
            return None
