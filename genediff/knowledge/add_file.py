"""From a file that a user gives to an item of the library, with what was understood of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from genediff.knowledge.gene_embedding import read_embedding
from genediff.knowledge.gmt import read_gmt
from genediff.knowledge.read_network import STRING_SCORE, read_network

if TYPE_CHECKING:
    from collections.abc import Mapping

    from genediff.knowledge.library import Kind, Library


@dataclass(frozen=True)
class Added:
    """An item that was added: its id, what the file was taken for and why, and what was mended, in words."""

    id: str
    format: str
    reason: str
    notes: tuple[str, ...]


def add_file(
    library: Library,
    path: str | Path,
    *,
    kind: Kind | None = None,
    title: str = "",
    source: str = "",
    licence: str = "",
    columns: Mapping[str, str] | None = None,
    names: str | Path | None = None,
    string_score: int = STRING_SCORE,
) -> Added:
    """Read a file and keep it in the library.

    Parameters
    ----------
    library
        Where it is kept.
    path
        A GMT file, an embedding (``read_embedding``) or a network in any format of ``read_network``.
    kind
        "gene_sets", "network" or "embedding"; None: GMT files are gene sets, npz files embeddings, all others networks.
    title, source, licence
        What it is called, where it comes from, under which licence; the file's name where they are empty.
    columns, names, string_score
        As in ``read_network``.

    Raises
    ------
    InputError
        When the file cannot be read.
    """
    path = Path(path)
    is_gmt = path.name.lower().removesuffix(".gz").endswith(".gmt")
    source = source or path.name
    if kind == "gene_sets" or (kind is None and is_gmt):
        reading = read_gmt(path, title=title, source=source, licence=licence)
        reason = "a .gmt file has one set in each line" if is_gmt else "you said that it is gene sets"
        return Added(library.add_gene_sets(reading.gene_sets, notes=reading.notes), "gene sets", reason, reading.notes)
    if kind == "embedding" or (kind is None and path.suffix == ".npz"):
        embedding = read_embedding(path, title=title, source=source, licence=licence)
        said = f"{embedding.values.shape[1]:,} numbers for each of {len(embedding.genes):,} genes"
        return Added(library.add_embedding(embedding), "an embedding of genes", said, ())
    found = read_network(
        path, columns=columns, names=names, string_score=string_score, title=title, source=source, licence=licence
    )
    return Added(library.add_network(found.network, notes=found.notes), found.format, found.reason, found.notes)
