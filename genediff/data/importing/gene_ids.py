"""Names of genes: Ensembl ids or symbols, species, duplicates."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

import numpy as np

from genediff.knowledge.gene_names import known_symbols

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pandas as pd

_ENSEMBL = re.compile(r"^(ENS[A-Z]*G)\d{6,}(\.\d+)?$")
_SYMBOL_COLUMNS = (
    "feature_name", "gene_symbols", "gene_symbol", "gene_names", "gene_name", "symbols", "symbol", "hgnc_symbol",
    "mgi_symbol", "gene_short_name", "genename", "features", "gene",
)  # fmt: skip
_CELL = re.compile(
    r"((.*[-_.:])?[ACGTN]{8,}([-_.][A-Z0-9]+)*|[A-Z]\d{4,}(-\d+)?|[A-P]\d{1,2}|(GSM|SRR|ERR|SAM)\w*\d+.*|"
    r"(\w*[-_.])?(cell|barcode|sample|donor|patient|well|plate|spot|bead|droplet|nucleus|c|s)[-_. ]?\d+(-\d+)?)$",
    re.IGNORECASE,
)
_SYMBOL = re.compile(r"[A-Za-z][A-Za-z0-9.\-]{1,14}$")
_REFERENCE = re.compile(r"(GRCh\d\d|GRCm\d\d|hg\d\d|mm\d\d?)([-.]\d{4}-[A-Z]|_premrna)?_+(?=\w)", re.IGNORECASE)
_ENSEMBL_SPECIES = {"human": "ENSG", "mouse": "ENSMUSG"}
_SOME_OF_A_MIXTURE = 0.15
_SOME_KNOWN, _CLEAR = 0.05, 0.3
_HUMAN = frozenset("ACTB GAPDH MALAT1 B2M CD3D CD3E CD4 CD8A LYZ NKG7 MS4A1 STAT1 ISG15 RPL3 RPS6 EEF1A1 FTL".split())
_MOUSE = frozenset(name.capitalize() for name in _HUMAN) | {"Xkr4", "Rp1", "Sox17", "H2-K1", "Ly6e", "Malat1"}


def is_ensembl(names: Sequence[str]) -> bool:
    """Say whether most of the names are Ensembl gene ids (a version after a dot may follow)."""
    sample = list(names[:: max(1, len(names) // 500)])
    return sum(bool(_ENSEMBL.match(name)) for name in sample) > len(sample) / 2


def symbol_column(var: pd.DataFrame) -> str | None:
    """Return the var column that holds gene symbols, or None."""
    lower = {str(column).lower(): column for column in reversed(list(var.columns))}
    for candidate in _SYMBOL_COLUMNS:
        if candidate in lower:
            values = [str(value) for value in var[lower[candidate]].dropna()]
            textual = sum(not value.replace(".", "").isdigit() for value in values)
            if len(values) > len(var) / 2 and textual > len(values) / 2 and not is_ensembl(values):
                return str(lower[candidate])
    return None


def without_prefixes(names: Sequence[str]) -> tuple[list[str], tuple[str, ...]]:
    """Return gene names without the name of a reference before them ("GRCh38_ACTB", "mm10___Actb"), and those names."""
    found = [_REFERENCE.match(name) for name in names]
    if sum(match is not None for match in found) < max(1, len(names) // 5):
        return list(names), ()
    prefixes = tuple(dict.fromkeys(match[0] for match in found if match is not None))
    return [name[match.end() :] if match else name for name, match in zip(names, found, strict=True)], prefixes


def species_of(ids: Sequence[str], symbols: Sequence[str], prefixes: Sequence[str] = ()) -> str:
    """Guess "human", "mouse", "human and mouse" or "unknown" from references, Ensembl ids and the case of symbols."""
    named = {"mouse" if prefix.lower().startswith(("mm", "grcm")) else "human" for prefix in prefixes}
    if named:
        return " and ".join(sorted(named))
    found = [match.group(1) for name in ids[:: max(1, len(ids) // 4000)] if (match := _ENSEMBL.match(name))]
    if len(found) > 10:
        share = {species: found.count(prefix) / len(found) for species, prefix in _ENSEMBL_SPECIES.items()}
        mixed = all(part > _SOME_OF_A_MIXTURE for part in share.values())
        return "human and mouse" if mixed else next((one for one, part in share.items() if part > 0.5), "unknown")
    known = set(symbols)
    human, mouse = len(known & _HUMAN), len(known & _MOUSE)
    letters = [name for name in symbols if re.fullmatch(r"[A-Za-z][A-Za-z]{2,}\d*", name)]
    upper = sum(name.isupper() for name in letters) / max(1, len(letters))
    title = sum(
        name[0].isupper() and name[1:].islower() or name[1:].rstrip("0123456789").islower() for name in letters
    ) / max(1, len(letters))
    if len(letters) >= 20 and min(upper, title) > _SOME_OF_A_MIXTURE and _known(symbols) > 0.5:
        return "human and mouse"
    if human > mouse and upper > 0.5 or (len(letters) >= 20 and upper > 0.9):
        return "human"
    if mouse > human and title > 0.5 or (len(letters) >= 20 and title > 0.9):
        return "mouse"
    return "unknown"


def gene_side(rows: Sequence[str], columns: Sequence[str], corner: str) -> Literal["cells", "genes"] | None:
    """Say what the rows of a table are: one side holds genes, the other cells.

    Both sides are compared: names of genes that are known (symbols and Ensembl ids of human and mouse), then the
    heading over the names of rows, names as barcodes and samples have them, and Entrez ids.

    Returns
    -------
    str | None
        None where neither side tells.
    """
    row, column = _known(rows), _known(columns)
    if max(row, column) >= _SOME_KNOWN and max(row, column) > 2 * min(row, column):
        return "genes" if row > column else "cells"
    heading = corner.strip().strip('#"').lower().replace(" ", "_")
    if re.fullmatch(
        r"genes?|gene_?(ids?|names?|symbols?)|symbols?|ensembl(_?ids?)?|entrez(_?ids?)?|features?", heading
    ):
        return "genes"
    if re.fullmatch(r"cells?|cell_?(ids?|names?|barcodes?)|barcodes?|samples?|wells?", heading):
        return "cells"
    for likely in (_like_cells, _entrez, _like_symbols):
        row, column = likely(rows), likely(columns)
        if abs(row - column) > _CLEAR:
            return "cells" if (row > column) == (likely is _like_cells) else "genes"
    return None


def _share(names: Sequence[str], holds: Callable[[str], bool]) -> float:
    sample = names[:: max(1, len(names) // 1000)]
    return sum(holds(name[:64]) for name in sample) / max(1, len(sample))


def _known(names: Sequence[str]) -> float:
    symbols = known_symbols()
    return _share(names, lambda name: name in symbols or bool(_ENSEMBL.match(name)))


def _like_cells(names: Sequence[str]) -> float:
    if _numbered(names):
        return 1.0
    return _share(names, lambda name: bool(_CELL.match(name)))


def _numbered(names: Sequence[str]) -> bool:
    """Whether names are 0, 1, 2 ... or 1, 2, 3 ..., as rows without names are counted."""
    return len(names) > 1 and any(all(name == str(n) for n, name in enumerate(names, start)) for start in (0, 1))


def _entrez(names: Sequence[str]) -> float:
    return 0.0 if _numbered(names) else _share(names, lambda name: name.isdigit() and len(name) < 11)


def _like_symbols(names: Sequence[str]) -> float:
    return _share(names, lambda name: bool(_SYMBOL.match(name)))


def is_mitochondrial(symbols: Sequence[str]) -> np.ndarray:
    """Return a mask (gene,) of genes of the mitochondrial genome: names that begin with MT- or mt-."""
    return np.array([name.lower().startswith("mt-") for name in symbols], dtype=bool)


def make_unique(names: Sequence[str]) -> tuple[tuple[str, ...], int]:
    """Give repeated names a number (A, A-1, A-2) and return how many names were changed."""
    taken = set(names)
    seen: dict[str, int] = {}
    unique, changed = [], 0
    for name in names:
        if name not in seen:
            seen[name] = 0
            unique.append(name)
            continue
        candidate = name
        while candidate in taken:
            seen[name] += 1
            candidate = f"{name}-{seen[name]}"
        taken.add(candidate)
        unique.append(candidate)
        changed += 1
    return tuple(unique), changed
