"""A learned adjacency: how far each token is open to each other one."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

# Gates start mostly open (0.88), so that what closes them is what was learned.
START = 2.0

# Gates are few and have far to go: they learn this many times faster than other weights.
RATE = 10.0


class Adjacency(nn.Module):
    """One gate in [0, 1] per pair of tokens, shared by all layers and heads.

    An attention weight is exp(score) x gate, normalised. The gate of a token on itself is one: it is what the others
    are measured by.
    """

    def __init__(self, n_tokens: int) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.zeros(n_tokens, n_tokens))

    def forward(self, n_open: int = 0) -> Tensor:
        """Return log gates, (token, token), row attends to column; ``n_open`` further tokens are open to all."""
        own = torch.eye(len(self.logits), dtype=torch.bool, device=self.logits.device)
        log_gates = functional.logsigmoid(START + RATE * self.logits).masked_fill(own, 0.0)
        return functional.pad(log_gates, (0, n_open, 0, n_open))

    @torch.no_grad()
    def gates(self) -> Tensor:
        """Return the gates themselves, (token, token) in [0, 1]; row attends to column."""
        return self.forward().exp()
