"""Paths and their edges as files that other tools read."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

    from genediff.inspection.regulation.query import PathSearch

NAMESPACE = "http://graphml.graphdrawing.org/xmlns"


def to_tsv(table: pd.DataFrame) -> bytes:
    """Return a table as tab-separated UTF-8; lists of genes are joined by commas."""
    flat = table.copy()
    for column in flat.columns:
        if flat[column].map(lambda value: isinstance(value, tuple)).any():
            flat[column] = flat[column].map(",".join)
    return flat.to_csv(sep="\t", index=False).encode()


def to_graphml(answer: PathSearch) -> bytes:
    """Return the edges of an answer as GraphML (Cytoscape, Gephi, networkx), with all that is known of each."""
    root = ElementTree.Element("graphml", xmlns=NAMESPACE)
    kinds = {column: _kind(answer.edges[column]) for column in answer.edges if column not in ("source", "target")}
    names = {column: f"d{number}" for number, column in enumerate(kinds)}
    for column, kind in kinds.items():
        key = {"id": names[column], "for": "edge", "attr.name": column, "attr.type": kind}
        ElementTree.SubElement(root, "key", key)
    ElementTree.SubElement(root, "key", {"id": "asked", "for": "node", "attr.name": "asked", "attr.type": "boolean"})
    graph = ElementTree.SubElement(root, "graph", {"id": f"paths of {answer.gene}", "edgedefault": "directed"})
    for gene in dict.fromkeys([*answer.edges["source"], *answer.edges["target"]]):
        node = ElementTree.SubElement(graph, "node", id=str(gene))
        ElementTree.SubElement(node, "data", key="asked").text = str(gene == answer.gene).lower()
    for number, row in enumerate(answer.edges.to_dict("records")):
        ends = {"id": f"e{number}", "source": str(row["source"]), "target": str(row["target"])}
        edge = ElementTree.SubElement(graph, "edge", ends)
        for column, key_id in names.items():
            if row[column] == row[column]:  # what is not known is left out
                ElementTree.SubElement(edge, "data", key=key_id).text = str(row[column])
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)


def _kind(values: pd.Series) -> str:
    if np.issubdtype(values.dtype, np.integer):
        return "int"
    return "double" if np.issubdtype(values.dtype, np.floating) else "string"
