"""Gene sets and networks to choose from: what ships with GeneDiff, and what the user added."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import unicodedata
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from genediff.core.errors import InputError
from genediff.core.installation import SHIPPED_KNOWLEDGE
from genediff.core.json_files import MALFORMED, read_object, validated, write_json
from genediff.core.one_at_a_time import one_at_a_time
from genediff.core.users import shared_root
from genediff.knowledge.files import edges_text, gmt_text, parse_edges, read_text, write_gzip
from genediff.knowledge.gene_embedding import GeneEmbedding, parse_embedding
from genediff.knowledge.gmt import parse_gmt
from genediff.knowledge.network import Network

if TYPE_CHECKING:
    from genediff.knowledge.gene_sets import GeneSets

Kind = Literal["gene_sets", "network", "embedding"]
TRASH = ".trash"
ABOUT_FILE = "about.json"
FILES: dict[Kind, str] = {"gene_sets": "sets.gmt.gz", "network": "edges.tsv.gz", "embedding": "values.tsv.gz"}
REGULATORS_FILE = "human_tfs.txt"
_ORDER = ("hallmark", "reactome", "go_bp", "collectri", "trrust")
_RESERVED = re.compile(r"nmf|inferred|none", re.IGNORECASE)
_WORDS: dict[Kind, str] = {
    "gene_sets": "collection of gene sets",
    "network": "network",
    "embedding": "embedding of genes",
}


@dataclass(frozen=True)
class LibraryItem:
    """What is known of a collection or network without reading it.

    Attributes
    ----------
    id, kind, title
        What it is asked for by, "gene_sets", "network" or "embedding", and what people call it.
    n
        Number of sets, of edges, or of numbers per gene.
    n_genes
        Distinct genes in it.
    source, licence
        Where it comes from, and under which licence.
    notes
        What was mended or left out on reading, in words.
    shipped
        Whether it came with GeneDiff or is shared on a server: whether it can only be read.
    """

    id: str
    kind: Kind
    title: str
    n: int
    n_genes: int
    source: str = ""
    licence: str = ""
    notes: tuple[str, ...] = ()
    shipped: bool = field(default=False, compare=False)


class Library:
    """Collections of gene sets and networks, each a folder with ``about.json`` and one gzipped text file.

    Parameters
    ----------
    folder
        Where the user's own lie; made when the first is added. Of a user's workspace on a server those of the shared
        one are found too.
    assets
        Where the shipped ones lie.
    """

    def __init__(self, folder: Path, assets: Path = SHIPPED_KNOWLEDGE) -> None:
        self._folder = folder
        self._assets = assets
        above = shared_root(folder.parent)
        self._shared = None if above is None else above / folder.name

    def __repr__(self) -> str:
        return f"Library({str(self._folder)!r})"

    @property
    def folder(self) -> Path:
        """Where the user's own lie."""
        return self._folder

    def list(self, kind: Kind | None = None) -> list[LibraryItem]:
        """Return the shipped items, shared ones, then the user's own by title; what cannot be read is passed over."""
        shipped = sorted(_items(self._assets, shipped=True), key=_shipped_order)
        own = sorted(_items(self._folder, shipped=False), key=lambda item: item.title.lower())
        taken = {item.id for item in (*shipped, *own)}
        shared = [] if self._shared is None else _items(self._shared, shipped=True)
        shared = sorted((item for item in shared if item.id not in taken), key=lambda item: item.title.lower())
        return [item for item in (*shipped, *shared, *own) if kind is None or item.kind == kind]

    def item(self, wanted: str, kind: Kind | None = None) -> LibraryItem:
        """Return what is known of an item.

        Raises
        ------
        InputError
            When there is none of that id (and kind); the known ones are named.
        """
        found = {item.id: item for item in self.list(kind)}
        if wanted not in found:
            word = _WORDS[kind] if kind else "collection, network or embedding"
            raise InputError(f"There is no {word} {wanted!r}; known: {', '.join(found) or 'none yet'}.")
        return found[wanted]

    def gene_sets(self, wanted: str) -> GeneSets:
        """Read a collection.

        Raises
        ------
        InputError
            When there is none of that id.
        """
        item = self.item(wanted, "gene_sets")
        return _read_sets(self._path(item), item)

    def network(self, wanted: str) -> Network:
        """Read a network.

        Raises
        ------
        InputError
            When there is none of that id.
        """
        item = self.item(wanted, "network")
        return _read_network(self._path(item), item)

    def embedding(self, wanted: str) -> GeneEmbedding:
        """Read an embedding of genes.

        Raises
        ------
        InputError
            When there is none of that id.
        """
        item = self.item(wanted, "embedding")
        return parse_embedding(read_text(self._path(item)), title=item.title, source=item.source, licence=item.licence)

    def regulators(self) -> tuple[str, ...]:
        """Return names of human transcription factors (for inference from data)."""
        return tuple(read_text(self._assets / REGULATORS_FILE).split())

    def add_gene_sets(self, gene_sets: GeneSets, *, notes: tuple[str, ...] = ()) -> str:
        """Keep a collection and return its id; the same content under the same title keeps its id.

        Raises
        ------
        InputError
            When it has no sets.
        """
        if not gene_sets.sets:
            raise InputError(f"{gene_sets.title!r} has no gene sets, so there is nothing to keep.")
        text = gmt_text(gene_sets)
        about = LibraryItem(
            "", "gene_sets", gene_sets.title, len(gene_sets.sets), len(gene_sets.genes),
            gene_sets.source, gene_sets.licence, notes,
        )  # fmt: skip
        return self._add(about, text)

    def add_network(self, network: Network, *, notes: tuple[str, ...] = ()) -> str:
        """Keep a network and return its id; the same content under the same title keeps its id.

        Raises
        ------
        InputError
            When it has no edges.
        """
        if network.edges.empty:
            raise InputError(f"{network.title!r} has no edges, so there is nothing to keep.")
        about = LibraryItem(
            "", "network", network.title, len(network.edges), len(network.genes),
            network.source, network.licence, notes,
        )  # fmt: skip
        return self._add(about, edges_text(network.edges))

    def add_embedding(self, embedding: GeneEmbedding, *, notes: tuple[str, ...] = ()) -> str:
        """Keep an embedding of genes and return its id; the same content under the same title keeps its id."""
        about = LibraryItem(
            "", "embedding", embedding.title, embedding.values.shape[1], len(embedding.genes),
            embedding.source, embedding.licence, notes,
        )  # fmt: skip
        return self._add(about, embedding.to_text())

    def delete(self, wanted: str) -> None:
        """Put one of the user's own into the trash; models keep the knowledge that they were built from.

        Raises
        ------
        InputError
            When it is not the user's own or there is none of that id.
        """
        item = self.item(wanted)
        if item.shipped:
            raise InputError(f"{wanted!r} ships with GeneDiff or is shared on this server, and cannot be deleted.")
        trash = self._folder / TRASH
        trash.mkdir(exist_ok=True)
        shutil.rmtree(trash / item.id, ignore_errors=True)
        os.replace(self._folder / item.id, trash / item.id)

    def restore(self, wanted: str) -> None:
        """Bring back what was deleted last under an id.

        Raises
        ------
        InputError
            When the trash holds nothing of that id, or another has taken its place.
        """
        trash = self._folder / TRASH
        if wanted not in ([folder.name for folder in trash.iterdir()] if trash.is_dir() else []):
            raise InputError(f"Nothing called {wanted!r} was deleted, so nothing can be brought back.")
        if (self._folder / wanted).exists():
            raise InputError(f"{wanted!r} cannot be brought back: another was added under that id; delete it first.")
        os.replace(trash / wanted, self._folder / wanted)

    def _path(self, item: LibraryItem) -> Path:
        # The id was found among names that exist, never taken from outside: it cannot lead elsewhere.
        places = [self._assets, *([] if self._shared is None else [self._shared])] if item.shipped else [self._folder]
        found = [folder / item.id / FILES[item.kind] for folder in places]
        return next((path for path in found if path.is_file()), found[-1])

    def _add(self, about: LibraryItem, text: str) -> str:
        chosen, there = self._free_id(about, text)
        if there:
            return chosen
        self._folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self._folder, prefix=".part-") as scratch:
            write_item(Path(scratch) / chosen, about, text)
            os.replace(Path(scratch) / chosen, self._folder / chosen)
        return chosen

    def _free_id(self, about: LibraryItem, text: str) -> tuple[str, bool]:
        """Return an id, and whether just this is kept under it already."""
        taken = {item.id: item for item in self.list()}
        stem, number = _slug(about.title), 1
        while True:
            candidate = stem if number == 1 else f"{stem}-{number}"
            item = taken.get(candidate)
            if item is None and not (self._folder / candidate).exists():
                return candidate, False
            if item is not None and not item.shipped and (item.kind, item.title) == (about.kind, about.title):
                if read_text(self._path(item)) == text:
                    return candidate, True
            number += 1


def write_item(folder: Path, about: LibraryItem, text: str) -> None:
    """Write one collection or network as a folder of a library."""
    folder.mkdir(parents=True, exist_ok=True)
    stored = {key: value for key, value in asdict(about).items() if key not in ("id", "shipped")}
    write_json(folder / ABOUT_FILE, stored)
    write_gzip(folder / FILES[about.kind], text)


def _items(parent: Path, *, shipped: bool) -> list[LibraryItem]:
    if not parent.is_dir():
        return []
    found = []
    for folder in sorted(parent.iterdir()):
        try:
            stored = read_object(folder / ABOUT_FILE)
            item = validated(LibraryItem, {**stored, "id": folder.name, "shipped": shipped})
        except MALFORMED:
            continue
        if item.kind in FILES and (folder / FILES[item.kind]).is_file():
            found.append(item)
    return found


def _shipped_order(item: LibraryItem) -> tuple[int, str]:
    return (_ORDER.index(item.id) if item.id in _ORDER else len(_ORDER), item.id)


def _slug(title: str) -> str:
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:60] or "knowledge"
    return f"my-{slug}" if _RESERVED.fullmatch(slug) else slug


def _read_sets(path: Path, item: LibraryItem) -> GeneSets:
    return _cached_sets(path, path.stat().st_mtime_ns, item)


@one_at_a_time
@lru_cache(maxsize=8)
def _cached_sets(path: Path, _changed: int, item: LibraryItem) -> GeneSets:
    return parse_gmt(read_text(path), title=item.title, source=item.source, licence=item.licence).gene_sets


def _read_network(path: Path, item: LibraryItem) -> Network:
    return _cached_network(path, path.stat().st_mtime_ns, item)


@one_at_a_time
@lru_cache(maxsize=4)
def _cached_network(path: Path, _changed: int, item: LibraryItem) -> Network:
    return Network(item.title, parse_edges(read_text(path)), item.source, item.licence)
