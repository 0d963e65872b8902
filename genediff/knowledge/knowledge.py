"""The knowledge that a model is built from, and its compact JSON in the model's folder."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from genediff.core.errors import InputError
from genediff.core.json_files import parse
from genediff.knowledge.gene_sets import GeneSets
from genediff.knowledge.network import COLUMNS, Network

FORMAT_VERSION = 1


@dataclass(frozen=True, eq=False)
class Knowledge:
    """Gene sets and a network, either of which may be missing.

    In a model they are already restricted to the model's genes.
    """

    gene_sets: GeneSets | None = None
    network: Network | None = None

    def to_json(self) -> str:
        """Write everything as text: each gene's name once, sets and edges as its positions."""
        genes: dict[str, int] = {}
        content: dict[str, Any] = {"format_version": FORMAT_VERSION, "genes": genes}
        if self.gene_sets is not None:
            content["gene_sets"] = _pack_sets(self.gene_sets, genes)
        if self.network is not None:
            content["network"] = _pack_network(self.network, genes)
        content["genes"] = list(genes)
        return json.dumps(content, separators=(",", ":"), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Knowledge:
        """Read what ``to_json`` wrote.

        Raises
        ------
        InputError
            When the text is none, or of a newer format.
        """
        try:
            content = parse(text)
            version = content["format_version"]
            if not isinstance(version, int) or version > FORMAT_VERSION:
                raise InputError(
                    f"This knowledge has format {version!r} and this genediff reads up to {FORMAT_VERSION}; "
                    "update genediff."
                )
            genes = np.array(content["genes"], dtype=object)
            sets, network = content.get("gene_sets"), content.get("network")
            return cls(
                _unpack_sets(sets, genes) if sets else None,
                _unpack_network(network, genes) if network else None,
            )
        except InputError:
            raise
        except (ValueError, KeyError, TypeError, IndexError, AttributeError):
            raise InputError("The stored knowledge cannot be read; export the model again.") from None


def _positions(names: list[str], genes: dict[str, int]) -> list[int]:
    return [genes.setdefault(name, len(genes)) for name in names]


def _pack_sets(sets: GeneSets, genes: dict[str, int]) -> dict[str, Any]:
    return {
        "title": sets.title,
        "source": sets.source,
        "licence": sets.licence,
        "sets": {name: _positions(list(members), genes) for name, members in sets.sets.items()},
        "descriptions": dict(sets.descriptions),
    }


def _unpack_sets(packed: dict[str, Any], genes: np.ndarray) -> GeneSets:
    names = genes.tolist()
    sets = {name: tuple(names[position] for position in members) for name, members in packed["sets"].items()}
    return GeneSets(packed["title"], sets, packed["source"], packed["licence"], packed["descriptions"])


def _pack_network(network: Network, genes: dict[str, int]) -> dict[str, Any]:
    edges = network.edges
    return {
        "title": network.title,
        "source": network.source,
        "licence": network.licence,
        "columns": list(edges.columns),
        "values": [
            _positions(edges[column].tolist(), genes) if column in ("source", "target") else edges[column].tolist()
            for column in edges.columns
        ],
    }


def _unpack_network(packed: dict[str, Any], genes: np.ndarray) -> Network:
    values = dict(zip(packed["columns"], packed["values"], strict=True))
    for end in ("source", "target"):
        values[end] = genes[np.asarray(values[end], dtype=np.int64)]
    edges = pd.DataFrame(values, columns=packed["columns"])
    edges = edges.astype({"weight": np.float64, "sign": np.int8})
    assert set(COLUMNS) <= set(edges.columns)
    return Network(packed["title"], edges, packed["source"], packed["licence"])
