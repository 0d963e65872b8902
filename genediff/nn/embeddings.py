"""Vectors for a time and for conditions."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from collections.abc import Sequence


class TimeEmbedding(nn.Module):
    """Sines and cosines of a time in [0, 1], then a small network.

    Source: Peebles & Xie 2023, "Scalable Diffusion Models with Transformers", section 3.
    """

    frequencies: Tensor

    def __init__(self, width: int, *, n_frequencies: int = 64) -> None:
        super().__init__()
        # From one turn over the whole path to a thousand: t runs over [0, 1], not over 1,000 steps.
        frequencies = 2 * math.pi * torch.exp(torch.linspace(0, math.log(1000), n_frequencies))
        self.register_buffer("frequencies", frequencies, persistent=False)
        self.mlp = nn.Sequential(nn.Linear(2 * n_frequencies, width), nn.SiLU(), nn.Linear(width, width))

    def forward(self, t: Tensor) -> Tensor:
        """Embed times (cell,) as (cell, width)."""
        angles = t[:, None] * self.frequencies  # (cell, frequency)
        return self.mlp(torch.cat([angles.cos(), angles.sin()], dim=1))  # (cell, width)


class ConditionEmbedding(nn.Module):
    """One table per condition column, summed; the last row of each table means "no label"."""

    def __init__(self, n_levels: Sequence[int], width: int) -> None:
        super().__init__()
        self.tables = nn.ModuleList(nn.Embedding(n + 1, width) for n in n_levels)
        for table in self.tables:
            nn.init.normal_(table.weight, std=0.5)  # type: ignore[arg-type]

    def forward(self, codes: Tensor) -> Tensor:
        """Embed level codes (cell, column) as one vector (cell, width)."""
        parts = [table(codes[:, i]) for i, table in enumerate(self.tables)]
        return torch.stack(parts).sum(0)  # (cell, width)
