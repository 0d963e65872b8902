"""Reading tables of orthologs as they come: MGI's, Ensembl BioMart's, HCOP's, or two columns with a header."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

from genediff.core.errors import InputError
from genediff.knowledge.files import read_text, split_rows
from genediff.knowledge.gene_names import former_symbols
from genediff.knowledge.orthologs import Orthologs, make_orthologs, shipped_orthologs

if TYPE_CHECKING:
    from collections.abc import Sequence

SHIPPED = "shipped"
_Rows = list[tuple[str, str, int]]
_SYMBOL = re.compile(r"^(?P<species>human|mouse)[ _]?(gene[ _]?)?(symbol|name)?$", re.IGNORECASE)


def open_orthologs(given: str | Path) -> Orthologs:
    """Return the shipped table for the word "shipped", else that of a file."""
    return shipped_orthologs() if str(given) == SHIPPED else read_orthologs(given)


def read_orthologs(path: str | Path) -> Orthologs:
    """Read pairs of orthologous genes from a file, gzipped or not.

    Known are MGI's HOM_MouseHumanSequence.rpt, exports of Ensembl BioMart with the gene names of both species, HCOP's
    files (of rival partners the one with more databases behind it is taken), and any table with a header whose columns
    are named after human and mouse, or that has two columns only.

    Raises
    ------
    InputError
        When there is no file, it is no such table, or it holds no one-to-one pair.
    """
    path = Path(path)
    lines = [line for line in read_text(path).splitlines() if line.strip() and not line.startswith("##")]
    separator = "\t" if "\t" in lines[0] else ";" if ";" in lines[0] and "," not in lines[0] else ","
    table = [[cell.strip() for cell in row] for row in split_rows(path.name, lines, separator)]
    head, rows = table[0], table[1:]
    if bad := next((n for n, row in enumerate(rows, start=2) if len(row) != len(head)), None):
        raise InputError(f"Row {bad} of {path.name} has {len(rows[bad - 2])} columns and its header {len(head)}.")
    if not rows:
        raise InputError(f"{path.name} has a header but no pairs; export it again.")
    names = [name.lower() for name in head]
    found = _mgi(names, rows) or _biomart(names, rows) or _hcop(names, rows) or _two_columns(names, rows)
    if found is None:
        raise InputError(
            f"{path.name} is no table of orthologs that is known here (its columns: {', '.join(head[:6])}); give two "
            "columns with a header, such as human and mouse, each with gene symbols."
        )
    return make_orthologs(path.name, found, former_symbols("human"))


def _mgi(names: Sequence[str], rows: Sequence[Sequence[str]]) -> _Rows | None:
    """Rows are genes; those with the same class key belong together."""
    if not {"common organism name", "symbol"} <= set(names):
        return None
    key, organism, symbol = 0, names.index("common organism name"), names.index("symbol")
    classes: dict[str, tuple[list[str], list[str]]] = defaultdict(lambda: ([], []))
    for row in rows:
        side = 0 if "human" in row[organism].lower() else 1 if "mouse" in row[organism].lower() else None
        if side is not None:
            classes[row[key]][side].append(row[symbol])
    return [(first, second, 1) for human, mouse in classes.values() for first in human for second in mouse]


def _biomart(names: Sequence[str], rows: Sequence[Sequence[str]]) -> _Rows | None:
    """One gene and its homologue in each row: "Gene name" is of the species that was asked."""
    other = next((name for name in ("mouse gene name", "human gene name") if name in names), None)
    if "gene name" not in names or other is None:
        return None
    own, partner = names.index("gene name"), names.index(other)
    pairs = [(row[own], row[partner], 1) for row in rows]
    return pairs if other.startswith("mouse") else [(second, first, n) for first, second, n in pairs]


def _hcop(names: Sequence[str], rows: Sequence[Sequence[str]]) -> _Rows | None:
    """One pair in each row, and the databases that know it."""
    if not {"human_symbol", "mouse_symbol", "support"} <= set(names):
        return None
    human, mouse, support = (names.index(name) for name in ("human_symbol", "mouse_symbol", "support"))
    known = [row for row in rows if "-" not in (row[human], row[mouse])]
    return [(row[human], row[mouse], len(row[support].split(","))) for row in known]


def _two_columns(names: Sequence[str], rows: Sequence[Sequence[str]]) -> _Rows | None:
    told = {found["species"].lower(): place for place, name in enumerate(names) if (found := _SYMBOL.match(name))}
    if len(told) == 2:
        first, second = told["human"], told["mouse"]
    elif len(names) == 2:
        first, second = 0, 1
    else:
        return None
    return [(row[first], row[second], 1) for row in rows]
