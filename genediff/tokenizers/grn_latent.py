"""GRN + latent tokens: the network shapes how genes are read and written, and tokens find a network of their own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import torch
from torch import Tensor

from genediff.nn.edge_linear import EdgeLinear
from genediff.nn.edge_lists import Graph
from genediff.tokenizers.base import Posterior, Tokenizer, TokenizerConfig, TokenLayout, option
from genediff.tokenizers.grn import edges_of
from genediff.tokenizers.latent import Latent, LatentConfig

if TYPE_CHECKING:
    from collections.abc import Mapping

    from genediff.tokenizers.base import Material


@dataclass(frozen=True)
class GRNLatentConfig(TokenizerConfig):
    """Options of the hybrid of a network and latent tokens."""

    n_tokens: int = option(16, title="Tokens", help="How many tokens a cell is encoded as.", low=2, high=512)
    n_channels: int = option(4, title="Channels", help="Numbers per token.", low=1, high=256)
    hops: int = option(2, title="Hops", help="How many edges of the network a message may travel.", low=1, high=8)
    hidden: int = option(256, title="Encoder width", help="Hidden units of the encoder.", low=16, high=8192)
    decoder_hidden: int = option(128, title="Decoder width", help="Hidden units of the decoder.", low=8, high=8192)
    decoder: Literal["linear", "mlp"] = option(
        "mlp",
        title="Decoder",
        help="Linear: every token adds its own pattern of genes. MLP: that, and patterns that tokens make together.",
        choices=("linear", "mlp"),
    )


class GRNLatent(Tokenizer):
    """Latent tokens between two networks of messages, with one learned weight per edge in each.

    Before the encoder every gene hears what its regulators do, and after the decoder every gene is told it. Among the
    tokens attention passes through a learned adjacency, since no biology says which of them belong together.
    """

    name: ClassVar[str] = "grn_latent"
    title: ClassVar[str] = "GRN + latent tokens"
    sentence: ClassVar[str] = (
        "Learned tokens, encoded and decoded along the regulatory network, with a learned adjacency among them."
    )
    reference: ClassVar[str] = "doi:10.48550/arXiv.1710.10903"  # Veličković et al. 2018, graph attention
    Config: ClassVar[type] = GRNLatentConfig
    claims: ClassVar[tuple[str, ...]] = ("c2st_genes", "correlation_error")
    shrunk: ClassVar[tuple[str, ...]] = ("latent.patterns.weight", "told.weight")
    needs: ClassVar[tuple[Literal["gene_sets", "network"], ...]] = ("network",)
    presets: ClassVar[Mapping[str, Mapping[str, Mapping[str, Any]]]] = {
        "quick": {"options": {"n_tokens": 8}},
        "standard": {"options": {"n_tokens": 64, "n_channels": 2, "hidden": 512}},
        "large": {"options": {"n_tokens": 128, "hidden": 1024, "decoder_hidden": 512}},
    }

    config: GRNLatentConfig

    def __init__(self, material: Material, config: GRNLatentConfig) -> None:
        super().__init__(material, config)
        self.hops = config.hops
        edges, signs = edges_of(material)
        graph = Graph(edges, len(material.genes), signs=signs, loops=False)
        self.heard, self.told = EdgeLinear(graph), EdgeLinear(graph)
        inner = LatentConfig(
            n_tokens=config.n_tokens,
            n_channels=config.n_channels,
            hidden=config.hidden,
            decoder_hidden=config.decoder_hidden,
            decoder=config.decoder,
            beta=config.beta,
        )
        self.latent = Latent(material, inner)

    @property
    def layout(self) -> TokenLayout:
        """Tokens z0, z1, … that attend through a learned adjacency."""
        free = self.latent.layout
        return TokenLayout(free.names, free.n_channels, learned=True)

    def posterior(self, x: Tensor) -> Posterior:
        """Map standardised expression (cell, gene) to where its tokens may lie."""
        return self.latent.posterior(self._pass(x, self.heard))

    def decode(self, tokens: Tensor) -> Tensor:
        """Map tokens (cell, token, channel) to one real number per gene, (cell, gene)."""
        return self._pass(self.latent.decode(tokens), self.told)

    def _pass(self, x: Tensor, messages: EdgeLinear) -> Tensor:
        """Let genes (cell, gene) hear of those up to ``hops`` edges upstream; what a gene sends has a ceiling."""
        level = x
        for _ in range(self.hops):
            level = x + messages(torch.tanh(level))
        return level
