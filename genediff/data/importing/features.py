"""The genes of a file, under the names by which they are known here."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from genediff.data.importing.gene_ids import (
    is_ensembl,
    is_mitochondrial,
    make_unique,
    species_of,
    symbol_column,
    without_prefixes,
)

if TYPE_CHECKING:
    import pandas as pd

_TYPE_COLUMNS = ("feature_types", "feature_type", "modality", "feature_biotype", "feature_class")


def _words(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


_BY_TYPE = {
    "antibody tags": _words(
        r"^(antibody.*|(surface[ _])?proteins?([ _]expression)?|prot|adt|cite(-seq)?|antigen capture)$"
    ),
    "hashtags": _words(r"^(hto|hash(tag)?s?.*|multiplexing.*|cell multiplexing.*)$"),
    "guides": _words(r"^(crispr.*|(sg|g)rnas?|guides?)$"),
    "peaks": _words(r"^(peaks?|atac.*|chromatin.*|regions?)$"),
    "spike-ins": _words(r"^spike[-_ ]?ins?$|^ercc$"),
    "control probes": _words(r"control|blank|codeword|unassigned|deprecated"),
    "other features": _words(r"^(custom|vdj.*|tcr.*|bcr.*)$"),
}
"""Kinds of features by what their type is called; all other types are genes (biotypes are named "protein_coding")."""
_BY_NAME = {
    "antibody tags": _words(r"[-_.](totalseq[-_]?[abcd]?\d*|adt|protein)$|^(adt|prot)[-_.]"),
    "hashtags": _words(r"^(hto[-_.]|hashtag[-_.]?\d)"),
    "spike-ins": _words(r"^ercc[-_.]\d{3,5}$|^sirv\d|^phix"),
    "control probes": _words(
        r"^(negcontrol|negprb|blank[-_]|antisense_|unassignedcodeword|deprecatedcodeword|intergenic_region)"
    ),
    "peaks": _words(r"^(chr)?[0-9xy]{1,2}[:_-]\d{3,}[_-]\d{3,}$"),
    "counts of reads without a gene": _words(
        r"^__(no_feature|ambiguous|too_low_a?qual|not_aligned|alignment_not_unique)$|"
        r"^N_(unmapped|multimapping|noFeature|ambiguous)$"
    ),
}

_OTHER = _words("|".join(pattern.pattern for pattern in _BY_NAME.values()))
"""Finds the few names that are not genes' at one go."""


@dataclass(frozen=True, eq=False)
class Features:
    """``names`` (gene,) are symbols where the file has them, made unique; ``ids`` (gene,) the index of the file.

    ``is_gene`` (gene,) is False for what is no gene expression, which ``others`` counts by kind ("antibody tags");
    ``mito`` (gene,) marks mitochondrial genes. ``prefixes`` are those of a reference ("GRCh38_") that names lost.
    ``species`` is "human", "mouse", "human and mouse" (a mixture) or "unknown".
    """

    names: tuple[str, ...]
    ids: tuple[str, ...]
    is_gene: np.ndarray
    mito: np.ndarray
    species: str
    id_type: str
    symbol_column: str | None
    n_duplicates: int
    others: dict[str, int]
    prefixes: tuple[str, ...]

    def trouble(self, file: str) -> str | None:
        """Return the sentence for a file that holds no two genes, else None."""
        n = int(self.is_gene.sum())
        if n >= 2:
            return None
        if self.others and n == 0:
            return f"{file} holds no gene expression, only {_and(list(self.others))}; give the file of the genes."
        return f"{file} holds only {n} gene; cells are compared by two or more."

    @property
    def notes(self) -> list[str]:
        """Sentences on what was left out or named otherwise."""
        notes = []
        if self.others:
            kinds = _and([f"{n:,} {kind}" for kind, n in self.others.items()])
            notes.append(f"Not gene expression, and left out: {kinds}.")
        if self.prefixes:
            notes.append(f"Gene names lost the prefix of their reference ({_and(list(self.prefixes))}).")
        if self.symbol_column is not None:
            notes.append(f"Genes are called by their symbols, from {self.symbol_column!r}.")
        if self.n_duplicates:
            notes.append(f"{self.n_duplicates:,} genes have a name that others have too; they get a number.")
        return notes


def read_features(var: pd.DataFrame) -> Features:
    """Name the genes of a var table: its index, or a column of symbols where the index holds Ensembl ids."""
    index = [str(name) for name in var.index]
    ids, prefixes = without_prefixes(index)
    ensembl = is_ensembl(ids) or all(name.isdigit() for name in ids[:200])
    column = symbol_column(var) if ensembl else None
    names = ids
    if column is not None:
        symbols = var[column].astype(object)
        texts = [
            "" if missing else str(symbol).strip() for symbol, missing in zip(symbols, symbols.isna(), strict=True)
        ]
        texts, more = without_prefixes(texts)
        prefixes = tuple(dict.fromkeys((*prefixes, *more)))
        names = [text or gene for gene, text in zip(ids, texts, strict=True)]
    unique, changed = make_unique(names)
    kinds = _kinds(var, names)
    best = _best_ids(var, ids)
    return Features(
        names=unique,
        ids=tuple(best),
        is_gene=kinds == "",
        mito=is_mitochondrial(names),
        species=species_of(best, names, prefixes),
        id_type="ensembl" if is_ensembl(names) else "symbol",
        symbol_column=column,
        n_duplicates=changed,
        others={str(kind): int((kinds == kind).sum()) for kind in dict.fromkeys(kinds) if kind},
        prefixes=prefixes,
    )


def _kinds(var: pd.DataFrame, names: list[str]) -> np.ndarray:
    """Return what each feature is if it is no gene, by its type or its name (feature,); "" for genes."""
    kinds = np.array([_kind(name, _BY_NAME) if _OTHER.search(name) else "" for name in names], dtype=object)
    for column in _TYPE_COLUMNS:
        if column in var.columns:
            types = var[column].astype(str)
            by_type = {text: _kind(text.strip(), _BY_TYPE) for text in types.unique()}
            found = types.map(by_type).to_numpy(dtype=object)
            kinds = np.where(found != "", found, kinds)
    return kinds


def _kind(text: str, patterns: dict[str, re.Pattern[str]]) -> str:
    return next((kind for kind, pattern in patterns.items() if pattern.search(text)), "")


def _and(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1]


def _best_ids(var: pd.DataFrame, ids: list[str]) -> list[str]:
    if is_ensembl(ids):
        return ids
    for column in ("gene_ids", "ensembl", "ensembl_id", "gene_id", "feature_id"):
        if column in var.columns:
            values, _ = without_prefixes([str(value) for value in var[column]])
            if is_ensembl(values):
                return values
    return ids
