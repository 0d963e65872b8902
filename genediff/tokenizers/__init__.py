"""Tokenization strategies: each is one file, and one line here, in the order of the page."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from genediff.errors import InputError
from genediff.tokenizers.base import Posterior, Tokenizer, TokenLayout, option
from genediff.tokenizers.latent import Latent

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

TOKENIZERS: dict[str, type[Tokenizer]] = {strategy.name: strategy for strategy in (Latent,)}


def build_tokenizer(name: str, genes: Sequence[str], options: Mapping[str, Any]) -> Tokenizer:
    """Return an untrained tokenizer for these genes.

    Raises
    ------
    InputError
        For an unknown strategy or an option that it does not have.
    """
    if name not in TOKENIZERS:
        raise InputError(f"unknown tokenizer {name!r}; known: {', '.join(map(repr, sorted(TOKENIZERS)))}")
    strategy = TOKENIZERS[name]
    known = {f.name for f in dataclasses.fields(strategy.Config)}
    if unknown := sorted(set(options) - known):
        raise InputError(f"tokenizer {name!r} has no option {unknown[0]!r}; known: {', '.join(sorted(known))}")
    return strategy(genes, strategy.Config(**options))


__all__ = ["TOKENIZERS", "Posterior", "TokenLayout", "Tokenizer", "build_tokenizer", "option"]
