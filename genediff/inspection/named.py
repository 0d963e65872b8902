"""Which tokens of a model are gene sets with a name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from genediff.tokenizers.hybrid import LatentPathway
from genediff.tokenizers.pathway import Pathway

if TYPE_CHECKING:
    from genediff.knowledge import GeneSets
    from genediff.model import GeneDiff
    from genediff.tokenizers import Tokenizer


def named_sets(model: GeneDiff) -> GeneSets | None:
    """Return the sets that the first tokens of a model stand for, in their order; None where none has such a name."""
    part = _pathways(model.tokenizer)
    return None if part is None else part.sets


def _pathways(tokenizer: Tokenizer) -> Pathway | None:
    if isinstance(tokenizer, LatentPathway):
        tokenizer = tokenizer.parts[0]  # type: ignore[assignment]
    return tokenizer if isinstance(tokenizer, Pathway) else None
