"""One data set cut by one strategy, before any training: its tokens, what they cost, and which genes reach none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from genediff.inspection.one_cell.capabilities import RanksGenes
from genediff.inspection.one_cell.cost import cost_of
from genediff.tokenizers import Material, build_tokenizer

if TYPE_CHECKING:
    from genediff.inspection.one_cell.cost import Cost
    from genediff.inspection.one_cell.dataset_context import Cell, DatasetContext
    from genediff.knowledge import Knowledge
    from genediff.models.config import RunConfig
    from genediff.tokenizers import Tokenizer, TokenLayout


@dataclass(frozen=True, eq=False)
class Tokenization:
    """An untrained tokenizer on the genes of a data set, and what follows from its shape alone.

    ``vocabulary`` is how many things a token can be: any gene where genes are put in order, else what its place says.
    """

    config: RunConfig
    genes: tuple[str, ...]
    knowledge: Knowledge
    tokenizer: Tokenizer
    layout: TokenLayout
    cost: Cost
    vocabulary: int
    n_parameters: int


def build_tokenization(context: DatasetContext, config: RunConfig, knowledge: Knowledge) -> Tokenization:
    """Build a run's tokenizer, always with the same weights.

    Raises
    ------
    InputError
        When the strategy cannot be built on this knowledge.
    """
    model = config.model
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        material = Material(context.genes, knowledge)
        tokenizer = build_tokenizer(
            model.tokenizer, material, model.tokenizer_options, training=context.statistics
        ).eval()
    layout = tokenizer.layout
    cost = cost_of(layout, model, library=context.has_counts)
    vocabulary = len(context.genes) + 1 if isinstance(tokenizer, RanksGenes) else layout.n_tokens
    own = sum(p.numel() for p in tokenizer.parameters())
    return Tokenization(config, context.genes, knowledge, tokenizer, layout, cost, vocabulary, cost.n_parameters + own)


def reaching(tokenization: Tokenization, cell: Cell) -> np.ndarray:
    """Return which genes have any influence on the tokens of a cell, bool (gene,).

    Measured and not declared: a gene reaches the tokens when a random sum of them has a slope in its direction. An
    order has no slope: of ranks it is the genes that have one.
    """
    tokenizer = tokenization.tokenizer
    if isinstance(tokenizer, RanksGenes):
        return np.isin(tokenization.genes, tokenizer.sequence(cell.tensor[0]).genes)
    x = cell.tensor.requires_grad_()
    tokens = tokenizer.encode(x)  # (1, token, channel)
    weights = torch.randn(tokens.shape, generator=torch.Generator().manual_seed(0))
    (slope,) = torch.autograd.grad((tokens * weights).sum(), x)
    return (slope[0] != 0).numpy()


@dataclass(frozen=True)
class Lost:
    """Genes that a cell shows and its tokens do not: how many, and the share of its counts (or values) they hold.

    ``unnamed`` are genes that reach tokens without a name only: those in no gene set, or without a regulator.
    """

    n_detected: int
    n_lost: int
    share: float
    unnamed: int | None


def lost_genes(tokenization: Tokenization, cell: Cell) -> Lost:
    """Count what of one cell the tokens of a strategy cannot know."""
    seen = cell.measured > 0  # (gene,)
    lost = seen & ~reaching(tokenization, cell)
    total = float(cell.measured[seen].sum())
    share = float(cell.measured[lost].sum()) / total if total else 0.0
    named = _named(tokenization)
    unnamed = None if named is None else int((seen & ~named).sum())
    return Lost(int(seen.sum()), int(lost.sum()), share, unnamed)


def _named(tokenization: Tokenization) -> np.ndarray | None:
    """Return which genes are in a set that has a token, or have a regulator, (gene,); None without knowledge."""
    genes, known = tokenization.genes, tokenization.knowledge
    if known.gene_sets is not None:
        kept = set(tokenization.layout.names)
        inside = {gene for name, members in known.gene_sets.sets.items() if name in kept for gene in members}
    elif known.network is not None:
        inside = set(known.network.edges["target"])
    else:
        return None
    return np.array([gene in inside for gene in genes])
