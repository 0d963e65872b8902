"""Fitting of what regulators say of their targets in a straight line, from which gene tokens in count space start.

Gradient steps on a few cells at a time find edges of a few hundredths of a log unit only by chance: the noise of the
steps is as large. A ridge regression on all training cells finds them at once, and the network adds what is not linear.
"""

from __future__ import annotations

from dataclasses import dataclass
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
MOST_READ, MOST_NUMBERS = 12_288, 2**24
"""Cells, each read to one depth, that are regressed on, and values (cell, gene) of them."""
MOST_PRODUCTS = 10**11
"""Products of all cells together, some seconds of work; of a denser network fewer cells are taken."""
LOOKS = 4
"""Depths to which every held-out cell is read."""
_AT_ONCE = 256


@torch.no_grad()
def fit_edges(denoiser: CountDenoiser, cells: TrainingCells, rows: np.ndarray, *, seed: int) -> None:
    """Fit the linear edges on training ``rows`` (cell,); they stay at zero unless held-out cells are likelier for them.

    One step of iteratively reweighted least squares for the Poisson regression of every gene's unread molecules on how
    many more of its regulators' were read than expected, with the closed form as offset.
    """
    edges = denoiser.linear
    assert edges is not None
    n = min(MOST_READ, MOST_NUMBERS // len(denoiser.log_profile), MOST_PRODUCTS // _products(edges))
    copies = max(1, min(8, n // len(rows)))
    generator = stream(seed, 7)
    chosen = torch.cat([torch.from_numpy(rows)[torch.randperm(len(rows), generator=generator)] for _ in range(copies)])
    known = _read(denoiser, cells.train, cells.train_codes, chosen[:n], generator)
    held = torch.linspace(0, cells.n_validation - 1, min(cells.n_validation, MOST_LOOKED_AT)).long().repeat(LOOKS)
    looked_at = _read(denoiser, cells.validation, cells.validation_codes, held, generator)
    best, kept = looked_at.loss(edges), edges.weight.clone()
    equations = _normal_equations(edges, known)
    for spread in SPREADS:
        for part, left, right in equations:
            edges.weight[part] = torch.linalg.solve(left + copies / spread**2 * torch.eye(len(right)), right)
        if (loss := looked_at.loss(edges)) < best:
            best, kept = loss, edges.weight.clone()
    edges.weight.copy_(kept)


@dataclass(frozen=True, eq=False)
class _Read:
    """Partly read cells: surprise, log shares that are expected of the rest, and the rest itself, (cell, gene) each."""

    surprise: Tensor
    start: Tensor
    unread: Tensor

    def loss(self, edges: EdgeLinear) -> float:
        """Return the mean nats per unread molecule with these edges."""
        moved = (self.start + edges(self.surprise)).log_softmax(1)
        return float(unread_loss(moved, self.unread, torch.zeros_like(self.unread)).mean())


def _read(
    denoiser: CountDenoiser, cells: csr_matrix | CellsByRow, codes: Tensor, rows: Tensor, generator: torch.Generator
) -> _Read:
    shape = len(rows), len(denoiser.log_profile)
    found = _Read(torch.empty(shape), torch.empty(shape), torch.empty(shape))
    for at in torch.arange(len(rows)).split(_AT_ONCE):
        counts = dense(cells, rows[at])
        library = counts.sum(1).clamp(min=1)
        read = thin(counts, share_read(library, strata(at)), generator=generator)
        found.start[at] = start = denoiser.start_log_shares(read, library, codes[rows[at]])
        found.surprise[at], found.unread[at] = denoiser.surprise(read, start), counts - read
    return found


def _normal_equations(edges: EdgeLinear, known: _Read) -> list[tuple[slice, Tensor, Tensor]]:
    """Return for each target which edges lead there, and both sides of the regression on their sources."""
    n, start = known.unread.sum(1), edges.graph.start.tolist()
    source = edges.graph.edges[0]
    found = []
    for target in edges.graph.start.diff().nonzero()[:, 0].tolist():
        part = slice(start[target], start[target + 1])
        x = known.surprise[:, source[part]]  # (cell, edge)
        expected = n * known.start[:, target].exp()  # (cell,)
        found.append((part, x.T @ (expected[:, None] * x), x.T @ (known.unread[:, target] - expected)))
    return found


def _products(edges: EdgeLinear) -> int:
    """Return how many products a cell takes part in: of all pairs of regulators of a target."""
    return max(1, int(edges.graph.start.diff().square().sum()))
