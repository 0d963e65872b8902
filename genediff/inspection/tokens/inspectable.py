"""What kind of thing each token of a model is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from genediff.inspection.tokens.at_rank import OrdersGenes

if TYPE_CHECKING:
    from genediff.models.generative_model import GenerativeModel

Kind = Literal["free", "set", "gene", "rank", "vector"]


def token_kinds(model: GenerativeModel) -> tuple[Kind, ...]:
    """Return what each token is, (token,).

    "set": a gene set with its name; "gene": a gene; "rank": a place in the order of genes; "vector": the one token that
    holds the whole cell; "free": one that nothing but learning has given a meaning, and that has no name yet.
    """
    names = model.tokenizer.layout.names
    if isinstance(model.tokenizer, OrdersGenes):
        return tuple("rank" for _ in names)
    if len(names) == 1:
        return ("vector",)
    genes = set(model.genes)
    sets = set(model.knowledge.gene_sets.sets) if model.knowledge.gene_sets is not None else set()
    return tuple(_kind(name, sets, genes) for name in names)


def _kind(name: str, sets: set[str], genes: set[str]) -> Kind:
    if name in sets:
        return "set"
    return "gene" if name in genes else "free"
