"""What the chosen gene sets or network say about the genes of a data set, before anything is trained on them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from genediff.core.errors import InputError
from genediff.knowledge.knowledge_spec import INFERRED, MODULES
from genediff.plots.knowledge_plots import Share, coverage_bars
from genediff.tokenizers import TOKENIZERS
from genediff.ui.kit import caching, explain, figures, forms

if TYPE_CHECKING:
    from genediff.data import Dataset
    from genediff.knowledge import Coverage, NetworkCoverage
    from genediff.models.config import RunConfig

FEW_SETS, FEW_GENES = 5, 0.1  # below: sets that are kept, share of genes in a set or with a regulator


def show(config: RunConfig, dataset: Dataset) -> None:
    """Draw the coverage of a run's knowledge in words and as bars, and warn where next to nothing matches."""
    model = config.model
    try:
        if model.gene_sets is not None:
            _sets(model.gene_sets, _smallest(config), dataset)
        if model.network is not None:
            _network(model.network, dataset)
    except InputError as error:
        explain.show_input_error(error)


def _sets(wanted: str, smallest: int, dataset: Dataset) -> None:
    if found := MODULES.fullmatch(wanted):
        st.caption(
            f"{found[1]} modules of co-expressed genes will be computed from the training cells when the run starts, "
            "and "
            "named by their genes and matching known sets. Modules cover all genes, but describe co-expression in "
            "these "
            "cells, not pathways."
        )
        return
    found_coverage = set_coverage(wanted, dataset, smallest=smallest)
    if too_few_sets(found_coverage):
        _warn_of_sets(found_coverage)
    named = found_coverage.n_genes - found_coverage.n_uncovered
    figures.show_figure(
        coverage_bars(
            [
                Share(
                    "Genes of these cells",
                    (
                        ("in a set that is kept", named),
                        ("in no kept set", found_coverage.n_present - named),
                        ("unknown to it", found_coverage.n_genes - found_coverage.n_present),
                    ),
                ),
                Share(
                    "Sets",
                    (("kept", found_coverage.n_kept), ("too small", found_coverage.n_sets - found_coverage.n_kept)),
                ),
            ]
        ),
        how_to_read=f"{explain.plain(found_coverage.sentence)} Genes in no kept set are encoded by unnamed residual "
        "tokens. Coverage does not show whether these sets are active in these cells.",
        name="coverage-sets",
    )


def _network(wanted: str, dataset: Dataset) -> None:
    found = INFERRED.fullmatch(wanted)
    prior = found["prior"] if found else wanted
    if found:
        more = "will be added" if prior else "will be the network"
        st.caption(
            f"The {int(found['edges']):,} strongest associations in the training cells {more} when the run starts: "
            "co-variation, not causation."
        )
    if not prior:
        return
    coverage = network_coverage(prior, dataset)
    if too_few_edges(coverage):
        _warn_of_edges(coverage)
    with_regulator = coverage.n_genes - coverage.n_without
    figures.show_figure(
        coverage_bars(
            [
                Share("Genes of these cells", (("with a regulator", with_regulator), ("without", coverage.n_without))),
                Share("Edges", (("kept", coverage.n_kept), ("of other genes", coverage.n_edges - coverage.n_kept))),
            ]
        ),
        how_to_read=f"{explain.plain(coverage.sentence)} A gene without a regulator attends only to itself. Coverage "
        "does not show whether an edge is active in these cells.",
        name="coverage-network",
    )  # fmt: skip


def set_coverage(wanted: str, dataset: Dataset, *, smallest: int) -> Coverage:
    """Return what a collection of the library says about the genes of a data set; kept for the next look."""
    return _set_coverage(str(caching.workspace().root), wanted, dataset.info.content_hash, smallest, dataset)


def network_coverage(wanted: str, dataset: Dataset) -> NetworkCoverage:
    """Return what a network of the library says about the genes of a data set; kept for the next look."""
    return _network_coverage(str(caching.workspace().root), wanted, dataset.info.content_hash, dataset)


def too_few_sets(found: Coverage) -> bool:
    """Whether next to none of the genes would have a named token."""
    return found.n_kept < FEW_SETS or found.n_genes - found.n_uncovered < FEW_GENES * found.n_genes


def too_few_edges(found: NetworkCoverage) -> bool:
    """Whether next to none of the genes would have a regulator."""
    return min(found.n_kept, found.n_genes - found.n_without) < FEW_GENES * found.n_genes


def _warn_of_sets(found: Coverage) -> None:
    kept = "No set has" if not found.n_kept else f"Only {found.n_kept:,} of {found.n_sets:,} sets have"
    st.warning(
        f"**{explain.plain(found.title)} covers few genes of these cells.** {kept} at least {found.smallest} of the "
        f"{found.n_genes:,} genes, and {found.n_uncovered:,} genes would be encoded by unnamed tokens. "
        f"{found.hint}\n\n"
        "Options: import the data with more genes (Data page) · a larger collection, such as Reactome or GO · "
        "*NMF modules of these cells*, which fit any genes · a lower *Smallest set* among the options below · latent "
        "or rank tokens, which need no sets.",
        icon=":material/warning:",
    )


def _warn_of_edges(found: NetworkCoverage) -> None:
    kept = "No edge joins" if not found.n_kept else f"Only {found.n_kept:,} edges join"
    st.warning(
        f"**{explain.plain(found.title)} covers few genes of these cells.** {kept} two of the {found.n_genes:,} "
        "genes, so "
        f"{found.n_without:,} of them would have no regulator. {found.hint}\n\n"
        "Options: import the data with more genes, including regulators (Data page) · another network · "
        "*Inferred from these cells*, alone or as a refinement · latent or rank tokens, which need no network.",
        icon=":material/warning:",
    )


def _smallest(config: RunConfig) -> int:
    """Return how many genes a set needs in this run: the strategy's own option where it has one."""
    option = forms.options(TOKENIZERS[config.model.tokenizer].Config).get("smallest")
    return int(config.model.tokenizer_options.get("smallest") or (option.default if option else 5))


@st.cache_data(max_entries=64, show_spinner="Comparing genes …")
def _set_coverage(home_folder: str, wanted: str, content: str, smallest: int, _dataset: Dataset) -> Coverage:
    return caching.workspace().library().gene_sets(wanted).coverage(_dataset.genes, smallest=smallest)


@st.cache_data(max_entries=64, show_spinner="Comparing genes …")
def _network_coverage(home_folder: str, wanted: str, content: str, _dataset: Dataset) -> NetworkCoverage:
    return caching.workspace().library().network(wanted).coverage(_dataset.genes)
