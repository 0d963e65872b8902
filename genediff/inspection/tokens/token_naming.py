"""Names for tokens that have none: which gene sets the genes that they drive are enriched in."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from genediff.core.stats import false_discovery_rates

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from genediff.inspection.tokens.output_effects import OutputEffects
    from genediff.knowledge import GeneSets

SIGNIFICANT = 0.05
LEAST_OVERLAP = 3
ENDS = ("up", "down")
COLUMNS = ("list", "set", "overlap", "size", "p_value", "fdr", "genes")


def enrich_lists(
    lists: Mapping[str, Sequence[str]],
    collection: GeneSets,
    background: Sequence[str],
    *,
    smallest: int = 5,
    progress: Callable[[float], None] = lambda share: None,
) -> pd.DataFrame:
    """Test gene lists for enrichment in a collection with gseapy, offline.

    Parameters
    ----------
    lists
        Name to genes.
    background
        All genes that could have been in a list: those of the model, not those of the genome.
    smallest
        Sets with fewer of the background's genes are passed over.

    Returns
    -------
    pandas.DataFrame
        One row per list and set that share a gene: ``list``, ``set``, ``overlap``, ``size`` (of the set among the
        background), ``p_value`` (one-sided hypergeometric), ``fdr`` and ``genes`` (those shared), by p-value. The false
        discovery rate is Benjamini and Hochberg's over *all* lists and sets together, sets without overlap included:
        who looks at many tokens must pay for all of them.
    """
    import gseapy

    sets = {name: list(genes) for name, genes in collection.within(background, smallest=smallest).sets.items()}
    parts = []
    quiet = logging.getLogger("gseapy")
    for i, (name, genes) in enumerate(lists.items()):
        if len(genes) and sets:
            quiet.setLevel(logging.CRITICAL)  # it logs an error where a list shares no gene with any set
            told = gseapy.enrich(
                gene_list=list(genes),
                gene_sets=sets,
                background=list(background),
                outdir=None,
                no_plot=True,
                cutoff=1.0,
            ).results
            if isinstance(told, pd.DataFrame) and len(told):
                parts.append(_tidy(told, name))
        progress((i + 1) / len(lists))
    if not parts:
        return pd.DataFrame({column: [] for column in COLUMNS})
    table = pd.concat(parts, ignore_index=True)
    missing = len(lists) * len(sets) - len(table)
    table["fdr"] = false_discovery_rates(np.concatenate([table["p_value"].to_numpy(float), np.ones(missing)]))[
        : len(table)
    ]
    return table.sort_values(["p_value", "set"], kind="stable", ignore_index=True)[list(COLUMNS)]


def lists_of(found: OutputEffects) -> dict[str, tuple[str, ...]]:
    """Return the genes at both ends of each token, the strongest first, under names such as "z0 up"."""
    out = {}
    inside = found.listed()  # (token, end, gene)
    for i, name in enumerate(found.names):
        for e, end in enumerate(ENDS):
            order = np.argsort(-found.change[i] if end == "up" else found.change[i], kind="stable")
            out[f"{name} {end}"] = tuple(found.genes[g] for g in order if inside[i, e, g])
    return out


def proposed(table: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """Return the name that each end of each token may carry.

    Parameters
    ----------
    table
        From `enrich_lists` on `lists_of`.
    names
        Of the tokens.

    Returns
    -------
    pandas.DataFrame
        Indexed by token: ``up``, ``up_fdr``, ``down``, ``down_fdr``. A name is the set with the smallest p-value whose
        false discovery rate is below 0.05 and that shares three genes or more; where there is none it is missing.
    """
    kept = table[(table["fdr"] < SIGNIFICANT) & (table["overlap"] >= LEAST_OVERLAP)].drop_duplicates("list")
    best = kept.set_index("list")
    rows = {}
    for name in names:
        row: dict[str, object] = {}
        for end in ENDS:
            there = f"{name} {end}" in best.index
            row[end] = best.at[f"{name} {end}", "set"] if there else None
            row[f"{end}_fdr"] = float(best.at[f"{name} {end}", "fdr"]) if there else float("nan")
        rows[name] = row
    return pd.DataFrame.from_dict(rows, orient="index", columns=["up", "up_fdr", "down", "down_fdr"])


def _tidy(told: pd.DataFrame, name: str) -> pd.DataFrame:
    shared = told["Overlap"].str.split("/", expand=True).astype(int)
    return pd.DataFrame(
        {
            "list": name,
            "set": told["Term"],
            "overlap": shared[0],
            "size": shared[1],
            "p_value": told["P-value"].astype(float),
            "fdr": np.nan,
            "genes": told["Genes"].str.split(";").map(tuple),
        }
    )
