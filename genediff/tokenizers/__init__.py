"""Tokenization strategies: each is one file, and one line here, in the order of the page.

``tokenizers.Pathway(gene_sets="hallmark")`` chooses one for a `genediff.GeneDiff`; the class itself is in its file.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from genediff.core.errors import InputError
from genediff.tokenizers import grn, grn_latent, hybrid, latent, mlp, pathway, rank
from genediff.tokenizers.base import Material, PartlyRead, Posterior, Tokenizer, TokenizerConfig, TokenLayout, option
from genediff.tokenizers.choice import Choose, Tokenization, chooser

if TYPE_CHECKING:
    from collections.abc import Mapping

    from genediff.tokenizers.statistics import Statistics

NEEDS = {"gene_sets": "collection of gene sets", "network": "regulatory network"}

TOKENIZERS: dict[str, type[Tokenizer]] = {
    strategy.name: strategy
    for strategy in (
        latent.Latent,
        pathway.Pathway,
        grn.GRN,
        rank.Rank,
        hybrid.LatentPathway,
        grn_latent.GRNLatent,
        mlp.MLP,
    )
}


def __getattr__(name: str) -> Choose:
    """Return what chooses a strategy by the name of its class: ``tokenizers.Pathway(gene_sets="hallmark")``."""
    for strategy in TOKENIZERS.values():
        if strategy.__name__ == name:
            return chooser(strategy)
    known = ", ".join(strategy.__name__ for strategy in TOKENIZERS.values())
    raise AttributeError(f"genediff.tokenizers has no {name!r}; strategies are {known}")


def __dir__() -> list[str]:
    return sorted([*globals(), *(strategy.__name__ for strategy in TOKENIZERS.values())])


def build_tokenizer(
    name: str, material: Material, options: Mapping[str, Any], *, training: Statistics | None = None
) -> Tokenizer:
    """Return a tokenizer for the genes of the material.

    Parameters
    ----------
    training
        What was measured on training cells, in the order of the genes; None where saved weights will be read.

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
    tokenizer = strategy(material, strategy.Config(**options))
    if training is not None:
        tokenizer.fit(training)
    return tokenizer


__all__ = [
    "NEEDS",
    "TOKENIZERS",
    "Material",
    "PartlyRead",
    "Posterior",
    "TokenLayout",
    "Tokenization",
    "Tokenizer",
    "TokenizerConfig",
    "build_tokenizer",
    "option",
]
