"""Protein and gene ids in place of symbols: recognised, mapped by a table, else counted."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from genediff.core.errors import InputError
from genediff.core.installation import SHIPPED_KNOWLEDGE
from genediff.knowledge.files import read_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

# UniProt's own pattern of an accession, https://www.uniprot.org/help/accession_numbers
_UNIPROT = re.compile(r"[OPQ][0-9][A-Z0-9]{3}[0-9]|[A-NR-Z][0-9](?:[A-Z][A-Z0-9]{2}[0-9]){1,2}")
# Symbols of human genes that happen to look like accessions.
_SYMBOLS = re.compile(r"P2RY1\d|B[34]G[AN]T\d|R3H[DC][MC]\d|H[1-4][A-Z]{1,3}\d+|N6AMT\d")
_ENSEMBL = re.compile(r"(?:\d+\.)?ENS[A-Z]*[GTP]\d{6,}(?:\.\d+)?")
_COMPLEX = "COMPLEX:"
UNIPROT_FILE = SHIPPED_KNOWLEDGE / "uniprot_symbols.tsv"
# Sources of STRING's alias file that hold symbols, the best first.
_ALIAS_SOURCES = (
    "Ensembl_HGNC_symbol",
    "Ensembl_HGNC",
    "BioMart_HUGO",
    "Ensembl_MGI_symbol",
    "Ensembl_external_gene_name",
)


@dataclass(frozen=True, eq=False)
class Mapped:
    """Edges by symbol; ``unmapped`` are ids that no table knows, ``n_lost`` the edges that went with them."""

    edges: pd.DataFrame
    unmapped: tuple[str, ...]
    n_lost: int

    @property
    def notes(self) -> tuple[str, ...]:
        """What was left out, in words."""
        if not self.unmapped:
            return ()
        shown = ", ".join(self.unmapped[:3]) + (", …" if len(self.unmapped) > 3 else "")
        return (
            f"{self.n_lost:,} edges were left out, since {len(self.unmapped):,} of their ends are ids without a known "
            f"gene symbol ({shown}).",
        )


def is_id(name: str) -> bool:
    """Say whether a name is a UniProt accession or an Ensembl id, and so no symbol."""
    if _SYMBOLS.fullmatch(name):
        return False
    return bool(_UNIPROT.fullmatch(name) or _ENSEMBL.fullmatch(name))


def map_ids(edges: pd.DataFrame, table: Mapping[str, str] | None = None) -> Mapped:
    """Turn the ends of edges into symbols.

    Ids are looked up in ``table``, then among the UniProt accessions that ship with GeneDiff. An end that is a complex
    (COMPLEX:FOS_JUN) stands for each of its members. Edges with an id that nothing knows are left out.

    Parameters
    ----------
    edges
        Columns ``source`` and ``target``, and others that are kept.
    table
        Id to symbol.
    """
    known = {**uniprot_symbols(), **(table or {})}
    for end in ("source", "target"):
        if edges[end].str.startswith(_COMPLEX).any():
            edges = edges.assign(**{end: edges[end].map(_members)}).explode(end)
    names = set(edges["source"]) | set(edges["target"])
    symbols = {name: known.get(name) or known.get(name.split(".")[0]) or name for name in names}
    unmapped = {name for name in names if is_id(symbols[name])}
    lost = edges["source"].isin(unmapped) | edges["target"].isin(unmapped)
    kept = edges[~lost]
    kept = kept.assign(source=kept["source"].map(symbols), target=kept["target"].map(symbols))
    return Mapped(kept.reset_index(drop=True), tuple(sorted(unmapped)), int(lost.sum()))


def uniprot_symbols() -> dict[str, str]:
    """Return symbols of those UniProt accessions that stand in CollecTRI and TRRUST in place of symbols."""
    rows = (line.split("\t") for line in read_text(UNIPROT_FILE).splitlines()[1:])
    return {row[0]: row[1] for row in rows}


def read_names(path: str | Path) -> dict[str, str]:
    """Read a table from ids to symbols: STRING's protein.info or protein.aliases, or any with id and symbol in front.

    Raises
    ------
    InputError
        When the file is missing, or its first two columns hold no ids and names.
    """
    path = Path(path)
    rows = [line.split("\t") for line in read_text(path).splitlines() if line.strip()]
    if any(len(row) < 2 for row in rows):
        raise InputError(f"{path.name} needs an id and a gene symbol in every line, with a tab between them.")
    header = [cell.strip().lstrip("#").lower() for cell in rows[0]]
    if header[:3] == ["string_protein_id", "alias", "source"]:
        return _from_aliases(path, rows[1:])
    has_header = not is_id(rows[0][0].strip())
    return {row[0].strip(): row[1].strip() for row in rows[has_header:]}


def _from_aliases(path: Path, rows: Sequence[Sequence[str]]) -> dict[str, str]:
    found: dict[str, str] = {}
    best: dict[str, int] = {}
    for row in rows:
        words = row[2].split() if len(row) > 2 else []
        ranks = [rank for rank, source in enumerate(_ALIAS_SOURCES) if source in words]
        if ranks and min(ranks) < best.get(row[0], len(_ALIAS_SOURCES)):
            best[row[0]], found[row[0]] = min(ranks), row[1]
    if not found:
        raise InputError(
            f"{path.name} names no gene symbols among its aliases; give STRING's protein.info file instead."
        )
    return found


def _members(name: str) -> list[str]:
    return name.removeprefix(_COMPLEX).split("_") if name.startswith(_COMPLEX) else [name]
