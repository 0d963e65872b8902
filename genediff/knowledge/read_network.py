"""Reading networks from files as they come: what format, why, and what was mended."""

from __future__ import annotations

import gzip
import io
import zlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from genediff.core.errors import InputError
from genediff.knowledge.files import read_text, split_rows
from genediff.knowledge.formats import FORMATS, NAMES, Table, by_columns, guess_columns, regulator_of
from genediff.knowledge.gmt import gmt_title, parse_gmt
from genediff.knowledge.identifiers import Mapped, map_ids, read_names
from genediff.knowledge.network import Network, make_network

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

STRING_SCORE = 700
"""STRING calls pairs from here "high confidence"; half of all pairs lie below 200."""
_SAMPLE_LINES = 50


@dataclass(frozen=True, eq=False)
class NetworkReading:
    """A network from a file.

    Attributes
    ----------
    network
        What was read.
    format
        What the file was taken for, in words.
    reason
        Why.
    notes
        What was left out or joined, in words, with numbers.
    unmapped
        Ids without a known symbol, whose edges were left out.
    """

    network: Network
    format: str
    reason: str
    notes: tuple[str, ...]
    unmapped: tuple[str, ...] = ()


def read_network(
    path: str | Path,
    *,
    columns: Mapping[str, str] | None = None,
    names: str | Path | Mapping[str, str] | None = None,
    string_score: int = STRING_SCORE,
    title: str = "",
    source: str = "",
    licence: str = "",
) -> NetworkReading:
    """Read a network from a file, gzipped or not, in whatever format it is recognised to have.

    Known are STRING's protein.links, RegNetwork, SCENIC's adjacencies and regulons (also as GMT), ChIP-seq targets (GMT
    and ChIP-Atlas tables), TRRUST, CollecTRI and DoRothEA (OmniPath's and decoupler's columns), and any table whose
    columns are named as usual or told.

    Parameters
    ----------
    path
        The file.
    columns
        Which columns are "source", "target", "weight" and "sign", by name or by number ("1") where the file has no
        header; then nothing is guessed.
    names
        Symbols of the ids in the file: a table, or a file such as STRING's protein.info.
    string_score
        Pairs of STRING with a lower combined score (0 to 1000) are left out.
    title, source, licence
        As in ``Network``.

    Raises
    ------
    InputError
        When there is no file, it is no table, no format fits, or no edge is left.
    """
    path = Path(path)
    table = read_names(names) if isinstance(names, str | Path) else names
    found = _read(path, columns, table, string_score)
    mapped = map_ids(found.edges, table)
    if mapped.edges.empty:
        raise InputError(
            f"None of the ids in {path.name} ({', '.join(mapped.unmapped[:3])}, …) has a known gene symbol; "
            "give a table of ids and symbols (for STRING its protein.info file)."
        )
    network = make_network(title or gmt_title(path), mapped.edges, source=source, licence=licence)
    notes = (*found.notes, *mapped.notes, *_merged(mapped, network))
    return NetworkReading(network, found.format, found.reason, notes, mapped.unmapped)


def read_table(path: str | Path) -> Table:
    """Return a network file as the table that it is, so that a reader can say what its columns mean.

    Raises
    ------
    InputError
        When there is no file, or it is no table.
    """
    path = Path(path)
    return _table(path, read_text(path), ())


@dataclass(frozen=True, eq=False)
class _Found:
    edges: pd.DataFrame
    format: str
    reason: str
    notes: tuple[str, ...] = ()


def _read(path: Path, columns: Mapping[str, str] | None, names: Mapping[str, str] | None, string_score: int) -> _Found:
    if _is_string(path):
        return _read_string(path, names, string_score)
    text = read_text(path)
    if columns is None and path.name.lower().removesuffix(".gz").endswith(".gmt"):
        return _read_targets(path, text)
    table = _table(path, text, {column for column in (columns or {}).values() if column})
    if columns is not None:
        return _Found(by_columns(table, columns), "table with columns as told", "you said which columns to read")
    for kind in FORMATS:
        if reason := kind.recognise(table):
            return _Found(kind.edges(table), kind.title, reason)
    row = ", ".join(text.splitlines()[0].split()[:8])
    raise InputError(
        f"{path.name} is no format that is known here; say which of its columns are source and target, by name or, "
        f"where they have none, by number (its first row: {row})."
    )


def _merged(mapped: Mapped, network: Network) -> tuple[str, ...]:
    edges = mapped.edges
    loops = int((edges["source"].str.strip() == edges["target"].str.strip()).sum())
    repeated = len(edges) - loops - len(network.edges)
    said = (
        (loops, "edges of a gene to itself were left out."),
        (repeated, "rows named an edge again (a complex stands for each of its members) or had no use."),
    )
    return tuple(f"{count:,} {what}" for count, what in said if count > 0)


# ------------------------------------------------------------------------------------------------------- tables


def _table(path: Path, text: str, told: Collection[str]) -> Table:
    lines = text.splitlines()
    if lines and lines[0].startswith(",,Enrichment"):
        return _regulon_table(path, lines)
    lines = [line for line in lines if line.strip() and not line.startswith("##")]
    separator = _separator(path, lines[:_SAMPLE_LINES])
    first = [cell.strip().lstrip("#").strip() for cell in next(split_rows(path.name, [lines[0]], separator))]
    header = first if _is_header(first) or (told and set(told) <= set(first)) else []
    body = "\n".join(lines[1:] if header else lines)
    if not body:
        raise InputError(f"{path.name} has a header but no rows; export it again.")
    try:
        rows = pd.read_csv(
            io.StringIO(body), sep=separator, header=None, dtype=str, keep_default_na=False, na_filter=False
        )
    except (pd.errors.ParserError, ValueError):
        raise InputError(f"{path.name} is no table: its rows have different numbers of columns.") from None
    if header:
        if rows.shape[1] == len(header) + 1:  # the index of a pandas table has no name
            rows = rows.iloc[:, 1:]
        if rows.shape[1] != len(header):
            raise InputError(f"{path.name} has {len(header)} names of columns, but {rows.shape[1]} columns.")
    rows.columns = pd.Index(header or [str(number + 1) for number in range(rows.shape[1])])
    return Table(path.name, tuple(header), rows)


def _separator(path: Path, lines: Sequence[str]) -> str:
    for separator in ("\t", ",", ";", " "):
        counts = Counter(line.count(separator) for line in lines)
        if 0 not in counts:
            return separator
    raise InputError(
        f"{path.name} is no table of two columns or more; columns need tabs, commas or spaces between them."
    )


def _is_header(cells: Sequence[str]) -> bool:
    names = {name for known in NAMES.values() for name in known}
    lower = [cell.lower().replace(" ", "_") for cell in cells]
    known = sum(cell in names for cell in lower)
    # One name may be a gene's (TF is transferrin), two are a header.
    return (
        known >= 2 or guess_columns(cells).keys() >= {"source", "target"} or any("|average" in cell for cell in lower)
    )


def _regulon_table(path: Path, lines: Sequence[str]) -> Table:
    """PySCENIC's regulons have three lines of header: groups, columns, and the names of the index."""
    header = next(split_rows(path.name, [lines[1]], ","))
    header[:2] = ["TF", "MotifID"]
    rows = list(split_rows(path.name, lines[3:], ","))
    if not rows or any(len(row) != len(header) for row in rows):
        raise InputError(f"{path.name} begins like pySCENIC's regulons, but its rows do not fit; export it again.")
    return Table(path.name, tuple(header), pd.DataFrame(rows, columns=header))


# ---------------------------------------------------------------------------------------------------- sets and STRING


def _read_targets(path: Path, text: str) -> _Found:
    reading = parse_gmt(text, title=path.name)
    rows: Counter[tuple[str, str, int]] = Counter()
    for name, targets in reading.gene_sets.sets.items():
        regulator, sign = regulator_of(name)
        rows.update((regulator, gene, sign) for gene in targets)
    edges = pd.DataFrame([(*key, count) for key, count in rows.items()], columns=["source", "target", "sign", "weight"])
    example = next(iter(reading.gene_sets.sets))
    reason = f"each line of a GMT file is one regulator's targets, so {example!r} is read as {regulator_of(example)[0]}"
    joined = len(reading.gene_sets.sets) - edges["source"].nunique()
    notes = (f"{joined:,} sets of a regulator that has another were joined; weights count the sets.",) if joined else ()
    return _Found(edges, "sets of targets (GMT)", reason, (*reading.notes, *notes))


def _is_string(path: Path) -> bool:
    if not path.is_file():
        return False
    first = _first_line(path)
    return first.split()[:2] == ["protein1", "protein2"] and "combined_score" in first


def _first_line(path: Path) -> str:
    try:
        with path.open("rb") as file:
            packed = file.read(2) == b"\x1f\x8b"
        opened = gzip.open(path, "rb") if packed else path.open("rb")
        with opened as lines:
            return lines.readline(4096).decode("utf-8", errors="replace")
    except (OSError, EOFError, zlib.error):
        return ""  # read_text says it better


def _read_string(path: Path, names: Mapping[str, str] | None, least: int) -> _Found:
    """Read STRING's links in pieces: the human file has 13 million rows, of which few are above the score."""
    if names is None:
        raise InputError(
            f"{path.name} names proteins; give STRING's file of their gene names too (9606.protein.info.v12.0.txt.gz)."
        )
    kept, total = [], 0
    try:
        pieces = pd.read_csv(
            path, sep=" ", usecols=["protein1", "protein2", "combined_score"], chunksize=500_000,
            compression="infer", dtype={"protein1": str, "protein2": str, "combined_score": int},
        )  # fmt: skip
        for piece in pieces:
            total += len(piece)
            kept.append(piece[piece["combined_score"] >= least])
    except (ValueError, OSError, EOFError, zlib.error):
        raise InputError(f"{path.name} begins like STRING's links, but is damaged; download it again.") from None
    edges = pd.concat(kept, ignore_index=True) if kept else pd.DataFrame()
    if edges.empty:
        raise InputError(f"No pair in {path.name} has a score of {least} or more; choose a lower one (0 to 1000).")
    edges.columns = pd.Index(["source", "target", "weight"])
    edges["weight"] /= 1000
    note = f"{total - len(edges):,} of {total:,} rows have a combined score below {least} and were left out."
    return _Found(
        edges, "STRING links", "its header begins with protein1 protein2 and has combined_score",
        (note, "STRING's pairs have no direction: each stands in both."),
    )  # fmt: skip
