"""What the names of knowledge that is computed from cells mean: nmf:30, inferred:5000, trrust+inferred:500.

Such knowledge does not exist before training. `stand_in` gives something of the same size, to measure what a run needs.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from genediff.core.errors import InputError
from genediff.knowledge.gene_sets import GeneSets
from genediff.knowledge.knowledge import Knowledge
from genediff.knowledge.network import Network, make_network

if TYPE_CHECKING:
    from collections.abc import Sequence

    from genediff.knowledge.library import Library

MODULES = re.compile(r"nmf:(\d+)")
INFERRED = re.compile(r"(?:(?P<prior>.+)\+)?inferred:(?P<edges>\d+)")
# A gene is in more than one module now and then; regulators are about one gene in twelve.
_SETS_PER_GENE, _GENES_PER_REGULATOR = 1.3, 12


def check_spec(library: Library, *, gene_sets: str | None, network: str | None) -> None:
    """Raise an InputError when the library has no such collection or network, before anything is computed."""
    if gene_sets is not None and not MODULES.fullmatch(gene_sets):
        library.item(gene_sets, "gene_sets")
    if network is None:
        return
    found = INFERRED.fullmatch(network)
    prior = found["prior"] if found else network
    if prior:
        library.item(prior, "network")


def stand_in(
    library: Library, *, gene_sets: str | None, network: str | None, genes: Sequence[str], seed: int = 0
) -> Knowledge:
    """Return the knowledge that a run would be built from, with chance in place of what it would compute from cells.

    Parameters
    ----------
    library
        What there is to choose from.
    gene_sets, network
        As for ``resolve_knowledge``.
    genes
        Of the model.
    seed
        Decides the chance.

    Raises
    ------
    InputError
        When an id is unknown, or nothing of what was chosen is about these genes.
    """
    draw = np.random.default_rng(seed)
    sets = None if gene_sets is None else _sets(library, gene_sets, genes, draw)
    edges = None if network is None else _network(library, network, genes, draw)
    return Knowledge(sets, edges)


def _sets(library: Library, wanted: str, genes: Sequence[str], draw: np.random.Generator) -> GeneSets:
    if found := MODULES.fullmatch(wanted):
        size = min(len(genes), max(5, round(_SETS_PER_GENE * len(genes) / max(int(found[1]), 1))))
        names = np.asarray(genes, dtype=object)
        sets = {
            f"module {number + 1}": tuple(draw.choice(names, size, replace=False).tolist())
            for number in range(int(found[1]))
        }
        return GeneSets(f"{found[1]} modules", sets)
    collection = library.gene_sets(wanted)
    kept = collection.within(genes)
    if not kept.sets:
        raise InputError(f"No set is left. {collection.coverage(genes).sentence} Choose another collection.")
    return kept


def _network(library: Library, wanted: str, genes: Sequence[str], draw: np.random.Generator) -> Network:
    found = INFERRED.fullmatch(wanted)
    if found is None:
        return _known(library, wanted, genes)
    inferred = _chance_edges(genes, int(found["edges"]), draw)
    if not found["prior"]:
        return inferred
    from genediff.knowledge.refine import refine

    return refine(_known(library, found["prior"], genes), inferred)


def _known(library: Library, wanted: str, genes: Sequence[str]) -> Network:
    network = library.network(wanted)
    kept = network.within(genes)
    if kept.edges.empty:
        raise InputError(f"No edge is left. {network.coverage(genes).sentence} Choose another network.")
    return kept


def _chance_edges(genes: Sequence[str], n_edges: int, draw: np.random.Generator) -> Network:
    n_genes = len(genes)
    n_regulators = max(1, n_genes // _GENES_PER_REGULATOR)
    chosen = draw.choice(n_regulators * n_genes, min(max(n_edges, 1), n_regulators * n_genes), replace=False)
    regulators = draw.permutation(n_genes)[:n_regulators]
    names = np.asarray(genes, dtype=object)
    edges = pd.DataFrame({"source": names[regulators[chosen // n_genes]], "target": names[chosen % n_genes]})
    return make_network(f"{n_edges} edges", edges)
