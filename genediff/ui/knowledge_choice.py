"""What a strategy is built on: the reader chooses gene sets and a network, known ones or found in the cells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from genediff.presets import DEFAULT_KNOWLEDGE
from genediff.tokenizers import TOKENIZERS
from genediff.ui import caching, choices, knowledge_delete, knowledge_upload

if TYPE_CHECKING:
    from genediff.data import Dataset
    from genediff.knowledge import Library, LibraryItem

MODULES, INFERRED = "nmf", "inferred"  # choices beside the ids of the library, which may not be called so


def ask(strategy: str, dataset: Dataset) -> dict[str, Any]:
    """Draw the choices for what a strategy needs; returns fields of ``ModelConfig`` (none where it needs nothing)."""
    needs = TOKENIZERS[strategy].needs
    if not needs:
        return {}
    library = caching.workspace().library()
    known: dict[str, Any] = {}
    with st.container(border=True):
        st.markdown("**What it knows of biology beforehand**")
        if "gene_sets" in needs:
            known["gene_sets"] = gene_sets(library, dataset)
        if "network" in needs:
            known["network"] = network(library, dataset)
        known["shuffled"] = st.checkbox(
            "Shuffled control",
            key="shuffled",
            bind="query-params",
            help="Deals genes out to sets, or targets to regulators, at random, with the same sizes and numbers of "
            "edges. A model that is as good with it gains nothing from the biology.",
        )
    return known


def gene_sets(library: Library, dataset: Dataset) -> str:
    """Let the reader choose gene sets; returns what ``gather`` takes: an id, or "nmf:30"."""
    titles = _titles(library.list("gene_sets"), "sets")
    titles[MODULES] = "NMF modules of these cells"
    first = DEFAULT_KNOWLEDGE["gene_sets"]
    pick, number = st.columns([0.6, 0.4])
    with pick:
        chosen = choices.select("Gene sets", titles, key="gene_sets", default=first if first in titles else None)
    if chosen == MODULES:
        with number:
            most = max(2, min(300, dataset.info.n_genes - 1))
            wanted = st.number_input(
                "Number of modules", 2, most, min(30, most), key="modules", bind="query-params",
                help="Groups of genes that rise and fall together in the training cells, found when the run starts.",
            )  # fmt: skip
        return f"nmf:{wanted}"
    with number:
        knowledge_upload.gene_sets_button(library)
    knowledge_delete.button(library, "gene_sets", chosen)
    return chosen


def network(library: Library, dataset: Dataset) -> str:
    """Let the reader choose a network; returns what ``gather`` takes: an id, "inferred:5000", or both with a plus."""
    titles = _titles(library.list("network"), "edges")
    titles[INFERRED] = "Inferred from these cells"
    first = DEFAULT_KNOWLEDGE["network"]
    pick, number = st.columns([0.6, 0.4])
    with pick:
        chosen = choices.select("Network", titles, key="network", default=first if first in titles else None)
        refined = chosen != INFERRED and st.checkbox(
            "Refine it with edges inferred from these cells", key="refined", bind="query-params"
        )
    with number:
        if chosen != INFERRED:
            knowledge_upload.network_button(library)
            knowledge_delete.button(library, "network", chosen)
        if chosen == INFERRED or refined:
            usual = min(5 * dataset.info.n_genes, 20_000)
            n_edges = st.number_input(
                "Edges from these cells", 10, 500_000, usual, step=1000, key="edges", bind="query-params",
                help="The strongest edges from regulators to genes in the training cells, found when the run starts. "
                "They say what varies together, not what causes what.",
            )  # fmt: skip
            return f"inferred:{n_edges}" if chosen == INFERRED else f"{chosen}+inferred:{n_edges}"
    return chosen


def _titles(items: list[LibraryItem], unit: str) -> dict[str, str]:
    return {item.id: f"{item.title} · {item.n:,} {unit}{'' if item.shipped else ' · your own'}" for item in items}
