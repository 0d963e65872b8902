"""The genes of a file, under the names by which they are known here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from genediff.data.genes import is_ensembl, is_mitochondrial, make_unique, species_of, symbol_column

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class Features:
    """``names`` (gene,) are symbols where the file has them, made unique; ``ids`` (gene,) the index of the file.

    ``is_gene`` (gene,) is False for antibody tags and the like; ``mito`` (gene,) marks mitochondrial genes.
    """

    names: tuple[str, ...]
    ids: tuple[str, ...]
    is_gene: np.ndarray
    mito: np.ndarray
    species: str
    id_type: str
    symbol_column: str | None
    n_duplicates: int


def read_features(var: pd.DataFrame) -> Features:
    """Name the genes of a var table: its index, or a column of symbols where the index holds Ensembl ids."""
    ids = [str(name) for name in var.index]
    ensembl = is_ensembl(ids) or all(name.isdigit() for name in ids[:200])
    column = symbol_column(var) if ensembl else None
    names = ids
    if column is not None:
        symbols = var[column].astype(object)
        names = [gene if missing or not str(symbol).strip() else str(symbol)
                 for gene, symbol, missing in zip(ids, symbols, symbols.isna(), strict=True)]  # fmt: skip
    unique, changed = make_unique(names)
    return Features(
        names=unique,
        ids=tuple(_best_ids(var, ids)),
        is_gene=_is_gene(var),
        mito=is_mitochondrial(names),
        species=species_of(_best_ids(var, ids), names),
        id_type="ensembl" if is_ensembl(names) else "symbol",
        symbol_column=column,
        n_duplicates=changed,
    )


def _best_ids(var: pd.DataFrame, ids: list[str]) -> list[str]:
    if is_ensembl(ids):
        return ids
    for column in ("gene_ids", "ensembl", "ensembl_id", "gene_id", "feature_id"):
        if column in var.columns:
            values = [str(value) for value in var[column]]
            if is_ensembl(values):
                return values
    return ids


def _is_gene(var: pd.DataFrame) -> np.ndarray:
    for column in ("feature_types", "feature_type"):
        if column in var.columns:
            types = var[column].astype(str).to_numpy()
            if (types == "Gene Expression").any():
                return types == "Gene Expression"
    return np.ones(len(var), dtype=bool)
