"""Names of genes: Ensembl ids or symbols, species, duplicates."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

_ENSEMBL = re.compile(r"^(ENS[A-Z]*G)\d{6,}(\.\d+)?$")
_SYMBOL_COLUMNS = (
    "feature_name", "gene_symbols", "gene_symbol", "gene_names", "gene_name", "symbols", "symbol", "hgnc_symbol",
    "mgi_symbol", "gene_short_name", "genename", "features", "gene",
)  # fmt: skip
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


def species_of(ids: Sequence[str], symbols: Sequence[str]) -> str:
    """Guess "human", "mouse" or "unknown" from Ensembl prefixes, marker names and the case of symbols."""
    prefixes = [match.group(1) for name in ids[:2000] if (match := _ENSEMBL.match(name))]
    if len(prefixes) > 10:
        return {"ENSG": "human", "ENSMUSG": "mouse"}.get(max(set(prefixes), key=prefixes.count), "unknown")
    known = set(symbols)
    human, mouse = len(known & _HUMAN), len(known & _MOUSE)
    letters = [name for name in symbols if re.fullmatch(r"[A-Za-z][A-Za-z]{2,}\d*", name)]
    upper = sum(name.isupper() for name in letters) / max(1, len(letters))
    title = sum(
        name[0].isupper() and name[1:].islower() or name[1:].rstrip("0123456789").islower() for name in letters
    ) / max(1, len(letters))
    if human > mouse and upper > 0.5 or (len(letters) >= 20 and upper > 0.9):
        return "human"
    if mouse > human and title > 0.5 or (len(letters) >= 20 and title > 0.9):
        return "mouse"
    return "unknown"


def looks_like_genes(names: Sequence[str]) -> float:
    """Score between 0 and 1: how much a list of names reads like genes (used to tell which way a table lies)."""
    if len(names) == 0:
        return 0.0
    sample = list(names[:: max(1, len(names) // 2000)])
    shape = re.compile(r"^[A-Za-z][A-Za-z0-9.\-]{1,14}$")
    barcode = re.compile(r"^[ACGTN]{8,}([-_.]\w+)?$|^(cell|barcode|sample|c)[-_ .]?\d+$", re.IGNORECASE)
    score = sum(bool(_ENSEMBL.match(n)) or (bool(shape.match(n)) and not barcode.match(n)) for n in sample) / len(
        sample
    )
    return min(1.0, 0.8 * score + 0.2 * bool(set(names) & (_HUMAN | _MOUSE)))


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
