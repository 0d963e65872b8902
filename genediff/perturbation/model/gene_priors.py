"""What is known of genes before anything is perturbed: sets they share, neighbours in networks, embeddings of a user.

A gene is a row of features, weighted by how rare they are; genes are similar by the cosine of their rows. (On CaRPool
and Papalexi, memberships themselves did better than their singular vectors: benchmarks/unseen_genes.md.) How much each
source counts is decided by perturbations that are left out.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from genediff.models.response_config import DEFAULT_SOURCES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from genediff.knowledge import GeneSets, Library
    from genediff.knowledge.gene_embedding import GeneEmbedding
    from genediff.knowledge.network import Network

SMALLEST_SET, LARGEST_SET = 3, 500
"""Sets of fewer genes say nothing of pairs of them, sets of more hardly anything."""
_MOST_REASONS = 3


@dataclass(frozen=True, eq=False)
class GenePrior:
    """One source of knowledge.

    Attributes
    ----------
    id, title
        Of the item of the library.
    genes
        Names that it knows, one per row.
    features
        (gene, feature), sparse, rows of unit length.
    names
        Of the features, for a reader; empty where they have none (an embedding).
    """

    id: str
    title: str
    genes: tuple[str, ...]
    features: sp.csr_matrix
    names: tuple[str, ...] = ()

    def rows(self, genes: Sequence[str]) -> sp.csr_matrix:
        """Return the features of some genes, (gene, feature); empty rows for those that it does not know."""
        places = pd.Index(self.genes).get_indexer(pd.Index(genes))
        found = self.features[np.maximum(places, 0)]
        return sp.diags_array((places >= 0).astype(float)) @ found

    def similarity(self, first: Sequence[str], second: Sequence[str]) -> np.ndarray:
        """Return the cosine of genes, (first, second); 0 where one of both is not known."""
        return (self.rows(first) @ self.rows(second).T).toarray()

    def shared(self, gene: str, others: Sequence[str]) -> list[tuple[str, tuple[str, ...]]]:
        """Return what a gene has in common with others, the most telling feature first: (its name, which others)."""
        if not self.names:
            return []
        rows = self.rows([gene, *others]).tocsc()
        own, rest = rows[[0]].toarray()[0], rows[1:]
        common = own * np.asarray(rest.sum(axis=0)).ravel()
        order = [int(place) for place in np.argsort(-common)[:_MOST_REASONS] if common[place] > 0]
        return [
            (self.names[place], tuple(others[int(row)] for row in rest[:, [place]].nonzero()[0])) for place in order
        ]


@dataclass(frozen=True, eq=False)
class GenePriors:
    """Several sources and how much each of them counts.

    Attributes
    ----------
    sources
        What is known.
    weights
        By source id, adding up to 1 where any counts.
    """

    sources: tuple[GenePrior, ...] = ()
    weights: Mapping[str, float] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return any(self.weights.get(one.id, 0) > 0 for one in self.sources)

    def knows(self, gene: str) -> bool:
        """Whether a source that counts knows a gene."""
        return any(self.weights.get(one.id, 0) > 0 and gene in self._index[one.id] for one in self.sources)

    def similarity(self, first: Sequence[str], second: Sequence[str]) -> np.ndarray:
        """Return the weighted similarity of genes over all sources, (first, second)."""
        found = np.zeros((len(first), len(second)))
        for one in self.sources:
            if weight := self.weights.get(one.id, 0.0):
                found += weight * one.similarity(first, second)
        return found

    def reasons(self, gene: str, others: Sequence[str]) -> list[str]:
        """Say what makes a gene similar to measured ones, by source, the one that counts most first."""
        found = []
        for one in sorted(self.sources, key=lambda one: -self.weights.get(one.id, 0)):
            if self.weights.get(one.id, 0) <= 0:
                continue
            similar = one.similarity([gene], others)[0]
            order = [int(place) for place in np.argsort(-similar)[:_MOST_REASONS] if similar[place] > 0.05]
            if not order:
                continue
            near = ", ".join(f"{others[place]} ({similar[place]:.2f})" for place in order)
            common = one.shared(gene, [others[place] for place in order])
            what = f": shares “{common[0][0]}” with {', '.join(common[0][1])}" if common else ""
            found.append(f"{one.title} (weight {self.weights[one.id]:.0%}): {gene} is similar to {near}{what}.")
        return found

    @property
    def _index(self) -> dict[str, frozenset[str]]:
        return {one.id: frozenset(one.genes) for one in self.sources}

    def shuffled(self, seed: int) -> GenePriors:
        """Return the same sources with gene names permuted: the control that must give no gain."""
        draw = np.random.default_rng([seed, 61])
        sources = tuple(
            GenePrior(one.id, one.title, tuple(draw.permutation(one.genes)), one.features, one.names)
            for one in self.sources
        )
        return GenePriors(sources, self.weights)

    def within(self, genes: Sequence[str]) -> GenePriors:
        """Return what is known of some genes, for storage; features that none of them has are left out."""
        kept = []
        for one in self.sources:
            known = [gene for gene in genes if gene in set(one.genes)]
            rows = one.rows(known).tocsc()
            used = np.flatnonzero(np.diff(rows.indptr))
            names = tuple(one.names[place] for place in used) if one.names else ()
            kept.append(GenePrior(one.id, one.title, tuple(known), rows[:, used].tocsr(), names))
        return GenePriors(tuple(kept), self.weights)


def priors_of(library: Library, wanted: Sequence[str] = DEFAULT_SOURCES) -> GenePriors:
    """Return sources of the library by their ids, each of equal weight.

    Raises
    ------
    InputError
        When there is none of an id.
    """
    makers: dict[str, Any] = {"gene_sets": library.gene_sets, "network": library.network,
                              "embedding": library.embedding}  # fmt: skip
    sources = []
    for one in dict.fromkeys(wanted):
        item = library.item(one)
        sources.append(prior_of(makers[item.kind](one), id=one))
    return GenePriors(tuple(sources), {one.id: 1 / len(sources) for one in sources})


def prior_of(knowledge: GeneSets | Network | GeneEmbedding, *, id: str = "") -> GenePrior:
    """Return a collection of sets, a network or an embedding as features of genes.

    Sets: a gene's memberships. Networks: its targets and its regulators. Both weigh a feature by log(genes / genes that
    have it). Embeddings: the numbers, centred.
    """
    from genediff.knowledge import GeneSets
    from genediff.knowledge.gene_embedding import GeneEmbedding

    if isinstance(knowledge, GeneEmbedding):
        rows = sp.csr_matrix(knowledge.rows(knowledge.genes))
        return GenePrior(id, knowledge.title, knowledge.genes, _unit(rows))
    if isinstance(knowledge, GeneSets):
        sets = {name: one for name, one in knowledge.sets.items() if SMALLEST_SET <= len(one) <= LARGEST_SET}
        pairs = [(gene, name) for name, members in sets.items() for gene in members]
    else:
        edges = list(zip(knowledge.edges["source"], knowledge.edges["target"], strict=True))
        pairs = [(source, f"target {target}") for source, target in edges]
        pairs += [(target, f"regulator {source}") for source, target in edges]
    gene, genes = pd.factorize(np.array([gene for gene, _ in pairs], dtype=object), sort=True)
    feature, names = pd.factorize(np.array([name for _, name in pairs], dtype=object), sort=True)
    member = sp.csr_matrix((np.ones(len(pairs)), (gene, feature)), shape=(len(genes), len(names)))
    member.data[:] = 1.0  # an edge that stands twice is one
    rarity = np.log(len(genes) / np.maximum(np.bincount(member.indices, minlength=len(names)), 1))
    return GenePrior(id, knowledge.title, tuple(genes), _unit(member @ sp.diags_array(rarity)), tuple(names))


def _unit(rows: sp.csr_matrix) -> sp.csr_matrix:
    length = np.sqrt(np.asarray(rows.multiply(rows).sum(axis=1)).ravel())
    return (sp.diags_array(1 / np.where(length > 0, length, 1.0)) @ rows).tocsr()
