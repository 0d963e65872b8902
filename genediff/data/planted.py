"""Read back what was planted in simulated cells, as the knowledge that a strategy is built on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from genediff.data.simulate import UNS_KEY
from genediff.data.truth import from_uns
from genediff.errors import InputError
from genediff.knowledge.gene_sets import GeneSets, make_gene_sets
from genediff.knowledge.network import Network, make_network

if TYPE_CHECKING:
    from anndata import AnnData

    from genediff.data.truth import Truth


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
