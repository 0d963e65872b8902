"""Other names of genes: find a data set's gene by its symbol, Ensembl id, former symbol or alias."""

from __future__ import annotations

import gc
import re
from functools import cache, lru_cache
from typing import TYPE_CHECKING, NamedTuple

from genediff.core.installation import SHIPPED_KNOWLEDGE
from genediff.core.one_at_a_time import one_at_a_time
from genediff.knowledge.files import read_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

FILES = {"human": "gene_names_human.tsv.gz", "mouse": "gene_names_mouse.tsv.gz"}
HEADER = ("symbol", "ensembl", "previous", "aliases")
_ENSEMBL = re.compile(r"(ENS[A-Z]*G\d{6,})(\.\d+)?", re.IGNORECASE)
# How sure a name is: a symbol of today is before a former one, and that before an alias that several genes may share.
_RANKS = {"symbol": 0, "previous": 1, "aliases": 2}


class GeneNames(NamedTuple):
    """All names of one gene: its symbol first, then former symbols, then aliases."""

    symbol: str
    ensembl: str
    previous: tuple[str, ...]
    aliases: tuple[str, ...]

    @property
    def every(self) -> tuple[str, ...]:
        """Every name, the best first."""
        return (self.symbol, *self.previous, *self.aliases)


def find_gene(query: str, genes: Sequence[str], *, ids: Sequence[str] = ()) -> tuple[str, ...]:
    """Return the genes of a data set that a name means, the likeliest alone where there is one.

    Parameters
    ----------
    query
        A symbol in any case, an Ensembl gene id with or without version, a former symbol, or an alias.
    genes
        Names of the data set.
    ids
        Ids of these genes, in their order, where the data set has them; they win over the shipped table.

    Returns
    -------
    tuple
        Names out of ``genes``. Several where the name is shared by several genes; empty where nothing is known of it.
    """
    query = query.strip()
    known = set(genes)
    if query in known:
        return (query,)
    if found := _ENSEMBL.fullmatch(query):
        wanted = found[1].upper()
        own = tuple(gene for gene, name in zip(genes, ids, strict=False) if name.split(".")[0].upper() == wanted)
        return own or _first_of(([(0, names) for names in _index(one)[0].get(wanted, ())] for one in FILES), known)
    same = tuple(gene for gene in genes if gene.upper() == query.upper())
    return same or _first_of((_index(one)[1].get(query.upper(), []) for one in FILES), known)


@one_at_a_time
@lru_cache(maxsize=8)
def hidden_names(genes: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """Return the other names that are part of some gene's name, each with the genes it means.

    Where a reader types CD20, a list of genes offers CD207 and takes it upon Enter. Offered beside the genes, before
    longer ones, the name that was typed in full comes first.

    Parameters
    ----------
    genes
        Names of a data set.

    Returns
    -------
    dict
        Former symbols and aliases in capitals that are no gene of the data set, by the genes of it that they stand for;
        several where genes share one.
    """
    known, parts = set(genes), parts_of(genes)
    by_name = _index(_species(genes))[1]
    whole = {gene.upper() for gene in genes}
    meant = {name: _best(found, known) for name, found in by_name.items() if name in parts and name not in whole}
    return {name: found for name, found in meant.items() if found}


def parts_of(names: Iterable[str]) -> set[str]:
    """Return all that stands within names, in capitals, from two letters on."""
    upper = [name.upper() for name in names]
    return {name[i:j] for name in upper for i in range(len(name)) for j in range(i + 2, len(name) + 1)}


def _species(genes: Sequence[str]) -> str:
    """Return the species whose table has the more of the names as symbols, letter by letter."""
    some = genes[:: max(1, len(genes) // 500)]

    def known(species: str) -> int:
        by_name = _index(species)[1]
        return sum(any(names.symbol == gene for _, names in by_name.get(gene.upper(), ())) for gene in some)

    return "human" if known("human") >= len(some) / 2 else max(FILES, key=known)


def other_names(symbol: str) -> GeneNames | None:
    """Return all names of a human or mouse gene by its symbol of today, None where it is unknown."""
    for species in FILES:
        for rank, names in _index(species)[1].get(symbol.upper(), ()):
            if rank == 0 and names.symbol == symbol:
                return names
    return None


def sure_names(query: str) -> tuple[str, ...]:
    """Return symbol and former symbols of a human or mouse gene by its Ensembl id or one of these; empty if unknown.

    Aliases are left out, since many are ordinary words.
    """
    query = query.strip()
    found = _ENSEMBL.fullmatch(query)
    for species in FILES:
        by_id, by_name = _index(species)
        entries = [(0, names) for names in by_id.get(found[1].upper(), ())] if found else by_name.get(query.upper(), [])
        sure = [names for rank, names in sorted(entries, key=lambda entry: entry[0]) if rank < _RANKS["aliases"]]
        if sure:
            return (sure[0].symbol, *sure[0].previous)
    return ()


@one_at_a_time
@cache
def known_symbols() -> frozenset[str]:
    """Return today's symbols of all human and mouse genes; quicker than all names."""
    lines = (line for file in FILES.values() for line in read_text(SHIPPED_KNOWLEDGE / file).splitlines()[1:])
    return frozenset(line.split("\t", 1)[0] for line in lines)


@one_at_a_time
@cache
def former_symbols(species: str) -> dict[str, str]:
    """Return today's symbol by a former one, where it was one gene's only and is no gene's today."""
    _, by_name = _index(species)
    entries = {names.symbol: names for found in by_name.values() for rank, names in found if rank == 0}
    owners: dict[str, set[str]] = {}
    for names in entries.values():
        for old in names.previous:
            owners.setdefault(old, set()).add(names.symbol)
    return {old: min(now) for old, now in owners.items() if len(now) == 1 and old not in entries}


def _first_of(by_species: Iterable[list[tuple[int, GeneNames]]], known: set[str]) -> tuple[str, ...]:
    """Return what the first species that knows a gene of the data set says; others are then never read."""
    return next((genes for found in by_species if (genes := _best(found, known))), ())


def _best(found: list[tuple[int, GeneNames]], known: set[str]) -> tuple[str, ...]:
    """Return the genes of the data set that the best of the found entries stand for."""
    for rank in sorted({rank for rank, _ in found}):
        genes = [_present(names, known) for one, names in found if one == rank]
        if any(genes):
            return tuple(dict.fromkeys(gene for gene in genes if gene is not None))
    return ()


def _present(names: GeneNames, known: set[str]) -> str | None:
    # Old data sets hold former symbols: a gene is looked for under every name, but an alias may be another's symbol.
    return next((name for name in (names.symbol, *names.previous) if name in known), None)


def load_names() -> None:
    """Read the names of all species, which takes a third of a second the first time."""
    for species in FILES:
        _index(species)


_Index = tuple[dict[str, list[GeneNames]], dict[str, list[tuple[int, GeneNames]]]]


@one_at_a_time
@cache
def _index(species: str) -> _Index:
    """Return entries by Ensembl id, and by every name in capitals with its rank."""
    collecting = gc.isenabled()
    gc.disable()  # else it goes through all that is made here again and again: two thirds of the time
    try:
        return _read_index(species)
    finally:
        if collecting:
            gc.enable()


def _read_index(species: str) -> _Index:
    by_id: dict[str, list[GeneNames]] = {}
    by_name: dict[str, list[tuple[int, GeneNames]]] = {}
    for line in read_text(SHIPPED_KNOWLEDGE / FILES[species]).splitlines()[1:]:
        symbol, ensembl, previous, aliases = line.split("\t")
        names = GeneNames(symbol, ensembl, _split(previous), _split(aliases))
        if ensembl:
            by_id.setdefault(ensembl.upper(), []).append(names)
        for kind, listed in (("symbol", (symbol,)), ("previous", names.previous), ("aliases", names.aliases)):
            for name in listed:
                by_name.setdefault(name.upper(), []).append((_RANKS[kind], names))
    return by_id, by_name


def _split(text: str) -> tuple[str, ...]:
    return tuple(text.split("|")) if text else ()
