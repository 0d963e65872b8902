"""Formats of network files: how each is told apart, and how its rows become edges.

A format looks at the first lines of a table and says why it recognises them, or nothing. The first that does is taken.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from genediff.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_SIGNS = {
    "activation": 1, "activator": 1, "activates": 1, "activating": 1, "positive": 1, "stimulation": 1, "up": 1, "+": 1,
    "true": 1, "induction": 1, "repression": -1, "repressor": -1, "represses": -1, "repressing": -1, "negative": -1,
    "inhibition": -1, "inhibits": -1, "down": -1, "-": -1,
}  # fmt: skip
NAMES: dict[str, tuple[str, ...]] = {
    "source": ("source_genesymbol", "source", "tf", "regulator", "regulator_symbol", "from", "transcription_factor",
               "tf_name", "regulator_gene", "node1", "gene1", "source_symbol", "protein1"),
    "target": ("target_genesymbol", "target", "target_gene", "target_symbol", "gene", "to", "target_genes",
               "genesymbol", "node2", "gene2", "gene_symbol", "symbol", "target_name", "protein2"),
    "weight": ("weight", "importance", "score", "combined_score", "confidence_score", "likelihood", "strength", "prob"),
    "sign": ("sign", "mor", "mode", "effect", "regulation", "mode_of_regulation", "direction", "type", "interaction"),
}  # fmt: skip
"""Names of columns that are understood without being told, in lower case, the best first."""


@dataclass(frozen=True, eq=False)
class Table:
    """A file as a table of text; where it has no header, ``header`` is empty and the columns are called 1, 2, …."""

    name: str
    header: tuple[str, ...]
    rows: pd.DataFrame

    @property
    def lower(self) -> tuple[str, ...]:
        """The header in lower case."""
        return tuple(column.lower() for column in self.header)


@dataclass(frozen=True)
class Format:
    """One format: its id, what people call it, how it is recognised (why, or None), and how it is read."""

    id: str
    title: str
    recognise: Callable[[Table], str | None]
    edges: Callable[[Table], pd.DataFrame]


def by_columns(table: Table, columns: Mapping[str, str]) -> pd.DataFrame:
    """Return edges from named columns ("source", "target", and where known "weight", "sign").

    Raises
    ------
    InputError
        When a column is not in the table, or source or target is not named.
    """
    if missing := [end for end in ("source", "target") if not columns.get(end)]:
        raise InputError(
            f"Say which column of {table.name} is the {missing[0]}; it has {', '.join(table.rows.columns)}."
        )
    given = {part: column for part, column in columns.items() if column}
    for part, column in given.items():
        if column not in table.rows.columns:
            raise InputError(
                f"{table.name} has no column {column!r} for the {part}; it has {', '.join(table.rows.columns)}."
            )
    edges = pd.DataFrame({part: table.rows[column] for part, column in given.items()})
    if "sign" in edges:
        edges["sign"] = edges["sign"].map(sign_of)
    return edges


def guess_columns(header: Sequence[str]) -> dict[str, str]:
    """Return which columns hold source, target, weight and sign, as far as their names say so."""
    lower = {column.strip().lower().lstrip("#").replace(" ", "_"): column for column in reversed(header)}
    guess: dict[str, str] = {}
    for part, names in NAMES.items():
        if found := next((lower[name] for name in names if name in lower and lower[name] not in guess.values()), None):
            guess[part] = found
    return guess


def sign_of(value: object) -> int:
    """Turn what files say of an edge (1, -1, "Repression", "+") into 1, -1 or 0 (unknown)."""
    text = str(value).strip().lower()
    if text in _SIGNS:
        return _SIGNS[text]
    try:
        number = float(text)
    except ValueError:
        return 0
    return int(number > 0) - int(number < 0)


# ----------------------------------------------------------------------------------------------- one by one


def _has(table: Table, *columns: str) -> bool:
    return set(columns) <= set(table.lower)


def _picked(table: Table, **columns: str) -> pd.DataFrame:
    name = dict(zip(table.lower, table.header, strict=True))
    return by_columns(table, {part: name[column] for part, column in columns.items()})


def _omnipath(table: Table) -> str | None:
    if _has(table, "source", "target", "sign", "curation_effort"):
        return "it has OmniPath's columns source, target, sign, curation_effort"
    if _has(table, "source_genesymbol", "target_genesymbol", "is_stimulation", "is_inhibition"):
        return "it has OmniPath's columns source_genesymbol, target_genesymbol, is_stimulation, is_inhibition"
    return None


def _omnipath_edges(table: Table) -> pd.DataFrame:
    if _has(table, "sign"):
        return _picked(table, source="source", target="target", sign="sign")
    edges = _picked(table, source="source_genesymbol", target="target_genesymbol")
    name = dict(zip(table.lower, table.header, strict=True))
    up, down = (table.rows[name[column]].str.strip().str.lower().isin(["1", "true", "1.0"]).astype(int)
                for column in ("is_stimulation", "is_inhibition"))  # fmt: skip
    return edges.assign(sign=up - down)


def _dorothea(table: Table) -> str | None:
    if _has(table, "tf", "target", "mor"):
        return "it has DoRothEA's columns tf, target, mor"
    if _has(table, "source", "target", "weight", "confidence"):
        return "it has the columns source, confidence, target, weight in which decoupler gives DoRothEA"
    return None


def _dorothea_edges(table: Table) -> pd.DataFrame:
    if _has(table, "mor"):
        return _picked(table, source="tf", target="target", sign="mor")
    edges = _picked(table, source="source", target="target", weight="weight")
    return edges.assign(sign=edges["weight"].map(sign_of))


def _collectri(table: Table) -> str | None:
    if _has(table, "source", "target", "weight") and "importance" not in table.lower:
        values = set(table.rows[table.header[table.lower.index("weight")]].head(1000))
        if values <= {"1", "-1", "1.0", "-1.0"}:
            return "it has the columns source, target, weight with weights of 1 and -1, as decoupler gives CollecTRI"
    return None


def _collectri_edges(table: Table) -> pd.DataFrame:
    edges = _picked(table, source="source", target="target", sign="weight")
    return edges.assign(weight=1.0)


def _adjacencies(table: Table) -> str | None:
    if _has(table, "tf", "target", "importance"):
        return "it has the columns TF, target, importance of SCENIC's adjacencies"
    return None


def _trrust(table: Table) -> str | None:
    if not table.header and table.rows.shape[1] == 4:
        said = set(table.rows["3"].str.lower().head(1000))
        if said <= {"activation", "repression", "unknown"}:
            return "it has four columns without a header, and Activation, Repression or Unknown in the third, as TRRUST"
    return None


def _trrust_edges(table: Table) -> pd.DataFrame:
    return by_columns(table, {"source": "1", "target": "2", "sign": "3"})


def _regnetwork(table: Table) -> str | None:
    if _has(table, "regulator_symbol", "target_symbol"):
        return "it has RegNetwork's columns regulator_symbol and target_symbol"
    if not table.header and table.rows.shape[1] == 4:
        ids = [table.rows[column].head(1000).str.fullmatch(r"\d+|MI(MA)?T\d+").mean() for column in ("2", "4")]
        if min(ids) > 0.9:
            return "it has four columns without a header, symbol, id, symbol, id, as RegNetwork"
    return None


def _regnetwork_edges(table: Table) -> pd.DataFrame:
    if table.header:
        return _picked(table, source="regulator_symbol", target="target_symbol")
    return by_columns(table, {"source": "1", "target": "3"})


def _regulons(table: Table) -> str | None:
    if {"TargetGenes", "AUC", "NES"} <= set(table.header):
        return "it has the columns TargetGenes, AUC and NES of pySCENIC's regulons"
    return None


def _regulons_edges(table: Table) -> pd.DataFrame:
    found = []
    signs = table.rows["Context"].str.contains("repressing").map({True: -1, False: 1})
    for regulator, targets, sign in zip(table.rows["TF"], table.rows["TargetGenes"], signs, strict=True):
        try:
            pairs = ast.literal_eval(targets)
            found += [(regulator, str(gene), float(weight), sign) for gene, weight in pairs]
        except (ValueError, SyntaxError, TypeError):
            raise InputError(
                f"The TargetGenes of {regulator} in {table.name} cannot be read; export it again."
            ) from None
    return pd.DataFrame(found, columns=["source", "target", "weight", "sign"])


def _chip_atlas(table: Table) -> str | None:
    if table.lower[:1] in (("target_genes",), ("target_gene",)) and any("|average" in name for name in table.lower):
        return "it has ChIP-Atlas's columns Target_genes and |Average"
    return None


def _chip_atlas_edges(table: Table) -> pd.DataFrame:
    column = next(name for name in table.header if "|average" in name.lower())
    edges = by_columns(table, {"target": table.header[0], "source": column, "weight": column})
    return edges.assign(source=column.split("|")[0])


def _named(table: Table) -> str | None:
    guess = guess_columns(table.header)
    if "source" in guess and "target" in guess:
        read = ", ".join(f"{column} as {part}" for part, column in guess.items())
        return f"its header names the columns: {read}"
    return None


def _plain(table: Table) -> str | None:
    if table.header or not 2 <= table.rows.shape[1] <= 3:
        return None
    if table.rows.shape[1] == 2:
        return "it has two columns without a header, taken as source and target"
    if pd.to_numeric(table.rows["3"], errors="coerce").notna().mean() > 0.99:
        return "it has three columns without a header, taken as source, target and weight"
    if table.rows["3"].map(sign_of).abs().mean() > 0.1:
        return "it has three columns without a header, taken as source, target and sign"
    return None


def _plain_edges(table: Table) -> pd.DataFrame:
    columns = {"source": "1", "target": "2"}
    if table.rows.shape[1] == 3:
        numbers = pd.to_numeric(table.rows["3"], errors="coerce").notna().mean() > 0.99
        columns["weight" if numbers else "sign"] = "3"
    return by_columns(table, columns)


FORMATS: tuple[Format, ...] = (
    Format("omnipath", "OmniPath table", _omnipath, _omnipath_edges),
    Format("dorothea", "DoRothEA", _dorothea, _dorothea_edges),
    Format("regulons", "pySCENIC regulons", _regulons, _regulons_edges),
    Format("adjacencies", "SCENIC adjacencies", _adjacencies,
           lambda table: _picked(table, source="tf", target="target", weight="importance")),
    Format("collectri", "CollecTRI as decoupler gives it", _collectri, _collectri_edges),
    Format("regnetwork", "RegNetwork", _regnetwork, _regnetwork_edges),
    Format("trrust", "TRRUST", _trrust, _trrust_edges),
    Format("chip_atlas", "ChIP-seq targets (ChIP-Atlas)", _chip_atlas, _chip_atlas_edges),
    Format("named", "table with named columns", _named,
           lambda table: by_columns(table, guess_columns(table.header))),
    Format("plain", "table without a header", _plain, _plain_edges),
)  # fmt: skip
"""Every format of tables, in the order in which they are tried."""

_SUFFIX = re.compile(r"\s*\((?:[+\-]|\d+g?)\)$|_extended.*$|\s*\(\d+g\)$")


def regulator_of(name: str) -> tuple[str, int]:
    """Return the regulator that a set of targets is named after, and the sign where the name says it.

    STAT1(+) and STAT1(12g) are names of SCENIC; "STAT1 20064451 ChIP-Seq …", STAT1_HELA_hg19 and STAT1_TARGET_GENES of
    collections of ChIP-seq targets.
    """
    sign = 1 if "(+)" in name else -1 if "(-)" in name else 0
    bare = _SUFFIX.sub("", _SUFFIX.sub("", name.strip()))
    return re.split(r"[\s_]", bare, maxsplit=1)[0], sign
