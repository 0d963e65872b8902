"""Rebuild the table of orthologs in assets/knowledge: ``python -m scripts.ship_orthologs FOLDER``.

The folder is that of `scripts.ship_gene_names`. HGNC's file says which MGI ids each human gene has, MGI's file
which mouse symbol an id stands for. All pairs are written; which of them are one-to-one is decided when they are read.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd

from genediff.core.errors import InputError
from genediff.core.installation import SHIPPED_KNOWLEDGE
from genediff.knowledge.files import write_gzip
from genediff.knowledge.orthologs import SHIPPED_FILE

MGI_IDS = "Mouse genome database ID(supplied by MGI)"


def ship(folder: Path, *, assets: Path = SHIPPED_KNOWLEDGE) -> None:
    """Write the table from the files in ``folder``."""
    human, mouse = (_read(folder / name) for name in ("hgnc_entries.tsv", "mgi_entries.tsv"))
    symbols = dict(zip(mouse["ID"], mouse["symbol"], strict=True))
    human = human[human["Status"] == "Approved"]
    pairs = {
        (own, symbols[key])
        for own, ids in zip(human["Approved symbol"], human[MGI_IDS], strict=True)
        for one in ids.split(",")
        if own and symbols.get(key := one.strip().removeprefix("MGI:"))
    }
    lines = ["human\tmouse", *("\t".join(pair) for pair in sorted(pairs))]
    write_gzip(assets / SHIPPED_FILE, "\n".join(lines) + "\n")


def _read(path: Path) -> pd.DataFrame:
    if not path.is_file():
        raise InputError(f"There is no {path.name} in {path.parent}; unpack it from the package that is named above.")
    return pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit("usage: python -m scripts.ship_orthologs FOLDER")
    try:
        ship(Path(sys.argv[1]))
    except InputError as problem:
        raise SystemExit(str(problem)) from None
