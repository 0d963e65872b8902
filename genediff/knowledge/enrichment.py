"""Is a list of genes a known set more often than by chance?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import hypergeom

from genediff.core.stats import false_discovery_rates

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from genediff.knowledge.gene_sets import GeneSets


@dataclass(frozen=True)
class Enriched:
    """A known set that shares genes with a list: how many, the p-value and its false discovery rate."""

    name: str
    overlap: int
    p_value: float
    fdr: float


def enriched(
    members: Collection[str], genes: Sequence[str], collection: GeneSets, *, smallest: int = 5
) -> list[Enriched]:
    """Return the sets of a collection by p-value, the smallest first.

    The p-value is that of drawing at least as many members of a set when as many genes are drawn at random from
    ``genes`` (hypergeometric, one-sided); the false discovery rate is Benjamini and Hochberg's over all sets.

    Parameters
    ----------
    members
        The genes of the list.
    genes
        All genes that could have been in it, for instance the genes of a data set.
    collection
        Known sets; only their members among ``genes`` count.
    smallest
        Sets with fewer of the genes are passed over.
    """
    universe = set(genes)
    chosen = set(members) & universe
    sets = collection.within(genes, smallest=smallest).sets
    if not sets or not chosen:
        return []
    sizes = np.array([len(inside) for inside in sets.values()])
    overlaps = np.array([len(chosen.intersection(inside)) for inside in sets.values()])
    p_values = np.asarray(hypergeom.sf(overlaps - 1, len(universe), sizes, len(chosen)))
    rates = false_discovery_rates(p_values)
    rows = zip(sets, overlaps.tolist(), p_values.tolist(), rates.tolist(), strict=True)
    return sorted((Enriched(*row) for row in rows), key=lambda found: (found.p_value, found.name))
