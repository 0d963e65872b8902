"""Latent tokens: learned summaries of the whole cell, with no names until one looks at what they drive."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from genediff.tokenizers.base import Posterior, Tokenizer, TokenizerConfig, TokenLayout, option

if TYPE_CHECKING:
    from genediff.tokenizers.base import Material


@dataclass(frozen=True)
class LatentConfig(TokenizerConfig):
    """Options of the latent strategy."""

    n_tokens: int = option(64, title="Tokens", help="How many tokens a cell is encoded as.", low=1, high=512)
    n_channels: int = option(4, title="Channels", help="Numbers per token.", low=1, high=256)
    hidden: int = option(256, title="Encoder width", help="Hidden units of the encoder.", low=16, high=8192)
    decoder_hidden: int = option(128, title="Decoder width", help="Hidden units of the decoder.", low=8, high=8192)
    decoder: Literal["linear", "mlp"] = option(
        "mlp",
        title="Decoder",
        help="Linear: every token adds its own pattern of genes. MLP: that, and patterns that tokens make together.",
        choices=("linear", "mlp"),
    )
    noise: Literal["learned", "fixed"] = option(
        "learned",
        title="Token noise",
        help="Learned: a variational autoencoder. Fixed: plain autoencoder with a little noise on its tokens.",
        choices=("learned", "fixed"),
    )
    std: float = option(0.3, title="Fixed noise", help="Standard deviation of the fixed noise.", low=0.0, high=2.0)


class Latent(Tokenizer):
    """An encoder to m tokens of d channels and a decoder in which each token adds its pattern of genes."""

    name: ClassVar[str] = "latent"
    title: ClassVar[str] = "Latent tokens"
    sentence: ClassVar[str] = "Learned summaries of the whole profile; their meaning has to be found afterwards."
    reference: ClassVar[str] = "doi:10.48550/arXiv.2112.10752"  # Rombach et al. 2022, latent diffusion
    Config: ClassVar[type] = LatentConfig
    shrunk: ClassVar[tuple[str, ...]] = ("patterns.weight",)
    claims: ClassVar[tuple[str, ...]] = ("c2st_pcs", "c2st_genes", "reconstruction_r")

    config: LatentConfig

    def __init__(self, material: Material, config: LatentConfig) -> None:
        super().__init__(material, config)
        n_genes = len(material.genes)
        size = config.n_tokens * config.n_channels
        self.trunk = nn.Sequential(
            nn.Linear(n_genes, config.hidden),
            nn.GELU(),
            nn.LayerNorm(config.hidden),
            nn.Linear(config.hidden, config.hidden),
            nn.GELU(),
            nn.LayerNorm(config.hidden),
        )
        self.mean = nn.Linear(config.hidden, size)
        self.spread = nn.Linear(config.hidden, size) if config.noise == "learned" else None
        if self.spread is not None:
            nn.init.zeros_(self.spread.weight)
            nn.init.zeros_(self.spread.bias)
        n_joint = config.decoder_hidden if config.decoder == "mlp" else 0
        self.joint = nn.Sequential(nn.Linear(size, n_joint), nn.GELU()) if n_joint else None
        self.patterns = nn.Linear(size + n_joint, n_genes)
        with torch.no_grad():
            self.patterns.weight.mul_(0.3)  # start near the mean profile
        self._shape = (config.n_tokens, config.n_channels)

    @property
    def layout(self) -> TokenLayout:
        """Tokens z0, z1, … without edges: all attend to all."""
        return TokenLayout(tuple(f"z{i}" for i in range(self._shape[0])), self._shape[1], joinable=True)

    def posterior(self, x: Tensor) -> Posterior:
        """Map standardised expression (cell, gene) to where its tokens may lie."""
        hidden = self.trunk(x)  # (cell, hidden)
        mean = self.mean(hidden).unflatten(1, self._shape)  # (cell, token, channel)
        if self.spread is None:
            # Without a learned spread only the ratio of tokens to noise matters, so the scale is pinned.
            mean = functional.layer_norm(mean, self._shape)
            return Posterior(mean, mean.new_full(mean.shape, self.config.std))
        std = (torch.exp(self.spread(hidden).clamp(-3, 3) - 1)).unflatten(1, self._shape)  # (cell, token, channel)
        return Posterior(mean, std)

    def decode(self, tokens: Tensor) -> Tensor:
        """Map tokens (cell, token, channel) to one logit per gene, (cell, gene)."""
        flat = tokens.flatten(1)  # (cell, token x channel)
        if self.joint is not None:
            flat = torch.cat([flat, self.joint(flat)], dim=1)
        return self.patterns(flat)

    def penalty(self, posterior: Posterior) -> Tensor:
        """Return beta x KL per cell for learned noise, else nothing, (cell,)."""
        return posterior.mean.new_zeros(len(posterior.mean)) if self.spread is None else super().penalty(posterior)
