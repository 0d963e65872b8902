"""Transformer and MLP blocks that are steered by a vector (adaLN-Zero)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from genediff.nn.sparse_attention import EdgeSelfAttention

if TYPE_CHECKING:
    from genediff.nn.edge_lists import Graph

Relations = Any
"""How tokens attend beside what a block knows: a bias (token, token) added to the scores, or, where they attend along
edges, a graph over the tokens of all cells in the place of the one over those of each."""


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

    def forward(self, x: Tensor, bias: Tensor | None = None) -> Tensor:
        """Map tokens (cell, token, width) to tokens of the same shape; ``bias`` (token, token) is added to scores."""
        q, k, v = self._heads(x)
        bias = bias if bias is None else bias.to(q.dtype)
        mixed = functional.scaled_dot_product_attention(q, k, v, attn_mask=bias)  # (cell, head, token, channel)
        return self.out(mixed.transpose(1, 2).flatten(2))  # (cell, token, width)

    @torch.no_grad()
    def weights(self, x: Tensor, bias: Tensor | None = None) -> Tensor:
        """Return the attention weights (cell, head, token, token) on tokens (cell, token, width)."""
        q, k, _ = self._heads(x)
        scores = q @ k.transpose(2, 3) / math.sqrt(q.shape[3])  # (cell, head, token, token)
        return (scores if bias is None else scores + bias).softmax(3)

    def _heads(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        cells, tokens, width = x.shape
        qkv = self.qkv(x).view(cells, tokens, 3, self.heads, width // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # each (cell, head, token, channel)
        return q, k, v


class Block(nn.Module):
    """A block whose layer norms are scaled, shifted and gated by a condition vector; it starts as the identity.

    With ``heads=0`` it has no attention, which is the block of the MLP backbone; with a graph its tokens attend along
    the edges only.

    Source: Peebles & Xie 2023, section 3.2, "adaLN-Zero".
    """

    def __init__(self, width: int, heads: int, *, graph: Graph | None = None, expansion: int = 4) -> None:
        super().__init__()
        self.attention: SelfAttention | EdgeSelfAttention | None = None
        if heads:
            self.attention = SelfAttention(width, heads) if graph is None else EdgeSelfAttention(width, heads, graph)
        self.n_parts = 6 if heads else 3
        self.norm_attention = nn.LayerNorm(width, elementwise_affine=False)
        self.norm_mlp = nn.LayerNorm(width, elementwise_affine=False)
        self.mlp = nn.Sequential(
            nn.Linear(width, expansion * width), nn.GELU(approximate="tanh"), nn.Linear(expansion * width, width)
        )
        self.modulation = nn.Sequential(nn.SiLU(), nn.Linear(width, self.n_parts * width))
        nn.init.zeros_(self.modulation[1].weight)  # type: ignore[arg-type]
        nn.init.zeros_(self.modulation[1].bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor, c: Tensor, relations: Relations = None) -> Tensor:
        """Map tokens (cell, token, width), steered by c (cell, width); see `Relations`."""
        parts = self.modulation(c).chunk(self.n_parts, dim=1)  # each (cell, width)
        x = self._transform(x, parts)
        if self.attention is not None:
            shift, scale, gate = parts[3:]
            x = x + gate[:, None] * self.attention(modulate(self.norm_attention(x), shift, scale), relations)
        return x  # (cell, token, width)

    @torch.no_grad()
    def weights(self, x: Tensor, c: Tensor, relations: Relations = None) -> list[Tensor]:
        """Return the weights of the attention, if there is one, when the block is given x."""
        if self.attention is None:
            return []
        parts = self.modulation(c).chunk(self.n_parts, dim=1)  # each (cell, width)
        seen = modulate(self.norm_attention(self._transform(x, parts)), *parts[3:5])
        return [self.attention.weights(seen, relations)]

    def _transform(self, x: Tensor, parts: tuple[Tensor, ...]) -> Tensor:
        shift, scale, gate = parts[:3]
        return x + gate[:, None] * self.mlp(modulate(self.norm_mlp(x), shift, scale))


class Stack(nn.Module):
    """Several blocks and a last steered norm."""

    def __init__(self, width: int, depth: int, heads: int, *, graph: Graph | None = None) -> None:
        super().__init__()
        # There are thousands of tokens on a graph, and each of them pays for every unit of the transformation.
        expansion = 4 if graph is None else 2
        self.blocks = nn.ModuleList(Block(width, heads, graph=graph, expansion=expansion) for _ in range(depth))
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.modulation = nn.Sequential(nn.SiLU(), nn.Linear(width, 2 * width))
        nn.init.zeros_(self.modulation[1].weight)  # type: ignore[arg-type]
        nn.init.zeros_(self.modulation[1].bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor, c: Tensor, relations: Relations = None) -> Tensor:
        """Map tokens (cell, token, width), steered by c (cell, width); see `Relations`."""
        for block in self.blocks:
            x = block(x, c, relations)
        shift, scale = self.modulation(c).chunk(2, dim=1)  # each (cell, width)
        return modulate(self.norm(x), shift, scale)

    @torch.no_grad()
    def weights(self, x: Tensor, c: Tensor, relations: Relations = None) -> list[Tensor]:
        """Return the attention weights of each layer on what reaches it: see the attentions for their shapes."""
        found: list[Tensor] = []
        for block in self.blocks:
            assert isinstance(block, Block)
            found += block.weights(x, c, relations)
            x = block(x, c, relations)
        return found


def zero_linear(n_in: int, n_out: int) -> nn.Linear:
    """Return a linear layer that starts at zero, so that a network starts at its mean prediction."""
    layer = nn.Linear(n_in, n_out)
    torch.nn.init.zeros_(layer.weight)
    torch.nn.init.zeros_(layer.bias)
    return layer
