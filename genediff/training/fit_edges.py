"""Fitting of what regulators say of their targets in a straight line, from which gene tokens in count space start.

Gradient steps on a few cells at a time find edges of a few hundredths of a log unit only by chance: the noise of the
steps is as large. A ridge regression on all training cells finds them at once, and the network adds what is not linear.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from genediff.diffusion.thinning import thin, unread_loss
from genediff.training.batches import dense, stream
from genediff.training.fit_recalibration import MOST_LOOKED_AT, share_read, strata

if TYPE_CHECKING:
    import numpy as np
    from scipy.sparse import csr_matrix
    from torch import Tensor

    from genediff.models.count_denoiser import CountDenoiser
    from genediff.nn.edge_linear import EdgeLinear
    from genediff.training.batches import CellsByRow
    from genediff.training.training_cells import TrainingCells

SPREADS = (0.02, 0.05, 0.1, 0.2)
"""Standard deviations of edge weights before any cell is seen, of which held-out cells choose one, or none at all."""
MOST_READ, MOST_NUMBERS = 12_288, 2**25
"""Cells, each read to one depth, that are regressed on, and values (cell, gene) of them."""
_AT_ONCE = 256
_STEPS = 40


@torch.no_grad()
def fit_edges(denoiser: CountDenoiser, cells: TrainingCells, rows: np.ndarray, *, seed: int) -> None:
    """Fit the linear edges on training ``rows`` (cell,); they stay at zero unless held-out cells are likelier for them.

    One step of iteratively reweighted least squares for the Poisson regression of every gene's unread molecules on how
    many more of its regulators' were read than expected, with the closed form as offset.
    """
    edges = denoiser.linear
    assert edges is not None
    n = min(MOST_READ, MOST_NUMBERS // len(denoiser.log_profile))
    copies = max(1, min(8, n // len(rows)))
    generator = stream(seed, 7)
    chosen = torch.cat([torch.from_numpy(rows)[torch.randperm(len(rows), generator=generator)] for _ in range(copies)])
    known = _read(denoiser, cells.train, cells.train_codes, chosen[:n], generator)
    held = torch.linspace(0, cells.n_validation - 1, min(cells.n_validation, MOST_LOOKED_AT)).long()
    looked_at = _read(denoiser, cells.validation, cells.validation_codes, held, generator)
    best, kept = looked_at.loss(edges), edges.weight.clone()
    for spread in SPREADS:
        _solve(edges, known, penalty=copies / spread**2)
        if (loss := looked_at.loss(edges)) < best:
            best, kept = loss, edges.weight.clone()
    edges.weight.copy_(kept)


class _Read:
    """Partly read cells: what was surprising (cell, gene), the log shares expected, and the cells themselves."""

    def __init__(self, surprise: Tensor, start: Tensor, counts: Tensor, read: Tensor) -> None:
        self.surprise, self.start, self.counts, self.read = surprise, start, counts, read

    def loss(self, edges: EdgeLinear) -> float:
        """Return the mean nats per unread molecule with these edges."""
        moved = (self.start + edges(self.surprise)).log_softmax(1)
        return float(unread_loss(moved, self.counts, self.read).mean())


def _read(
    denoiser: CountDenoiser, cells: csr_matrix | CellsByRow, codes: Tensor, rows: Tensor, generator: torch.Generator
) -> _Read:
    parts: list[tuple[Tensor, ...]] = []
    for some in rows.split(_AT_ONCE):
        counts = dense(cells, some)
        library = counts.sum(1).clamp(min=1)
        read = thin(counts, share_read(library, strata(torch.arange(len(some)))), generator=generator)
        start = denoiser.start_log_shares(read, library, codes[some])
        parts.append((denoiser.surprise(read, start), start, counts, read))
    return _Read(*(torch.cat(one) for one in zip(*parts, strict=True)))


def _solve(edges: EdgeLinear, known: _Read, *, penalty: float) -> None:
    """Minimise the quadratic form of the regression, which conjugate directions do in a few steps."""
    unread = known.counts - known.read
    expected = unread.sum(1, keepdim=True) * known.start.exp()  # (cell, gene)
    missed = unread - expected
    weight = edges.weight
    optimizer = torch.optim.LBFGS([weight], max_iter=_STEPS, history_size=10, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        with torch.enable_grad():
            moved = edges(known.surprise)
            loss = (0.5 * expected * moved.square() - missed * moved).sum() + 0.5 * penalty * weight.square().sum()
            loss.backward()
        return loss.detach()

    weight.requires_grad_(True)
    optimizer.step(closure)
    weight.requires_grad_(False)
    weight.grad = None
