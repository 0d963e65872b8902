"""Tokenization strategies: each is one file, and one line here, in the order of the page."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from genediff.errors import InputError
from genediff.tokenizers.base import Material, Posterior, Tokenizer, TokenLayout, option
from genediff.tokenizers.grn import GRN
from genediff.tokenizers.grn_latent import GRNLatent
from genediff.tokenizers.hybrid import LatentPathway
from genediff.tokenizers.latent import Latent
from genediff.tokenizers.mlp import MLP
from genediff.tokenizers.pathway import Pathway
from genediff.tokenizers.rank import Rank

if TYPE_CHECKING:
    from collections.abc import Mapping

NEEDS = {"gene_sets": "collection of gene sets", "network": "regulatory network"}

TOKENIZERS: dict[str, type[Tokenizer]] = {
    strategy.name: strategy for strategy in (Latent, Pathway, GRN, Rank, LatentPathway, GRNLatent, MLP)
}


def build_tokenizer(name: str, material: Material, options: Mapping[str, Any]) -> Tokenizer:
    """Return an untrained tokenizer for the genes of the material.

    Raises
    ------
    InputError
        For an unknown strategy, an option that it does not have, or knowledge that it needs and was not given.
    """
    if name not in TOKENIZERS:
        raise InputError(f"unknown tokenizer {name!r}; known: {', '.join(map(repr, sorted(TOKENIZERS)))}")
    strategy = TOKENIZERS[name]
    known = {f.name for f in dataclasses.fields(strategy.Config)}
    if unknown := sorted(set(options) - known):
        raise InputError(f"tokenizer {name!r} has no option {unknown[0]!r}; known: {', '.join(sorted(known))}")
    for need in strategy.needs:
        if getattr(material.knowledge, need) is None:
            raise InputError(f"{strategy.title} need a {NEEDS[need]}; choose one (model.{need})")
    return strategy(material, strategy.Config(**options))


__all__ = ["NEEDS", "TOKENIZERS", "Material", "Posterior", "TokenLayout", "Tokenizer", "build_tokenizer", "option"]
