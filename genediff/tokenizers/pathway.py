"""Pathway tokens: one named token per gene set, which drives the genes of its set and no others."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from genediff.core.errors import InputError
from genediff.nn.set_linear import EachSet, Members, SetDecoder, SetEncoder
from genediff.tokenizers.base import Posterior, Tokenizer, TokenizerConfig, TokenLayout, option

if TYPE_CHECKING:
    from collections.abc import Mapping

    from genediff.knowledge import GeneSets
    from genediff.tokenizers.base import Material


@dataclass(frozen=True)
class PathwayConfig(TokenizerConfig):
    """Options of the pathway strategy."""

    n_channels: int = option(2, title="Channels", help="Numbers per token.", low=1, high=64)
    n_residual: int = option(
        8,
        title="Residual tokens",
        help="Tokens without a name, for the genes that are in no set, so that these are generated too.",
        low=1,
        high=64,
    )
    smallest: int = option(
        5, title="Smallest set", help="Sets with fewer of the model's genes are left out.", low=1, high=1000
    )
    largest: int = option(
        0, title="Largest set", help="Sets with more of the model's genes are left out; 0: no limit.", low=0, high=20000
    )
    encoder_input: Literal["cell", "members"] = option(
        "cell",
        title="Encoder input",
        help="Members: a token reads only the genes of its set. Cell: those, then a summary of all tokens.",
        choices=("cell", "members"),
    )
    context: int = option(
        256, title="Context width", help="Hidden units for what all tokens together know.", low=16, high=4096
    )
    hidden: int = option(16, title="Encoder width", help="Hidden units of each set's encoder.", low=1, high=256)
    decoder_hidden: int = option(16, title="Decoder width", help="Hidden units of each set's decoder.", low=1, high=256)
    decoder: Literal["linear", "mlp"] = option(
        "mlp",
        title="Decoder",
        help="Linear: a token's numbers add patterns of its genes. MLP: that, and patterns they make together.",
        choices=("linear", "mlp"),
    )
    beta: float = option(0.1, title="KL weight", help="How strongly tokens are kept near a normal.", low=0.0, high=10.0)


class Pathway(Tokenizer):
    """One token per gene set, and a few residual tokens for the genes in no set.

    A gene in n sets is driven by all n tokens: what they say is added and divided by √n (`SetDecoder`). Residual tokens
    share the genes that are in no set. So a name is honest: a token drives its genes and no others. What it hears is
    first its own genes too; by default a last step lets it hear what all tokens together know, since a set of thirty
    genes, most of them not seen in a cell, cannot tell the cell's type. Sets are ordered by size.

    The KL weight is lower than for latent tokens: many sets have to say the same thing (such as the cell's type), each
    to its own genes, and where every saying costs its full price most fall silent (benchmarks/generation_notes.md).
    """

    name: ClassVar[str] = "pathway"
    title: ClassVar[str] = "Pathway tokens"
    sentence: ClassVar[str] = "One named token per gene set; a token decodes to the genes of its set only."
    reference: ClassVar[str] = "doi:10.1038/s41556-022-01072-x"  # Lotfollahi et al. 2023, expiMap
    Config: ClassVar[type] = PathwayConfig
    claims: ClassVar[tuple[str, ...]] = ("correlation_error",)
    shrunk: ClassVar[tuple[str, ...]] = ("patterns.weight",)
    needs: ClassVar[tuple[Literal["gene_sets", "network"], ...]] = ("gene_sets",)
    presets: ClassVar[Mapping[str, Mapping[str, Mapping[str, Any]]]] = {
        "quick": {"model": {"width": 64, "depth": 3, "heads": 4}, "train": {"shrinkage": 100.0}},
        "standard": {"options": {"n_channels": 4, "hidden": 32}, "train": {"shrinkage": 100.0}},
        "large": {
            "options": {"n_channels": 8, "n_residual": 16, "hidden": 64, "decoder_hidden": 32, "context": 512},
            "train": {"shrinkage": 100.0},
        },
    }

    config: PathwayConfig
    sets: GeneSets

    def __init__(self, material: Material, config: PathwayConfig) -> None:
        super().__init__(material, config)
        n_genes, c = len(material.genes), config.n_channels
        self.sets = _sets(material, config)
        sets = self.sets.members(material.genes)
        rest = np.setdiff1d(np.arange(n_genes), np.concatenate(sets))  # genes in no set
        self.n_residual = config.n_residual if len(rest) else 0
        members = Members([*sets, *[rest] * self.n_residual], n_genes)
        self.hear = SetEncoder(members, config.hidden)
        self.settle = EachSet(members.n_sets, config.hidden, 2 * c)
        self.context = _Context(members.n_sets, 2 * c, config) if config.encoder_input == "cell" else None
        with torch.no_grad():
            self.settle.weight[..., c:].zero_()  # every token starts with the same spread
        n_joint = config.decoder_hidden if config.decoder == "mlp" else 0
        self.joint = EachSet(members.n_sets, c, n_joint) if n_joint else None
        self.patterns = SetDecoder(members, c + n_joint)
        with torch.no_grad():
            self.patterns.weight.mul_(0.3)  # start near the mean profile
        self.bias = nn.Parameter(torch.zeros(n_genes))

    @property
    def layout(self) -> TokenLayout:
        """A token for each set, with its name, then the residual tokens; all attend to all."""
        names = (*self.sets.sets, *(f"residual {i + 1}" for i in range(self.n_residual)))
        return TokenLayout(names, self.config.n_channels)

    def posterior(self, x: Tensor) -> Posterior:
        """Map standardised expression (cell, gene) to where its tokens may lie."""
        heard = self.hear(x)  # (cell, token, hidden)
        heard = functional.layer_norm(functional.gelu(heard), heard.shape[2:])
        settled = self.settle(heard)  # (cell, token, 2 x channel)
        if self.context is not None:
            settled = settled + self.context(heard)
        mean, spread = settled.chunk(2, dim=2)  # each (cell, token, channel)
        return Posterior(mean, torch.exp(spread.clamp(-3, 3) - 1))

    def decode(self, tokens: Tensor) -> Tensor:
        """Map tokens (cell, token, channel) to one logit per gene, (cell, gene)."""
        return self.patterns(self._with_joint(tokens)) + self.bias

    def activity(self, tokens: Tensor) -> Tensor:
        """Return how far each token lifts its own genes, (cell, token): the mean of what it adds to their logits.

        Only differences between cells mean something: a constant is as well in the genes' bias.
        """
        members = self.patterns.members
        sizes = torch.tensor(members.sizes, device=tokens.device)
        scaled = self.patterns.weight * self.patterns.share[members.gene][:, None]  # (row, channel)
        mean = torch.segment_reduce(scaled, "mean", lengths=sizes)  # (token, channel)
        return (self._with_joint(tokens) * mean).sum(2)

    def _with_joint(self, tokens: Tensor) -> Tensor:
        if self.joint is None:
            return tokens
        return torch.cat([tokens, functional.gelu(self.joint(tokens))], dim=2)  # (cell, token, channel + hidden)


class _Context(nn.Module):
    """What all tokens together know, told to each."""

    def __init__(self, n_tokens: int, n_out: int, config: PathwayConfig) -> None:
        super().__init__()
        width = config.context
        self.shape = (n_tokens, n_out)
        self.net = nn.Sequential(
            nn.Linear(n_tokens * config.hidden, width),
            nn.GELU(),
            nn.LayerNorm(width),
            nn.Linear(width, width),
            nn.GELU(),
            nn.LayerNorm(width),
            nn.Linear(width, n_tokens * n_out),
        )

    def forward(self, heard: Tensor) -> Tensor:
        """Map tokens (cell, token, hidden) to what is added to each, (cell, token, out)."""
        return self.net(heard.flatten(1)).unflatten(1, self.shape)


def _sets(material: Material, config: PathwayConfig) -> GeneSets:
    """Return the sets within bounds, sorted by size."""
    given = material.knowledge.gene_sets
    if given is None:
        raise InputError("Pathway tokens need a collection of gene sets; choose one (model.gene_sets)")
    kept = given.within(material.genes, smallest=config.smallest, largest=config.largest or None)
    if not kept.sets:
        raise InputError(
            f"no set of {given.title!r} has {config.smallest} or more of the {len(material.genes):,} genes within its "
            "bounds; lower the smallest set or choose another collection"
        )
    return replace(kept, sets=dict(sorted(kept.sets.items(), key=lambda item: len(item[1]))))
