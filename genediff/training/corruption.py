"""What the encoder does not get to see, so that it cannot learn training cells by heart.

Without it the tokens of training cells lie further out than those of cells never seen, and a flow that learns the
former generates cells that no tissue has. Measured in benchmarks/generation.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor

    from genediff.models.generative_model import GenerativeModel
    from genediff.training.rng_shards import Draws
    from genediff.training.training_cells import TrainingCells


@dataclass(frozen=True)
class Corruption:
    """Thin the counts, then hide genes.

    Each cell keeps a share of its counts drawn from U(1 - ``thinning``, 1), and each of its genes is hidden (set to
    the training mean) with probability ``dropout``.
    """

    dropout: float
    thinning: float

    def apply(self, cells: TrainingCells, model: GenerativeModel, measured: Tensor, draws: Draws) -> Tensor:
        """Return what the encoder sees of measured cells (cell, gene): standardised x; draws on the CPU."""
        if self.thinning and cells.has_counts:
            kept = 1 - self.thinning * draws.rand()  # (cell,)
            there = measured.nonzero(as_tuple=True)  # nine counts of ten are zero: nothing to thin
            thinned = draws.binomial(measured[there], kept[there[0]], there[0])
            measured = torch.zeros_like(measured).index_put(there, thinned)
        x, _ = cells.normalise(measured.to(model.device))
        x = model.standardise(x)  # (cell, gene)
        if not self.dropout:
            return x
        # The rest is scaled up, as in dropout, so that sums keep their size.
        shown = draws.rand(x.shape[1]).to(x.device) >= self.dropout
        return x * shown / (1 - self.dropout)
