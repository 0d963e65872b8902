"""Which gene of one species is which of another: one-to-one pairs of symbols, looked up in either direction."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from genediff.core.errors import InputError
from genediff.core.installation import SHIPPED_KNOWLEDGE
from genediff.knowledge.files import read_text
from genediff.knowledge.gene_names import former_symbols

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

SHIPPED_FILE = "orthologs_human_mouse.tsv.gz"
SHIPPED_TITLE = "HGNC and MGI, human and mouse"
_SIDES = ((0, 1), (1, 0))


@dataclass(frozen=True, eq=False)
class Orthologs:
    """Pairs of genes of two species, each gene in one pair only.

    Attributes
    ----------
    title
        Where they come from, in words.
    pairs
        Symbols of the first and of the second species, sorted.
    n_left_out
        Genes of the first species whose partner is not certain: they have several, or share one with another gene.
    former
        Earlier symbols of the genes of the first species, with what they are called today. Old data sets hold them.
    """

    title: str
    pairs: tuple[tuple[str, str], ...]
    n_left_out: int
    former: Mapping[str, str]

    @property
    def sentence(self) -> str:
        """What the table holds, in words."""
        return (
            f"{self.title}: {len(self.pairs):,} one-to-one pairs. {self.n_left_out:,} genes with several partners, or "
            "with one that another gene has too, are left out, because nothing says which one is meant."
        )

    def names_for(self, available: Sequence[str], wanted: Sequence[str]) -> dict[str, str]:
        """Return for genes of a data set what a model of the other species calls them.

        Which column of the table is whose is found out by looking; the direction that names more genes is taken.

        Parameters
        ----------
        available
            Genes of the data set.
        wanted
            Genes of the model.

        Returns
        -------
        dict
            From names in ``available`` to names in ``wanted``, one to one; empty where the table links none of them.
        """
        return max((self._from_to(start, end, available, wanted) for start, end in _SIDES), key=len)

    def _from_to(self, start: int, end: int, available: Sequence[str], wanted: Sequence[str]) -> dict[str, str]:
        partner = {pair[start]: pair[end] for pair in self.pairs}
        here, there = self._present(start, available), self._present(end, wanted)
        return {name: there[partner[now]] for now, name in here.items() if partner.get(now) in there}

    def _present(self, side: int, names: Sequence[str]) -> dict[str, str]:
        """Return by today's symbol what a list calls a gene; that symbol itself wins over a former one."""
        found = {self.former[name]: name for name in reversed(names) if name in self.former} if side == 0 else {}
        return found | {name: name for name in names}


def make_orthologs(title: str, rows: Iterable[tuple[str, str, int]], former: Mapping[str, str]) -> Orthologs:
    """Keep the pairs in which each gene is the other's only or best partner, and count what is left out.

    Parameters
    ----------
    rows
        Symbol of the first species, of the second, and how much speaks for the pair: where a source says nothing about
        that, the same number for all, and then only pairs without any rival are kept.
    """
    weight: dict[tuple[str, str], int] = {}
    for first, second, support in rows:
        if first and second:
            weight[first, second] = max(support, weight.get((first, second), support))
    best: tuple[dict[str, list[int]], dict[str, list[int]]] = (defaultdict(list), defaultdict(list))
    for pair, support in weight.items():
        for side in (0, 1):
            best[side][pair[side]].append(support)
    tops = tuple({gene: (max(all_), Counter(all_)[max(all_)]) for gene, all_ in one.items()} for one in best)
    kept = tuple(
        sorted(
            pair for pair, support in weight.items() if all(tops[side][pair[side]] == (support, 1) for side in (0, 1))
        )
    )
    if not kept:
        raise InputError(f"{title} holds no one-to-one pair of genes; check that it lists symbols of two species.")
    return Orthologs(title, kept, len(best[0]) - len(kept), former)


@cache
def shipped_orthologs() -> Orthologs:
    """Return the table of human and mouse genes that ships with GeneDiff."""
    lines = read_text(SHIPPED_KNOWLEDGE / SHIPPED_FILE).splitlines()[1:]
    rows = ((first, second, 1) for first, second in (line.split("\t") for line in lines))
    return make_orthologs(SHIPPED_TITLE, rows, former_symbols("human"))
