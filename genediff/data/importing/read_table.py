"""Tables of text: how they are written, which side the genes are on, and the numbers, a block of lines at a time."""

from __future__ import annotations

import codecs
import csv
import io
import re
import zlib
from array import array
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
import scipy.sparse as sp

from genediff.core.errors import InputError
from genediff.data.importing.gene_ids import gene_side
from genediff.data.matrices.sparse_matrix import Matrix, MemoryMatrix

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

igzip: Any
isal_zlib: Any
_UNPACKING: tuple[type[Exception], ...] = (EOFError, OSError, ValueError, zlib.error)
try:
    from isal import igzip, isal_zlib

    _UNPACKING = (*_UNPACKING, isal_zlib.error)
except ImportError:  # the same, more slowly
    import gzip as igzip

Rows = Literal["cells", "genes"]
_MOST_BYTES = 2_000_000_000
_BOMB_BYTES, _BOMB_TIMES = 100_000_000, 200
"""Text of counts of which 99 in 100 are zero is packed 70 to 1."""
_GZIP = b"\x1f\x8b"
_OTHER_FILES = {
    _GZIP: "packed twice",
    b"PK": "an archive, or a spreadsheet that has to be saved as .csv",
    b"\x89HDF": "an HDF5 file",
}
_SAMPLE_BYTES, _SAMPLE_LINES = 1 << 22, 40
_BLOCK_VALUES = 4_000_000
_MOST_TEXT_COLUMNS = 60
_NAMES = {",": "comma", "\t": "tab", ";": "semicolon", "|": "bar", r"\s+": "space"}
_NO_NUMBER = {"", "na", "nan", "n/a", "null", "none", "<na>", "#n/a", "-nan", "inf", "-inf"}
_FEATURE_COUNTS = ["Chr", "Start", "End", "Strand", "Length"]
_QUALITY = re.compile(
    r"^(n_?(counts?|features?|genes?|umis?)(_\w+)?|(total|pct|percent)[._]\w+|detected|library_?sizes?|size_?factors?|"
    r"doublet_?scores?|(seurat_)?clusters?|leiden|louvain|(umap|t-?sne|pc)[-_ ]?\d+)$",
    re.IGNORECASE,
)
"""Columns that tools add to a table of cells, and that are no genes."""
_SUMS = re.compile(
    r"((grand|row|column|col)[-_ .]*)?(totals?|sum|mean|average)([-_ .]*(counts?|reads?|umis?))?$", re.IGNORECASE
)
_GCT = re.compile(r"#1\.[23]\s*$")
_MOST_TITLES = 10
_DATE = re.compile(r"\d{1,2}-(Mar|Sep|Dec|Apr|Oct)$|(Mar|Sep|Dec|Apr|Oct)-\d{1,2}$", re.IGNORECASE)
"""What spreadsheets make of MARCH1, SEPT7, DEC1, APR3 and OCT4."""
_LISTED = {
    "cell": re.compile(r"(cells?|barcodes?)([-_ ]?(ids?|names?|barcodes?))?$|cb$", re.IGNORECASE),
    "gene": re.compile(r"(genes?|features?)([-_ ]?(ids?|names?|symbols?))?$|symbol$|ensembl([-_ ]id)?$", re.IGNORECASE),
    "count": re.compile(r"(raw[-_ ]?|n[-_ ]?)?(counts?|umis?|reads?|molecules?)([-_ ]?counts?)?$|n$|values?$",
                        re.IGNORECASE),
}  # fmt: skip
"""Columns of a table with one line for each count of a gene in a cell."""


@dataclass(frozen=True)
class _Layout:
    """How a table is written: ``names`` of all columns but the first, which holds the names of rows (if ``named``).

    ``begins`` is the line of the first values; ``n_fields`` counts an empty one at the end of lines too; ``listed`` are
    the columns of cells, genes and counts where every line holds one count.
    """

    separator: str
    decimal: str
    encoding: str
    begins: int
    n_fields: int
    corner: str
    names: tuple[str, ...]
    named: bool
    text: tuple[int, ...]
    listed: tuple[int, int, int] | None


def read_table(path: Path, rows: Rows | None) -> tuple[pd.DataFrame, dict[str, Matrix], dict[str, pd.DataFrame], list]:
    """Read a table of numbers with the names of cells and genes; columns of text become columns of obs or var.

    Parameters
    ----------
    path
        Text, also gzip; what is inside counts and not the ending. The separator (comma, tab, semicolon, bar, spaces),
        a decimal comma and the encoding are found out. GCT is read, and a table with one line per cell and gene.
    rows
        What the rows are. Where it is not given the names decide.

    Returns
    -------
    tuple
        obs, the matrix at "X", var at "X", and notes.

    Raises
    ------
    InputError
        When it is no such table, or too large.
    """
    _check_size(path)
    layout = _layout(path)
    if layout.listed is not None:
        return _read_list(path, layout, layout.listed)
    names, numbers, texts = _read(path, layout)
    kept = [place for place in range(len(layout.names)) if place not in layout.text]
    columns = [layout.names[place] for place in kept]
    names, columns, numbers, texts, sums = _without_sums(names, columns, numbers, texts)
    drop = [place for place, name in enumerate(columns) if _is_annotation(name, columns)]
    notes = [f"Left out, since they add up others: {', '.join(sums)}."] if sums else []
    if layout.separator not in (",", "\t"):
        notes.append(f"The values are separated by {_NAMES[layout.separator]}s.")
    if rows is None and (rows := gene_side(names, columns, layout.corner)) is None:
        raise InputError(
            f"The rows of {path.name} could be cells or genes: neither side holds names that are known here. Say which "
            "they are (Rows of the table; on the command line --rows)."
        )
    turned = rows == "genes"
    if turned:
        notes.append("The table has one row per gene, so it was turned round.")
    if dates := [name for name in (names if turned else columns) if _DATE.match(name)]:
        notes.append(
            f"{len(dates)} genes are called like dates ({', '.join(dates[:3])}): a spreadsheet changed their names "
            "(SEPT7 to 7-Sep); export the table anew if you need them."
        )
    if drop:
        aside = {columns[place]: numbers[:, place].toarray().ravel() for place in drop}
        numbers = numbers[:, [place for place in range(len(columns)) if place not in set(drop)]]
        texts = texts.assign(**aside)
        columns = [name for place, name in enumerate(columns) if place not in set(drop)]
    side, other = texts.set_axis(names, axis=0), pd.DataFrame(index=pd.Index(columns, dtype=object))
    obs, var = (other, side) if turned else (side, other)
    matrix = MemoryMatrix(numbers.T if turned else numbers, file=path.name)
    return obs, {"X": matrix}, {"X": var}, notes


def _without_sums(
    names: list[str], columns: list[str], numbers: sp.csr_matrix, texts: pd.DataFrame
) -> tuple[list[str], list[str], sp.csr_matrix, pd.DataFrame, list[str]]:
    """Leave out rows and columns that hold totals: they would be a gene, or a cell, as large as all others together."""
    rows, places = ([not _SUMS.match(name.strip()) for name in side] for side in (names, columns))
    sums = [name for side, own in ((names, rows), (columns, places)) for name, one in zip(side, own, strict=True)
            if not one]  # fmt: skip
    if not sums:
        return names, columns, numbers, texts, sums
    return (
        [name for name, one in zip(names, rows, strict=True) if one],
        [name for name, one in zip(columns, places, strict=True) if one],
        numbers[np.flatnonzero(rows)][:, np.flatnonzero(places)],
        texts[rows].reset_index(drop=True),
        sums,
    )


def _is_annotation(name: str, columns: Sequence[str]) -> bool:
    return bool(_QUALITY.match(name)) or (name in _FEATURE_COUNTS and "Length" in columns and "Start" in columns)


# ------------------------------------------------------------------------------------------------------ the layout


def _layout(path: Path) -> _Layout:
    with _open(path) as file:
        head = file.read(_SAMPLE_BYTES)
    encoding = _encoding(path, head)
    text = head.decode(encoding, errors="replace")
    lines = re.split(r"\r\n|\r|\n", text)
    if len(head) == _SAMPLE_BYTES and len(lines) > 2:
        lines = lines[:-1]  # the last one is not whole
    _refuse_other_text(path, lines)
    begin = next((n for n, line in enumerate(lines) if line.strip() and not _is_comment(lines, n)), len(lines))
    n_texts, n_below = 0, 0
    is_gct = any(_GCT.match(line) for line in lines[: begin + 1])
    if is_gct:
        begin, n_texts, n_below = _gct(path, lines)
    begin, separator, fields, n_fields = _find_table(path, lines, begin)
    width = len(fields[1])
    header = ["", *fields[0]] if len(fields[0]) == width - 1 else fields[0]
    body = fields[1 + n_below :]
    decimal = "," if separator != "," and _decimal_commas(body) else "."
    numeric = [_number_share([line[place] for line in body], decimal) for place in range(width)]
    listed = _listed(header, body, numeric)
    if listed is not None and len(fields[0]) == width and _number_share([header[listed[2]]], decimal) == 1:
        begin -= 1  # there is no line of names
    named = listed is not None or not (
        numeric[0] == 1 and gene_side([], header[:1], "") == "cells" and len(fields[0]) == width
    )
    first = 1 if named else 0
    # Where a few fields of a column are no numbers, those are what is wrong: the column is not text.
    text_columns = tuple(place - first for place in range(first, width)
                         if numeric[place] < 0.5 or first <= place < first + n_texts)  # fmt: skip
    if listed is None and len(text_columns) > min(_MOST_TEXT_COLUMNS, max(n_texts, (width - first) // 2)):
        if len(text_columns) == width - first:
            raise _no_table(path, f"it holds words ({body[0][first][:20]!r}) and no counts")
        raise _no_table(path, f"column {text_columns[0] + first + 1} holds {body[0][text_columns[0] + first][:20]!r}")
    corner = "gene" if is_gct else header[0] if named else ""
    names = tuple(header[first:])
    return _Layout(
        separator, decimal, encoding, begin + 1 + n_below, n_fields, corner, names, named, text_columns, listed
    )


def _refuse_other_text(path: Path, lines: list[str]) -> None:
    first = next((line.strip() for line in lines if line.strip()), "")
    if re.match(r"<(!doctype|html|\?xml)", first, re.IGNORECASE):
        raise InputError(f"{path.name} is a page of a web site and no table; the download failed, so get it again.")
    if first.startswith("%%MatrixMarket"):
        raise InputError(f"{path.name} is a Matrix Market file: its names are in two others; read the folder with "
                         "scanpy.read_10x_mtx and write an .h5ad.")  # fmt: skip
    if first.startswith(("{", "[")):
        raise InputError(f"{path.name} is JSON and no table; write its counts as .h5ad or .csv.")


def _gct(path: Path, lines: list[str]) -> tuple[int, int, int]:
    """Return where a GCT file's names are, how many columns of text follow them, and how many lines of text."""
    start = next(n for n, line in enumerate(lines) if _GCT.match(line))
    sizes = (lines[start + 1] if len(lines) > start + 1 else "").split()
    if not 2 <= len(sizes) <= 4 or not all(size.isdecimal() and len(size) < 10 for size in sizes):
        raise _no_table(path, "its second line does not say its size, as that of a GCT file does")
    if lines[start].startswith("#1.2"):
        return start + 2, 1, 0
    n_texts, n_below = (int(size) for size in sizes[2:]) if len(sizes) == 4 else (0, 0)
    return start + 2, n_texts, n_below


def _find_table(path: Path, lines: list[str], begin: int) -> tuple[int, str, list[list[str]], int]:
    """Return the line of names (titles may stand above it), the separator, lines in fields, and the fields of a line.

    Of the last field, which is empty where lines end with a separator, nothing is left in the lines.
    """
    for skip in range(begin, min(begin + _MOST_TITLES, len(lines) - 1)):
        if not lines[skip].strip(" \t,;|") or re.match(r'"?sep=', lines[skip]):
            continue
        sample = [line for line in lines[skip : skip + _SAMPLE_LINES] if line.strip()]
        found = [(len(fields[1]), separator, fields) for separator in _NAMES
                 if len(sample) > 1 and (fields := _fields(sample, separator))]  # fmt: skip
        if not found:
            continue
        if any(separator == "\t" for _, separator, _ in found):
            found = [one for one in found if one[1] != r"\s+"]  # words beside one another are one description
        width, separator, fields = max(found, key=lambda one: one[0])
        if not any(fields[0][1:]) and width > 2:  # a title, and separators behind it
            continue
        if skip > begin and _number_share(fields[0][1:], ".") > 0:
            break  # values, and no names
        return skip, separator, _without_last(fields), width
    if sum(bool(line.strip()) for line in lines[begin:]) < 2:
        raise _no_table(path, "it has no line of values below its names")
    raise _no_table(path, "no separator (comma, tab, semicolon, bar, space) splits its lines into equal numbers")


def _without_last(fields: list[list[str]]) -> list[list[str]]:
    """Leave out the empty field behind a separator at the end of all lines, if the line of names has none there.

    Names counted from the left were those of the genes beside: the first column was called as the corner is.
    """
    width = len(fields[1])
    if width < 3 or any(line[-1].strip() for line in fields[1:]) or (len(fields[0]) == width and fields[0][-1].strip()):
        return fields
    head = fields[0][:-1] if len(fields[0]) == width else fields[0]
    return [head, *(line[:-1] for line in fields[1:])]


def _listed(header: list[str], body: list[list[str]], numeric: list[float]) -> tuple[int, int, int] | None:
    """Return the columns of cells, genes and counts where every line holds one count; None for other tables."""
    found = [next((n for n, name in enumerate(header) if pattern.match(name.strip())), -1)
             for pattern in _LISTED.values()]  # fmt: skip
    if min(found) >= 0 and len(set(found)) == 3 and numeric[found[2]] > 0.5:
        return found[0], found[1], found[2]
    if len(header) != 3 or numeric[0] > 0.5 or numeric[1] > 0.5 or numeric[2] < 1:
        return None
    one, other = ([line[place] for line in body] for place in (0, 1))
    if len(set(one)) == len(one) and len(set(other)) == len(other):
        return None  # genes by two names, of one sample
    side = gene_side(sorted(set(one)), sorted(set(other)), "")
    return None if side is None or len(set(one)) == len(one) else (1, 0, 2) if side == "genes" else (0, 1, 2)


def _no_table(path: Path, why: str) -> InputError:
    return InputError(
        f"{path.name} cannot be read as a table: {why}; it needs the names of cells and genes in its first row and "
        "column and only numbers elsewhere."
    )


def _is_comment(lines: list[str], number: int) -> bool:
    line, later = lines[number], lines[number + 1 : number + 3]
    return line.startswith("#") and any(_most_separated(other) > _most_separated(line) for other in later)


def _most_separated(line: str) -> int:
    return max(map(line.count, "\t,;| "))


def _encoding(path: Path, head: bytes) -> str:
    for mark, name in (
        (codecs.BOM_UTF8, "utf-8-sig"),
        (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"),
    ):
        if head.startswith(mark):
            return name
    if b"\0" in head:
        what = next((what for start, what in _OTHER_FILES.items() if head.startswith(start)), "no text")
        raise _no_table(path, f"it is {what}")
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return "latin-1"
    return "utf-8"


def _fields(lines: list[str], separator: str) -> list[list[str]] | None:
    """Split lines; None where that does not give a table: as many fields in each, in the first perhaps one less."""
    if separator == r"\s+":
        fields = [line.replace('"', "").split() for line in lines]
    else:
        try:
            fields = list(csv.reader(lines, delimiter=separator, skipinitialspace=True))
        except csv.Error:  # a field of more than 131,072 letters
            return None
    width = len(fields[1])
    equal = all(len(line) == width for line in fields[1:])
    return fields if width > 1 and equal and len(fields[0]) in (width, width - 1) else None


def _decimal_commas(body: list[list[str]]) -> bool:
    return any(re.fullmatch(r"-?\d+,\d+", value) for line in body for value in line[1:200])


def _number_share(values: list[str], decimal: str) -> float:
    """Return which part of the texts are numbers, or words for a missing one."""
    plain = (value.strip().replace(decimal, ".") if decimal == "," else value.strip() for value in values)
    return sum(map(_is_number, plain)) / max(1, len(values))


def _is_number(text: str) -> bool:
    if text.lower() in _NO_NUMBER:
        return True
    try:
        float(text)
    except ValueError:
        return False
    return "_" not in text


# ------------------------------------------------------------------------------------------------------ the values


def _read(path: Path, layout: _Layout) -> tuple[list[str], sp.csr_matrix, pd.DataFrame]:
    first = 1 if layout.named else 0
    text = [place + first for place in layout.text]
    numeric = [place for place in range(first, len(layout.names) + first) if place not in set(text)]
    names: list[str] = []
    words: list[list[str]] = []
    blocks, block = [], []
    for number, row in _rows(path, layout):
        names.append(row[0].replace("\0", "") if first else f"cell {len(names) + 1}")
        words.append([row[place] for place in text])
        block.append(_numbers(path, layout, number, row, numeric))
        if len(block) * len(numeric) > _BLOCK_VALUES:
            blocks.append(sp.csr_matrix(np.vstack(block)))
            block = []
    if block:
        blocks.append(sp.csr_matrix(np.vstack(block)))
    if not blocks:
        raise _no_table(path, "it has no line of values below its names")
    texts = pd.DataFrame(words, columns=[layout.names[place - first] for place in text], index=range(len(names)))
    return names, sp.vstack(blocks, format="csr"), texts.loc[:, ~texts.columns.duplicated()]


def _read_list(
    path: Path, layout: _Layout, listed: tuple[int, int, int]
) -> tuple[pd.DataFrame, dict[str, Matrix], dict[str, pd.DataFrame], list]:
    """Read a table with one line for each count of a gene in a cell, as umi_tools count writes it."""
    cell, gene, count = listed
    places: tuple[dict[str, int], dict[str, int]] = ({}, {})
    rows, columns, counts = array("i"), array("i"), array("f")
    for number, row in _rows(path, layout):
        rows.append(places[0].setdefault(row[cell].strip(), len(places[0])))
        columns.append(places[1].setdefault(row[gene].strip(), len(places[1])))
        counts.append(_numbers(path, layout, number, row, [count])[0])
    matrix = sp.coo_matrix(
        (np.array(counts), (np.array(rows), np.array(columns))), shape=tuple(map(len, places))
    ).tocsr()
    notes = ["Every line of the table is one count of a gene in a cell."]
    if repeated := len(counts) - matrix.nnz:
        notes.append(f"{repeated:,} of {len(counts):,} lines repeat a cell and gene; their counts were added up.")
    obs, var = (pd.DataFrame(index=pd.Index(list(names), dtype=object)) for names in places)
    return obs, {"X": MemoryMatrix(matrix, file=path.name)}, {"X": var}, notes


def _rows(path: Path, layout: _Layout) -> Iterator[tuple[int, list[str]]]:
    """Yield lines of values in fields, with their numbers; pandas takes ten times as long where genes are columns.

    Raises
    ------
    InputError
        When a line has other fields than the first ones.
    """
    width = len(layout.names) + layout.named
    with _open(path) as file, io.TextIOWrapper(file, layout.encoding, errors="replace", newline="") as text:
        for _ in range(layout.begins):
            next(text, None)
        if layout.separator == r"\s+":
            lines: Iterator[list[str]] = (line.replace('"', "").split() for line in text)
        else:
            lines = csv.reader(text, delimiter=layout.separator, skipinitialspace=True)
        try:
            for number, row in enumerate(lines, layout.begins + 1):
                if len(row) != layout.n_fields and len(row) != width:
                    if not any(row):
                        continue
                    raise _no_table(path, f"line {number:,} has {len(row)} values and not {width}")
                yield number, row
        except csv.Error:
            raise _no_table(path, "one of its fields has no end") from None


def _numbers(path: Path, layout: _Layout, number: int, row: list[str], places: list[int]) -> np.ndarray:
    """Return the numbers of a line at some places; missing ones are NaN."""
    values = [row[place] for place in places]
    if layout.decimal == ",":
        values = [value.replace(",", ".") for value in values]
    with np.errstate(over="ignore"):
        try:
            return np.array(values, dtype=np.float32)
        except ValueError:
            pass
        if (wrong := next((n for n, value in enumerate(values) if not _is_number(value.strip())), None)) is not None:
            raise _no_table(
                path, f"line {number:,} holds {values[wrong][:20]!r} in column {places[wrong] + 1}, where numbers are"
            )
        plain = (value.strip().lower() for value in values)
        return np.array([np.nan if value in _NO_NUMBER else float(value) for value in plain], dtype=np.float32)


def _check_size(path: Path) -> None:
    """Unpack a packed table to nowhere: that takes seconds where reading its numbers takes minutes."""
    with _open(path) as file:
        while file.read(1 << 20):
            pass


def _open(path: Path) -> IO[bytes]:
    size = path.stat().st_size
    with path.open("rb") as file:
        packed = file.read(2) == _GZIP
    most = _MOST_BYTES if not packed else min(_MOST_BYTES, max(_BOMB_BYTES, _BOMB_TIMES * size))
    return io.BufferedReader(_Limited(igzip.open(path) if packed else path.open("rb"), most, path.name), 1 << 20)


class _Limited(io.RawIOBase):
    """A file that is read up to some size, and no further."""

    def __init__(self, file: Any, most: int, name: str) -> None:
        self._file, self._left, self._most, self._name = file, most, most, name

    def too_large(self) -> InputError:
        return InputError(
            f"{self._name} is too large for a table of text (more than {self._most / 1e9:.1f} GB when unpacked); "
            "convert it to .h5ad (sparse) first."
        )

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            data = self._file.read(len(buffer))
        except _UNPACKING as error:
            raise InputError(f"{self._name} cannot be unpacked ({error}); copy or download it again.") from None
        self._left -= len(data)
        if self._left < 0:
            raise self.too_large()
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._file.close()
        super().close()
