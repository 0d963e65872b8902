"""A tokenizer and a count head: what latent space stands on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from genediff.nn.counts import Head
    from genediff.tokenizers import Tokenizer


class Autoencoder(nn.Module):
    """Tokenizer and count head as one module whose output is a loss."""

    def __init__(self, tokenizer: Tokenizer, head: Head) -> None:
        super().__init__()
        self.tokenizer, self.head = tokenizer, head

    def forward(
        self,
        x: Tensor,
        measured: Tensor,
        library: Tensor,
        noise: Tensor,
        share: float = 1.0,
        present: Tensor | None = None,
    ) -> Tensor:
        """Return the negative evidence bound per cell, (cell,).

        Parameters
        ----------
        x
            Standardised expression, (cell, gene).
        measured
            What the head explains: counts, or x where there are none, (cell, gene).
        library
            Library sizes, (cell,).
        noise
            Standard normal, (cell, token, channel).
        share
            Share of the tokenizer's penalty that counts; it grows during training.
        present
            Which genes were measured, (gene,); the likelihood leaves the others out. None: all.
        """
        posterior = self.tokenizer.posterior(x)
        logits = self.tokenizer.decode(posterior.draw(noise))  # (cell, gene)
        # lgamma loses digits in half precision; the likelihood is always taken in 32 bits.
        with torch.autocast(x.device.type, enabled=False):
            log_prob = self.head.log_prob(logits.float(), library, measured)  # (cell, gene)
            if present is not None:
                log_prob = torch.where(present, log_prob, 0.0)
            return share * self.tokenizer.penalty(posterior) - log_prob.sum(1)
