"""Embeddings of genes that a user brings, a table or an npz file of gene x number (GenePT, ESM, a spectrum)."""

from __future__ import annotations

import io
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from genediff.core.errors import InputError
from genediff.knowledge.files import MOST_BYTES, read_text

if TYPE_CHECKING:
    from collections.abc import Sequence

FEWEST_NUMBERS = 2
UNREADABLE = (OSError, EOFError, MemoryError, RuntimeError, SyntaxError, ValueError, zipfile.BadZipFile, zlib.error)
"""What numpy and zipfile raise on damaged archives."""
_HEADERS = ("", "gene", "genes", "symbol", "gene_symbol", "gene_name", "name", "index")
"""First cells of a line that names the columns, whose other names may be numbers."""


@dataclass(frozen=True, eq=False)
class GeneEmbedding:
    """Numbers that describe genes.

    Attributes
    ----------
    title
        What people call it.
    genes
        Symbols, each once.
    values
        (gene, number) float32, finite.
    source, licence
        Where it comes from, under which licence.
    """

    title: str
    genes: tuple[str, ...]
    values: np.ndarray
    source: str = ""
    licence: str = ""

    def __post_init__(self) -> None:
        if self.values.ndim != 2 or self.values.shape[0] != len(self.genes):
            raise InputError(
                f"“{self.title}” has {len(self.genes):,} genes and numbers of shape {self.values.shape}; an embedding "
                "has one row of numbers for each gene."
            )
        if self.values.shape[1] < FEWEST_NUMBERS:
            raise InputError(f"“{self.title}” has {self.values.shape[1]} number per gene; at least two are needed.")
        if not np.isfinite(self.values).all():
            raise InputError(f"“{self.title}” holds values that are missing or infinite; fill or drop these genes.")

    def rows(self, genes: Sequence[str]) -> np.ndarray:
        """Return the centred numbers of some genes, (gene, number) float64; zeros for genes that are not in it."""
        places = pd.Index(self.genes).get_indexer(pd.Index(genes))
        found = np.zeros((len(genes), self.values.shape[1]))
        found[places >= 0] = self.values[places[places >= 0]] - self.values.mean(axis=0)
        return found

    def to_text(self) -> str:
        """Return it as tab-separated text: the gene, then its numbers."""
        return str(pd.DataFrame(self.values, index=self.genes).to_csv(sep="\t", header=False, float_format="%.6g"))


def read_embedding(path: str | Path, *, title: str = "", source: str = "", licence: str = "") -> GeneEmbedding:
    """Read a table (tab- or comma-separated, gzipped or not) or an npz file.

    Parameters
    ----------
    path
        A table whose first column holds symbols and whose others hold numbers, with or without a header; or an npz
        with one array of names and one of numbers, (gene, number).

    Raises
    ------
    InputError
        When it is neither. A gene that stands twice counts by its first row.
    """
    path = Path(path)
    names, values = _npz(path) if path.suffix == ".npz" else _table(read_text(path), path.name)
    index = pd.Index(names)
    first = ~index.duplicated()
    stem = path.name.removesuffix(".gz").rsplit(".", 1)[0]
    return GeneEmbedding(title or stem, tuple(index[first]), values[first], source or path.name, licence)


def parse_embedding(text: str, *, title: str, source: str, licence: str) -> GeneEmbedding:
    """Read what ``GeneEmbedding.to_text`` wrote."""
    names, values = _table(text, title)
    return GeneEmbedding(title, tuple(names), values, source, licence)


def _npz(path: Path) -> tuple[list[str], np.ndarray]:
    try:
        with zipfile.ZipFile(path) as packed:
            if sum(member.file_size for member in packed.infolist()) > MOST_BYTES:
                raise InputError(f"{path.name} unpacks to more than {MOST_BYTES >> 20} MB, so it is refused.")
        with np.load(path, allow_pickle=False) as stored:
            arrays = [stored[name] for name in stored.files]
    except InputError:
        raise
    except UNREADABLE as error:
        raise InputError(f"{path.name} is damaged or no npz file of plain arrays ({type(error).__name__}).") from None
    names = [one for one in arrays if one.ndim == 1 and one.dtype.kind in "US"]
    numbers = [one for one in arrays if one.ndim == 2 and one.dtype.kind in "fiu"]
    if len(names) != 1 or len(numbers) != 1:
        raise InputError(f"{path.name} needs one array of gene symbols and one of numbers, gene x number.")
    return [str(name) for name in names[0]], numbers[0].astype(np.float32)


def _table(text: str, name: str) -> tuple[list[str], np.ndarray]:
    first = text.partition("\n")[0]
    separator = "\t" if "\t" in first else ","
    try:
        table = pd.read_csv(io.StringIO(text), sep=separator, header=None, dtype=str, keep_default_na=False)
    except ValueError:
        raise InputError(f"{name} is no table: its rows have different numbers of columns.") from None
    numbers = table.iloc[:, 1:].apply(pd.to_numeric, errors="coerce")
    is_header = len(table) > 0 and table.iloc[0, 0].strip().lower() in _HEADERS
    if len(numbers) and (is_header or numbers.iloc[0].isna().all()):
        table, numbers = table.iloc[1:], numbers.iloc[1:]
    if numbers.shape[1] < FEWEST_NUMBERS or not len(numbers) or numbers.isna().to_numpy().any():
        raise InputError(f"{name} is no embedding: the first column holds gene symbols, all others hold numbers.")
    return table.iloc[:, 0].tolist(), numbers.to_numpy(dtype=np.float32)
