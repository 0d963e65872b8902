"""Reading gene sets from GMT files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from genediff.core.errors import InputError
from genediff.knowledge.files import read_text
from genediff.knowledge.gene_sets import GeneSets, make_gene_sets


@dataclass(frozen=True)
class GmtReading:
    """Gene sets of a GMT file, and what was mended, in words."""

    gene_sets: GeneSets
    notes: tuple[str, ...]


def read_gmt(path: str | Path, *, title: str = "", source: str = "", licence: str = "") -> GmtReading:
    """Read a GMT file (also gzipped): one set per line, name, description and genes with tabs between them.

    Repeated genes of a set are kept once, sets of one name are joined, sets without genes are left out; notes say so.

    Raises
    ------
    InputError
        When the file is missing, empty, or not GMT.
    """
    path = Path(path)
    return parse_gmt(read_text(path), title=title or gmt_title(path), name=path.name, source=source, licence=licence)


def parse_gmt(text: str, *, title: str, name: str = "", source: str = "", licence: str = "") -> GmtReading:
    """Read the text of a GMT file; see ``read_gmt``. ``name`` is what messages call the file."""
    name = name or title
    sets: dict[str, list[str]] = {}
    descriptions: dict[str, str] = {}
    joined = empty = repeated = 0
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        cells = line.split("\t")
        if len(cells) < 2 or not cells[0].strip():
            raise InputError(
                f"Line {number} of {name} is not GMT; every line needs a set's name, a description and its genes, "
                "with tabs between them."
            )
        label, description = cells[0].strip(), cells[1].strip()
        genes = [cell.strip() for cell in cells[2:] if cell.strip()]
        if not genes:
            empty += 1
            continue
        joined += label in sets
        repeated += len(genes) - len(set(genes))
        sets.setdefault(label, []).extend(genes)
        descriptions.setdefault(label, description)
    if not sets:
        raise InputError(f"{name} has no set with genes; every line needs a name, a description and genes, by tabs.")
    found = make_gene_sets(title, sets, source=source, licence=licence, descriptions=descriptions)
    return GmtReading(found, _notes(empty, joined, repeated))


def gmt_title(path: Path) -> str:
    """Return a title for a file: its name without the endings."""
    stem = path.name
    for ending in (".gz", ".gmt", ".txt", ".tsv", ".csv"):
        stem = stem[: -len(ending)] if stem.lower().endswith(ending) else stem
    return stem.replace("_", " ").strip() or "gene sets"


def _notes(empty: int, joined: int, repeated: int) -> tuple[str, ...]:
    said = (
        (empty, "sets without genes: left out"),
        (joined, "sets with the name of one before: joined with it"),
        (repeated, "genes named again in the same set: kept once"),
    )
    return tuple(f"{count:,} {what}." for count, what in said if count)
