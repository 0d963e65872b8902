"""The baseline without tokens: a cell is one flat vector, as in a plain variational autoencoder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor, nn

from genediff.tokenizers.base import Posterior, Tokenizer, TokenizerConfig, TokenLayout, option

if TYPE_CHECKING:
    from collections.abc import Mapping

    from genediff.tokenizers.base import Material


@dataclass(frozen=True)
class MLPConfig(TokenizerConfig):
    """Options of the baseline."""

    n_channels: int = option(32, title="Channels", help="Length of the vector of a cell.", low=1, high=1024)
    hidden: int = option(256, title="Encoder width", help="Hidden units of the encoder.", low=16, high=8192)
    decoder_hidden: int = option(128, title="Decoder width", help="Hidden units of the decoder.", low=8, high=8192)


class MLP(Tokenizer):
    """One token that holds the whole cell; with it the backbone is an MLP too."""

    name: ClassVar[str] = "mlp"
    title: ClassVar[str] = "No tokens (MLP)"
    sentence: ClassVar[str] = "No tokens, one vector per cell: the baseline that every tokenization should outperform."
    reference: ClassVar[str] = "doi:10.1038/s41592-018-0229-2"  # Lopez et al. 2018, scVI
    Config: ClassVar[type] = MLPConfig
    shrunk: ClassVar[tuple[str, ...]] = ("patterns.weight",)
    # A step twice as wide costs half of a step over eight tokens, so twice as many take the same time.
    presets: ClassVar[Mapping[str, Mapping[str, Mapping[str, Any]]]] = {
        "quick": {"options": {"n_channels": 32}, "model": {"width": 256}, "train": {"steps": 4000}},
        "standard": {"options": {"n_channels": 128, "hidden": 512}, "model": {"width": 512, "depth": 8}},
        "large": {
            "options": {"n_channels": 512, "hidden": 1024, "decoder_hidden": 512},
            "model": {"width": 1024, "depth": 16},
        },
    }

    config: MLPConfig

    def __init__(self, material: Material, config: MLPConfig) -> None:
        super().__init__(material, config)
        n_genes = len(material.genes)
        self.trunk = nn.Sequential(
            nn.Linear(n_genes, config.hidden),
            nn.GELU(),
            nn.LayerNorm(config.hidden),
            nn.Linear(config.hidden, config.hidden),
            nn.GELU(),
            nn.LayerNorm(config.hidden),
        )
        self.mean = nn.Linear(config.hidden, config.n_channels)
        self.spread = nn.Linear(config.hidden, config.n_channels)
        nn.init.zeros_(self.spread.weight)
        nn.init.zeros_(self.spread.bias)
        self.joint = nn.Sequential(nn.Linear(config.n_channels, config.decoder_hidden), nn.GELU())
        self.patterns = nn.Linear(config.decoder_hidden, n_genes)
        with torch.no_grad():
            self.patterns.weight.mul_(0.3)  # start near the mean profile

    @property
    def layout(self) -> TokenLayout:
        """One token."""
        return TokenLayout(("cell",), self.config.n_channels)

    def posterior(self, x: Tensor) -> Posterior:
        """Map standardised expression (cell, gene) to where its vector may lie, (cell, 1, channel)."""
        hidden = self.trunk(x)  # (cell, hidden)
        std = torch.exp(self.spread(hidden).clamp(-3, 3) - 1)  # (cell, channel)
        return Posterior(self.mean(hidden)[:, None], std[:, None])

    def decode(self, tokens: Tensor) -> Tensor:
        """Map vectors (cell, 1, channel) to one logit per gene, (cell, gene)."""
        return self.patterns(self.joint(tokens.flatten(1)))
