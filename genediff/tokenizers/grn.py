"""GRN tokens: every gene is a token and attends to itself and its regulators only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from genediff.nn.edge_linear import EdgeLinear
from genediff.nn.edge_lists import Graph
from genediff.tokenizers.base import Posterior, Tokenizer, TokenizerConfig, TokenLayout, option

if TYPE_CHECKING:
    from collections.abc import Mapping

    from genediff.tokenizers.base import Material
    from genediff.tokenizers.statistics import Statistics

VALUE_HIDDEN = 8


@dataclass(frozen=True)
class GRNConfig(TokenizerConfig):
    """Options of the GRN-aware strategy."""

    n_channels: int = option(2, title="Channels", help="Numbers per gene token.", low=1, high=64)


class GRN(Tokenizer):
    """One token per gene, named by its symbol; all traffic between genes runs from regulator to target.

    A token is made of the gene's value and of what its regulators send, with one learned weight per edge, and is read
    out the same way; which gene it is, the backbone's place embedding says. So expression travels one edge in the
    encoder, one per layer of the backbone, and one in the decoder.
    """

    name: ClassVar[str] = "grn"
    title: ClassVar[str] = "GRN tokens"
    sentence: ClassVar[str] = "One token per gene; attention is restricted to its known regulators."
    reference: ClassVar[str] = "doi:10.1038/s41592-019-0690-6"  # Pratapa et al. 2020, gene regulatory networks
    Config: ClassVar[type] = GRNConfig
    claims: ClassVar[tuple[str, ...]] = ("correlation_error",)
    spaces: ClassVar[tuple[str, ...]] = ("counts", "gene", "latent")
    needs: ClassVar[tuple[Literal["gene_sets", "network"], ...]] = ("network",)
    presets: ClassVar[Mapping[str, Mapping[str, Mapping[str, Any]]]] = {
        "quick": {
            "model": {"width": 32, "depth": 2, "heads": 2},
            # A look at held-out cells costs as much as a hundred steps.
            "train": {
                "batch_size": 16,
                "steps": 2000,
                "learning_rate": 3e-3,
                "validate_every": 500,
                "input_dropout": 0.0,
            },
        },
        "standard": {
            "model": {"width": 64, "depth": 4, "heads": 4},
            "train": {"batch_size": 64, "steps": 10_000, "input_dropout": 0.0},
        },
        "large": {
            "options": {"n_channels": 4},
            "model": {"width": 128, "depth": 6, "heads": 8},
            "train": {"batch_size": 256, "input_dropout": 0.0},
        },
    }

    edges: Tensor
    signs: Tensor

    config: GRNConfig

    def __init__(self, material: Material, config: GRNConfig) -> None:
        super().__init__(material, config)
        self.genes = material.genes
        edges, signs = edges_of(material)
        self.register_buffer("edges", edges, persistent=False)  # (2, edge)
        self.register_buffer("signs", signs, persistent=False)  # (edge,)
        self.identity: Tensor | None = None
        graph = Graph(edges, len(self.genes), signs=signs, loops=False)
        shape = (len(self.genes), config.n_channels)
        self.heard = EdgeLinear(graph)
        self.slope = nn.Parameter(1 + 0.3 * torch.randn(shape))
        self.offset = nn.Parameter(torch.zeros(shape))
        self.value = nn.Sequential(nn.Linear(1, VALUE_HIDDEN), nn.GELU(), nn.Linear(VALUE_HIDDEN, config.n_channels))
        self.spread = nn.Parameter(torch.zeros(shape))
        self.readout = nn.Parameter(self.slope.detach() / config.n_channels)
        self.base = nn.Parameter(torch.zeros(len(self.genes)))
        self.said = EdgeLinear(graph)

    def fit(self, training: Statistics) -> None:
        """Take what tells genes apart, for the place embedding of a new backbone; a saved one has it already."""
        self.identity = training.axes

    @property
    def layout(self) -> TokenLayout:
        """One token per gene, with the edges of the network."""
        return TokenLayout(
            self.genes, self.config.n_channels, edges=self.edges, signs=self.signs, identity=self.identity
        )

    def posterior(self, x: Tensor) -> Posterior:
        """Map standardised expression (cell, gene) to where its tokens may lie."""
        x = (x + self.heard(torch.tanh(x)))[..., None]  # (cell, gene, 1)
        mean = self.slope * x + self.offset + self.value(x)  # (cell, gene, channel)
        return Posterior(mean, torch.exp(self.spread.clamp(-3, 3) - 1).expand_as(mean))

    def decode(self, tokens: Tensor) -> Tensor:
        """Map tokens (cell, gene, channel) to one real number per gene, (cell, gene)."""
        own = (tokens * self.readout).sum(2)  # (cell, gene)
        return own + self.said(torch.tanh(own)) + self.base


def edges_of(material: Material) -> tuple[Tensor, Tensor]:
    """Return the network's edges as positions of genes (2, edge), source above target, and their signs (edge,)."""
    network = material.knowledge.network
    assert network is not None  # build_tokenizer has asked for it
    edges = torch.from_numpy(network.indices(material.genes))
    return edges, torch.from_numpy(network.edges["sign"].to_numpy().astype("int64"))
