"""Gene sets and networks as files of our own: GMT and tab-separated edges, gzipped, the same bytes each time."""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from genediff.core.errors import InputError
from genediff.knowledge.network import COLUMNS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from genediff.knowledge.gene_sets import GeneSets

MOST_BYTES = 512 << 20
"""More text than any list of sets, network or table of genes that is read at once."""


def read_text(path: str | Path) -> str:
    """Return the text of a file, gzipped or not.

    Raises
    ------
    InputError
        When there is no such file, it is empty, it holds no text, or JSON, or XML.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"There is no file {path.name} at {path.parent}; check the path.")
    try:
        content = path.read_bytes()
        if content[:2] == b"\x1f\x8b":
            with gzip.GzipFile(fileobj=io.BytesIO(content)) as packed:
                content = packed.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            raise InputError(f"{path.name} holds more than {MOST_BYTES >> 20} MB of text; give a part of it.")
        text = content.decode("utf-8-sig")
    except (OSError, EOFError, zlib.error):
        raise InputError(f"{path.name} cannot be unpacked or read; copy or download it again.") from None
    except UnicodeDecodeError:
        raise InputError(f"{path.name} is no text file; save it as text in UTF-8.") from None
    if "\0" in text:
        raise InputError(f"{path.name} is no text file; save it as text in UTF-8.")
    if not text.strip():
        raise InputError(f"{path.name} is empty; the download or copy probably failed, so get it again.")
    if (first := text.lstrip()[0]) in "{[<":
        kind = "XML or a web page" if first == "<" else "JSON"
        raise InputError(f"{path.name} is {kind} and no table; save it as a table (.tsv, .csv) or as .gmt.")
    return text


def split_rows(name: str, lines: Iterable[str], separator: str) -> Iterator[list[str]]:
    """Split lines at a separator, with cells in quotes; InputError where a quote is never closed."""
    try:
        yield from csv.reader(lines, delimiter=separator)
    except csv.Error:
        raise InputError(f"{name} is no table: a quotation mark in it is never closed.") from None


def write_gzip(path: Path, text: str) -> None:
    """Write text gzipped, without name and time, so that the same text gives the same bytes."""
    packed = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", compresslevel=9, fileobj=packed, mtime=0) as file:
        file.write(text.encode("utf-8"))
    path.write_bytes(packed.getvalue())


def gmt_text(gene_sets: GeneSets) -> str:
    """Write sets as GMT: name, description, genes, with tabs between them."""
    said = gene_sets.descriptions
    lines = ("\t".join([name, said.get(name, ""), *members]) for name, members in gene_sets.sets.items())
    return "".join(f"{line}\n" for line in lines)


def edges_text(edges: pd.DataFrame) -> str:
    """Write edges as tab-separated text with a header."""
    return str(edges.to_csv(sep="\t", index=False, lineterminator="\n"))


def parse_edges(text: str) -> pd.DataFrame:
    """Read what ``edges_text`` wrote. A gene may be called NA or nan, so nothing is taken for missing."""
    types = {"source": str, "target": str, "weight": float, "sign": "int8"}
    edges = pd.read_csv(io.StringIO(text), sep="\t", dtype=types, keep_default_na=False)
    assert set(COLUMNS) <= set(edges.columns)
    return edges
