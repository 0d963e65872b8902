"""Transformer and MLP blocks that are steered by a vector (adaLN-Zero)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


def modulate(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    """Scale and shift tokens (cell, token, width) by vectors (cell, width)."""
    return x * (1 + scale[:, None]) + shift[:, None]


class SelfAttention(nn.Module):
    """Every token attends to every token of its cell."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Map tokens (cell, token, width) to tokens of the same shape."""
        cells, tokens, width = x.shape
        qkv = self.qkv(x).view(cells, tokens, 3, self.heads, width // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # each (cell, head, token, channel)
        mixed = functional.scaled_dot_product_attention(q, k, v)  # (cell, head, token, channel)
        return self.out(mixed.transpose(1, 2).reshape(cells, tokens, width))  # (cell, token, width)


class Block(nn.Module):
    """A block whose layer norms are scaled, shifted and gated by a condition vector; it starts as the identity.

    With ``heads=0`` it has no attention, which is the block of the MLP backbone.

    Source: Peebles & Xie 2023, section 3.2, "adaLN-Zero".
    """

    def __init__(self, width: int, heads: int, *, expansion: int = 4) -> None:
        super().__init__()
        self.attention = SelfAttention(width, heads) if heads else None
        self.n_parts = 6 if heads else 3
        self.norm_attention = nn.LayerNorm(width, elementwise_affine=False)
        self.norm_mlp = nn.LayerNorm(width, elementwise_affine=False)
        self.mlp = nn.Sequential(
            nn.Linear(width, expansion * width), nn.GELU(approximate="tanh"), nn.Linear(expansion * width, width)
        )
        self.modulation = nn.Sequential(nn.SiLU(), nn.Linear(width, self.n_parts * width))
        nn.init.zeros_(self.modulation[1].weight)  # type: ignore[arg-type]
        nn.init.zeros_(self.modulation[1].bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        """Map tokens (cell, token, width), steered by c (cell, width)."""
        parts = self.modulation(c).chunk(self.n_parts, dim=1)  # each (cell, width)
        shift, scale, gate = parts[:3]
        x = x + gate[:, None] * self.mlp(modulate(self.norm_mlp(x), shift, scale))
        if self.attention is not None:
            shift, scale, gate = parts[3:]
            x = x + gate[:, None] * self.attention(modulate(self.norm_attention(x), shift, scale))
        return x  # (cell, token, width)


class Stack(nn.Module):
    """Several blocks and a last steered norm."""

    def __init__(self, width: int, depth: int, heads: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(depth))
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.modulation = nn.Sequential(nn.SiLU(), nn.Linear(width, 2 * width))
        nn.init.zeros_(self.modulation[1].weight)  # type: ignore[arg-type]
        nn.init.zeros_(self.modulation[1].bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        """Map tokens (cell, token, width), steered by c (cell, width)."""
        for block in self.blocks:
            x = block(x, c)
        shift, scale = self.modulation(c).chunk(2, dim=1)  # each (cell, width)
        return modulate(self.norm(x), shift, scale)


def zero_linear(n_in: int, n_out: int) -> nn.Linear:
    """Return a linear layer that starts at zero, so that a network starts at its mean prediction."""
    layer = nn.Linear(n_in, n_out)
    torch.nn.init.zeros_(layer.weight)
    torch.nn.init.zeros_(layer.bias)
    return layer
