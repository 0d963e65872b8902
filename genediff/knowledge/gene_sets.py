"""Gene sets: named lists of genes, such as pathways."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from genediff.core.errors import InputError
from genediff.knowledge.display_names import case_hint

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_ROUNDS = 20


@dataclass(frozen=True)
class Coverage:
    """What a collection of gene sets says about the genes of a data set or model.

    Attributes
    ----------
    title
        Of the collection.
    n_genes, n_present, n_uncovered
        Genes asked about; those that the collection names at all; those in none of the kept sets.
    n_named
        Distinct genes in the whole collection.
    n_sets, n_kept
        Sets in the collection; those with at least ``smallest`` of the genes.
    smallest
        Genes that a set needs to be kept.
    hint
        A sentence when the names look like those of another species, else empty.
    """

    title: str
    n_genes: int
    n_present: int
    n_uncovered: int
    n_named: int
    n_sets: int
    n_kept: int
    smallest: int
    hint: str = ""

    @property
    def sentence(self) -> str:
        """The coverage in words."""
        said = (
            f"{self.title}: {self.n_present:,} of {self.n_genes:,} genes are in it; "
            f"{self.n_kept:,} of {self.n_sets:,} sets have at least {self.smallest} of them; "
            f"{self.n_uncovered:,} genes are in no kept set."
        )
        return f"{said} {self.hint}".strip()


@dataclass(frozen=True)
class GeneSets:
    """A collection of gene sets.

    Parameters
    ----------
    title
        What people call it.
    sets
        Name to gene symbols, each symbol once per set, in order.
    source
        Where it comes from, with its version.
    licence
        Under which it may be used.
    descriptions
        What is said about sets, by name: the second column of a GMT file, or how a module got its name.
    """

    title: str
    sets: Mapping[str, tuple[str, ...]]
    source: str = ""
    licence: str = ""
    descriptions: Mapping[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"GeneSets({self.title!r}, {len(self.sets)} sets)"

    @property
    def genes(self) -> tuple[str, ...]:
        """Every gene of the collection once, in order of first appearance."""
        return tuple(dict.fromkeys(gene for members in self.sets.values() for gene in members))

    def within(self, genes: Sequence[str], *, smallest: int = 5, largest: int | None = None) -> GeneSets:
        """Return the sets with only the given genes left in them.

        Parameters
        ----------
        genes
            Names that a model or data set has; compared as they are written.
        smallest, largest
            Sets with fewer or more of these genes are dropped; None: no upper limit.
        """
        known = set(genes)
        kept = {}
        for name, members in self.sets.items():
            inside = tuple(gene for gene in members if gene in known)
            if len(inside) >= max(1, smallest) and (largest is None or len(inside) <= largest):
                kept[name] = inside
        said = {name: text for name, text in self.descriptions.items() if name in kept}
        return replace(self, sets=kept, descriptions=said)

    def members(self, genes: Sequence[str]) -> list[np.ndarray]:
        """Return per set the positions of its members in ``genes``: int64 (member,); other members are left out."""
        position = {gene: index for index, gene in enumerate(genes)}
        return [
            np.array([position[gene] for gene in members if gene in position], dtype=np.int64)
            for members in self.sets.values()
        ]

    def shuffled(self, genes: Sequence[str], *, seed: int) -> GeneSets:
        """Return a control: every set keeps its size, every gene its number of sets, all else is chance.

        Two sets at a time pool the genes that only one of them has and deal them out again (the curveball algorithm,
        Strona et al. 2014, doi:10.1038/ncomms5114). A single set cannot be shuffled in this way and stays.

        Parameters
        ----------
        genes
            Only these genes take part; others are left out of the control.
        seed
            Decides the deal.
        """
        order = {gene: index for index, gene in enumerate(genes)}
        deck = [{order[gene] for gene in members if gene in order} for members in self.sets.values()]
        draw = np.random.default_rng(seed)
        for _ in range(_ROUNDS):
            players = draw.permutation(len(deck)).tolist()
            for first, second in zip(players[::2], players[1::2], strict=False):  # with an odd number one sits out
                deck[first], deck[second] = _trade(deck[first], deck[second], draw)
        sets = {name: tuple(genes[index] for index in sorted(hand)) for name, hand in zip(self.sets, deck, strict=True)}
        return replace(self, title=f"{self.title} (shuffled)", sets=sets, descriptions={})

    def coverage(self, genes: Sequence[str], *, smallest: int = 5) -> Coverage:
        """Count what the collection says about these genes."""
        named = set(self.genes)
        kept = self.within(genes, smallest=smallest)
        present = sum(gene in named for gene in genes)
        return Coverage(
            title=self.title,
            n_genes=len(genes),
            n_present=present,
            n_uncovered=len(set(genes) - set(kept.genes)),
            n_named=len(named),
            n_sets=len(self.sets),
            n_kept=len(kept.sets),
            smallest=smallest,
            hint=case_hint(genes, named, present),
        )


def make_gene_sets(
    title: str,
    sets: Mapping[str, Sequence[str]],
    *,
    source: str = "",
    licence: str = "",
    descriptions: Mapping[str, str] | None = None,
) -> GeneSets:
    """Build a collection from a plain dict; empty and repeated symbols are left out.

    Raises
    ------
    InputError
        When there is no set, a set has no name, or a set is one string instead of a list.
    """
    cleaned = {}
    for name, members in sets.items():
        label = str(name).strip()
        if not label:
            raise InputError("A gene set has an empty name; give every set a name.")
        if isinstance(members, str):
            raise InputError(f"The gene set {label!r} is one piece of text; give a list of gene names.")
        symbols = (str(gene).strip() for gene in members)
        if kept := tuple(dict.fromkeys(symbol for symbol in symbols if symbol)):
            cleaned[label] = kept
    if not cleaned:
        raise InputError(f"The collection {title!r} has no set with a gene in it; choose another.")
    said = {name: text for name, text in (descriptions or {}).items() if text and name in cleaned}
    return GeneSets(title, cleaned, source, licence, said)


def _trade(first: set[int], second: set[int], draw: np.random.Generator) -> tuple[set[int], set[int]]:
    both = first & second
    pool = np.array(sorted(first ^ second), dtype=np.int64)
    draw.shuffle(pool)
    cut = len(first) - len(both)
    dealt = pool.tolist()
    return both | set(dealt[:cut]), both | set(dealt[cut:])
