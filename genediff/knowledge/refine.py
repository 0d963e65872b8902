"""A known network together with the edges that the data propose."""

from __future__ import annotations

import numpy as np

from genediff.knowledge.network import COLUMNS, Network


def refine(prior: Network, inferred: Network) -> Network:
    """Return the union of two networks; the column ``provenance`` says "prior", "data" or "both" for each edge.

    An edge of both keeps the prior's weight, and the prior's sign unless that is unknown. Weights of edges from data
    are brought to the prior's scale: the same median.
    """
    scale = float(np.median(prior.edges["weight"]) / np.median(inferred.edges["weight"]))
    ends = ["source", "target"]
    merged = prior.edges[list(COLUMNS)].merge(
        inferred.edges[list(COLUMNS)], on=ends, how="outer", suffixes=("_prior", "_data"), indicator=True, sort=True
    )
    edges = merged[ends].copy()
    edges["weight"] = merged["weight_prior"].fillna(merged["weight_data"] * scale)
    known = merged["sign_prior"].fillna(0)
    edges["sign"] = known.where(known != 0, merged["sign_data"].fillna(0)).astype(np.int8)
    edges["provenance"] = merged["_merge"].astype(str).map({"left_only": "prior", "right_only": "data", "both": "both"})
    said = " and ".join(dict.fromkeys(text for text in (prior.source, inferred.source) if text))
    return Network(f"{prior.title} + {len(inferred.edges):,} edges from data", edges, said, prior.licence)
