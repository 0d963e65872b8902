"""What a strategy is built on: the reader chooses gene sets and a network, known ones or found in the cells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from genediff.tokenizers import TOKENIZERS
from genediff.training.presets import DEFAULT_KNOWLEDGE
from genediff.ui.kit import caching, choices
from genediff.ui.kit.library_list import LibraryList
from genediff.ui.knowledge import knowledge_upload

if TYPE_CHECKING:
    from genediff.data import Dataset
    from genediff.knowledge import Library, LibraryItem
    from genediff.knowledge.library import Kind

MODULES, INFERRED = "nmf", "inferred"  # choices beside the ids of the library, which may not be called so


def ask(strategy: str, dataset: Dataset) -> dict[str, Any]:
    """Draw the choices for what a strategy needs; returns fields of ``ModelConfig`` (none where it needs nothing)."""
    needs = TOKENIZERS[strategy].needs
    if not needs:
        return {}
    library = caching.workspace().library()
    known: dict[str, Any] = {}
    with st.container(border=True):
        st.markdown("**Prior knowledge**")
        if "gene_sets" in needs:
            known["gene_sets"] = gene_sets(library, dataset)
        if "network" in needs:
            known["network"] = network(library, dataset)
        known["shuffled"] = st.checkbox(
            "Shuffled control",
            key="shuffled",
            bind="query-params",
            help="Randomises set membership or edges, keeping set sizes and degrees. If a model does as well with "
            "it, there is no evidence that the biological prior helps.",
        )
    return known


def gene_sets(library: Library, dataset: Dataset) -> str:
    """Let the reader choose gene sets; returns what ``resolve_knowledge`` takes: an id, or "nmf:30"."""
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
                help="Groups of co-expressed genes, computed from the training cells when the run starts.",
            )  # fmt: skip
        return f"nmf:{wanted}"
    with number:
        knowledge_upload.gene_sets_button(library)
    _delete(library, "gene_sets", chosen)
    return chosen


def network(library: Library, dataset: Dataset) -> str:
    """Let the reader choose a network; returns an id, "inferred:5000", or both with a plus."""
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
            _delete(library, "network", chosen)
        if chosen == INFERRED or refined:
            usual = min(5 * dataset.info.n_genes, 20_000)
            n_edges = st.number_input(
                "Inferred edges", 10, 500_000, usual, step=1000, key="edges", bind="query-params",
                help="The strongest associations of regulators and genes in the training cells, computed when the run "
                "starts: co-variation, not causation.",
            )  # fmt: skip
            return f"inferred:{n_edges}" if chosen == INFERRED else f"{chosen}+inferred:{n_edges}"
    return chosen


def _titles(items: list[LibraryItem], unit: str) -> dict[str, str]:
    return {item.id: f"{item.title} · {item.n:,} {unit}{'' if item.shipped else ' · your own'}" for item in items}


def _delete(library: Library, kind: Kind, chosen: str) -> None:
    """Offer to delete the chosen one where it is the reader's own, and to undo the last deletion of this kind."""

    def forget(_: str) -> None:
        choices.forget(kind)
        st.query_params.pop(kind, None)

    own = LibraryList(
        kind, kind.replace("_", " "), library.delete, library.restore,
        when_deleted=forget, when_restored=lambda item_id: choices.choose(kind, item_id),
    )  # fmt: skip
    item = next((one for one in library.list(kind) if one.id == chosen and not one.shipped), None)
    if item is not None:
        own.delete_button(item.id, item.title, help="Models that were trained on it keep their copy.")
    own.messages()
