"""Noise as shallower sequencing: a cell loses molecules on the way to t = 0, and gains them on the way back.

Forward, each molecule of a cell x is kept with probability t: x_t ~ Binomial(x, t), an empty cell at t = 0, the whole
cell at t = 1. Backward, molecules are read one after the other until the library is full; the only thing to be learned
is which gene the next molecule belongs to.

Source: Chen & Zhou 2023, "Learning to Jump: thinning and thickening latent counts"; Santos et al. 2023, "Blackout
diffusion", for the birth process.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Generator, Tensor

FIRST = 2
"""Molecules that are read first, before anything is known of a cell."""

Shares = Callable[[Tensor, Tensor], Tensor]
"""Maps cells as far as they are read (cell, gene), and their library sizes (cell,), to log shares (cell, gene): how
likely the next molecule is one of each gene."""


def thin(counts: Tensor, share: Tensor, *, generator: Generator) -> Tensor:
    """Keep each molecule of counts (cell, gene) with the probability of its cell, share (cell,) in [0, 1]."""
    there = counts.nonzero(as_tuple=True)  # nine counts of ten are zero: nothing to thin
    kept = torch.binomial(counts[there], share[there[0]], generator=generator)
    return torch.zeros_like(counts).index_put(there, kept)


def read_molecules(counts: Tensor, depth: Tensor, *, generator: Generator) -> Tensor:
    """Draw ``depth`` (cell,) molecules of each cell without replacement: counts of the same shape, on the CPU.

    A cell with no more molecules than that is returned whole.
    """
    cell, gene = counts.nonzero(as_tuple=True)
    times = counts[cell, gene].long()
    cell, gene = cell.repeat_interleave(times), gene.repeat_interleave(times)  # (molecule,)
    order = torch.rand(len(cell), generator=generator, dtype=torch.double).add_(cell).argsort()
    totals = torch.bincount(cell, minlength=len(counts))
    place = torch.arange(len(cell)) - (totals.cumsum(0) - totals)[cell]  # cells follow one another also in that order
    taken = order[place < depth.long()[cell]]
    ones = torch.ones(len(taken), dtype=counts.dtype)
    return torch.zeros_like(counts).index_put((cell[taken], gene[taken]), ones, accumulate=True)


def draw_molecules(log_share: Tensor, n: Tensor, *, generator: Generator) -> Tensor:
    """Draw n (cell,) molecules from log shares (cell, gene), which need not sum to one: counts, on the CPU."""
    n = n.long().cpu()
    share = log_share.double().cpu().softmax(1)
    most = int(n.max()) if len(n) else 0
    if not most:
        return torch.zeros(share.shape)
    gene = torch.multinomial(share, most, replacement=True, generator=generator)  # (cell, molecule)
    wanted = torch.arange(most) < n[:, None]
    return torch.zeros(share.shape).scatter_add_(1, gene, wanted.float())


def depths(read: Tensor, library: Tensor, n_steps: int) -> Iterator[Tensor]:
    """Yield how many molecules of each cell are read after each of n_steps batches, (cell,).

    Two first, then batches that grow by a constant factor: what is not known of a cell shrinks with the logarithm of
    its depth. Cells that start at a depth of their own, ``read`` (cell,), go on from there.
    """
    now = read.double()
    full = torch.maximum(library.double().round(), now)
    begun = now > 0
    growing = n_steps - 1 + begun.double()  # steps that grow, (cell,)
    first = torch.where(begun, now, torch.minimum(full, now.new_tensor(float(FIRST))))
    for step in range(1, n_steps + 1):
        share = torch.where(growing > 0, (step - 1 + begun.double()) / growing.clamp(min=1), 1.0)
        grown = first * (full / first.clamp(min=1)).pow(share)
        now = full if step == n_steps else torch.maximum(now, grown.round().clamp(max=full))
        yield now


def read_cells(
    log_shares: Callable[[Tensor, Tensor], Tensor],
    library: Tensor,
    *,
    n_genes: int,
    n_steps: int,
    generator: Generator,
    start: Tensor | None = None,
) -> Iterator[Tensor]:
    """Read cells molecule by molecule until their libraries are full, yielding counts (cell, gene) after each batch.

    Parameters
    ----------
    log_shares
        What the next molecule may be: maps counts (row, gene) of some cells, and which cells they are (row,), to log
        shares (row, gene). It is asked once per batch and only for cells with molecules left to read.
    library
        Total counts of each cell at the end, (cell,), whole numbers; cells that start deeper stay as they are.
    n_genes
        The number of columns.
    n_steps
        Batches, each with one call of ``log_shares``.
    generator
        Of the draws, on the CPU.
    start
        Counts (cell, gene) that were read already; an empty cell where None.
    """
    counts = torch.zeros(len(library), n_genes) if start is None else start.cpu().float()
    for depth in depths(counts.sum(1), library.cpu(), n_steps):
        new = (depth - counts.sum(1)).round()  # (cell,)
        rows = (new > 0).nonzero()[:, 0]
        if len(rows):
            log_share = log_shares(counts[rows].to(library.device), rows.to(library.device))
            counts = counts.index_add(0, rows, draw_molecules(log_share, new[rows], generator=generator))
        yield counts


def unread_loss(log_share: Tensor, counts: Tensor, read: Tensor) -> Tensor:
    """Return the mean of -log share over the molecules of each cell that are not read yet, in nats, (cell,).

    Its minimiser is the posterior mean of the unread molecules. Log shares, whole cells and what is read of them are
    (cell, gene) each; a cell that is read to its end gives zero.
    """
    unread = counts - read
    return -(unread * log_share).sum(1) / unread.sum(1).clamp(min=1)


def log_orders(counts: Tensor) -> Tensor:
    """Return the log number of orders in which the molecules of each cell (cell, gene) can be read, (cell,)."""
    counts = counts.double()
    return torch.lgamma(counts.sum(1) + 1) - torch.lgamma(counts + 1).sum(1)


def likelihood_bound(log_shares: Shares, counts: Tensor, *, generator: Generator, n_depths: int = 32) -> Tensor:
    """Return an unbiased estimate of an upper bound on -log p(counts | library) of each cell, in nats, (cell,).

    By Jensen's inequality over the orders in which a cell can be read, -log p(x | L) is at most the sum over depths
    n < L of the expected loss of the next molecule, less `log_orders`; it is exact where the shares do not depend on
    the order of reading. Of the depths one is drawn from each of ``n_depths`` strata that grow with the depth; with
    ``n_depths`` no smaller than the library every depth is asked.
    """
    library = counts.sum(1)
    total = torch.zeros(len(counts), dtype=torch.double)
    bounds = [torch.zeros_like(library), *_strata(library, n_depths)]
    for low, high in zip(bounds[:-1], bounds[1:], strict=True):
        width = (high - low).double()
        depth = low + (torch.rand(len(counts), generator=generator) * (high - low)).floor().clamp(max=high - low - 1)
        read = read_molecules(counts, depth.clamp(min=0), generator=generator)
        loss = unread_loss(log_shares(read, library).cpu(), counts, read).double()
        total += torch.where(width > 0, width * loss, 0.0)
    return total - log_orders(counts)


def _strata(library: Tensor, n: int) -> list[Tensor]:
    """Return the upper ends of n strata of the depths below each library, (cell,) each; all of one where n suffices."""
    ends, low = [], torch.zeros_like(library)
    for left in range(n, 0, -1):
        grown = ((low + 1) * ((library + 1) / (low + 1)).pow(1 / left)).round() - 1
        low = torch.minimum(library, torch.maximum(low + 1, grown)) if left > 1 else library
        ends.append(low)
    return ends
