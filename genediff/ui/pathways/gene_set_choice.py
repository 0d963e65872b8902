"""Which activations the Pathways page shows: the model's tokens, decoded expression, or the cells alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from genediff.core.errors import InputError
from genediff.plots.set_names import short_name
from genediff.tokenizers import TOKENIZERS
from genediff.training.presets import DEFAULT_KNOWLEDGE
from genediff.ui.kit import caching, choices, explain, inspection_cache, layout
from genediff.ui.pathways import pathways_data
from genediff.ui.pathways.pathways_data import CELLS, DECODED, TOKENS

if TYPE_CHECKING:
    from genediff.data import Dataset
    from genediff.models.model_info import ModelInfo
    from genediff.ui.pathways.pathways_data import Scored

WORDS = {TOKENS: "The model's tokens", DECODED: "Decoded expression", CELLS: "The cells alone"}
MEANINGS = {
    TOKENS: "Activation: the token's mean contribution to the genes of its set in the model's decoder; zero is the "
    "average cell.",
    DECODED: "Mean decoded expression of a set's genes, after encoding and decoding the cell. No token of this model "
    "is a gene set, so this shows what the model retains of a pathway.",
    CELLS: "Score of the measured genes of a set against all others (ULM), computed without the model.",
}


def choose(info: ModelInfo, dataset: Dataset) -> Scored:
    """Let the reader choose a source, and gene sets where the model has none of its own; return the activations."""
    own = pathways_data.named_sets(info)
    sources = _sources(info, named=own is not None)
    left, right = st.columns([0.6, 0.4], vertical_alignment="bottom")
    with left:
        source = st.segmented_control(
            "Activations of",
            sources,
            default=sources[0],
            required=True,
            format_func=lambda one: WORDS[one],
            key="source",
            bind="query-params",
        )
    source = source if source in sources else sources[0]
    with right:
        collection = _collection() if source != TOKENS else ""
    if own is None:
        _why_not(info)
    try:
        found = pathways_data.scored(info, dataset, source, collection)
    except InputError as error:
        explain.show_input_error(error)
        st.stop()
    some = f" {len(found.rows):,} of {found.n_cells:,} cells are shown, drawn at random." if found.sampled else ""
    other_space = (
        f" This model works in {info.config.model.space_name}: activations are those of the encoder on the clean cell, "
        "and their sign and size mean less than in latent space."
        if source == TOKENS and info.space != "latent"
        else ""
    )
    which = f"{len(own.sets):,} tokens of {explain.plain(own.title)}. " if source == TOKENS and own is not None else ""
    st.caption(which + MEANINGS[source] + other_space + some)
    return found


def pathway(scored: Scored, first: str, *, label: str = "Pathway") -> str:
    """Let the reader choose one pathway; the same one on all views. ``first`` stands there until one is chosen."""
    titles = {name: short_name(name, width=60) for name in scored.names}
    if st.query_params.get("pathway", first) not in titles:
        choices.forget("pathway")  # a pathway of another collection
        st.query_params.pop("pathway", None)
    return choices.select(label, titles, key="pathway", default=first)


def methods(scored: Scored) -> str:
    """Return how activations were computed, for a methods section."""
    how = {
        TOKENS: "Pathway activations are the mean contribution of a pathway's token to the logits of its genes",
        DECODED: "Pathway scores are the mean standardised expression of a set's genes as the model decodes it",
        CELLS: "Pathway scores are t values of a univariate linear model of standardised expression on membership",
    }[scored.source]
    return (
        f"{how} ({len(scored.names)} sets of {scored.sets.title}, {len(scored.rows):,} cells). Groups are compared by "
        "the Mann-Whitney test with the AUC and its interval (DeLong 1988, logit scale) and Benjamini-Hochberg false "
        "discovery rates; agreement is Spearman's correlation with an independent score, against random sets of genes "
        "of the same expression (FDR over tokens, r of 0.3 or more, 0.1 or more within cell types)."
    )


def _sources(info: ModelInfo, *, named: bool) -> list[str]:
    if named:
        return [TOKENS, CELLS]
    return [DECODED, CELLS] if info.space == "latent" else [CELLS]


def _collection() -> str:
    items = {item.id: item.title for item in caching.workspace().library().list("gene_sets")}
    if not items:
        st.info("There are no gene sets here; add some on the Train page.")
        st.stop()
    first = DEFAULT_KNOWLEDGE["gene_sets"]
    return choices.select("Gene sets", items, key="gene_sets", default=first if first in items else None)


def _why_not(info: ModelInfo) -> None:
    title = TOKENIZERS[info.strategy].title
    kinds = [name for name, kind in TOKENIZERS.items() if "gene_sets" in kind.needs]
    instead = (
        "so decoded expression of each set's genes is shown"
        if info.space == "latent"
        else f"and in {info.config.model.space_name} cells are not decoded from tokens, so scores of the cells alone "
        "are shown"
    )
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(
            f":material/info: This model was trained with **{title}**: no token is a gene set, {instead}. For pathways "
            "as tokens, train:",
            width="content",
        )
        for name in kinds:
            layout.link("train", TOKENIZERS[name].title, extra={"strategy": name})


def key(info: ModelInfo, dataset: Dataset, scored: Scored) -> tuple[str, ...]:
    """Return what names these activations in a cache."""
    return (*inspection_cache.key(info, dataset), scored.source, scored.sets.title)
