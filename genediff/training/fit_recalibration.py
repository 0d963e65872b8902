"""Fitting of what genes say by themselves, from which every network in count space starts."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING

import torch

from genediff.diffusion.thinning import thin, unread_loss
from genediff.models.count_denoiser import FEWEST_READ
from genediff.training.batches import dense, stream

if TYPE_CHECKING:
    from collections.abc import Generator

    import numpy as np
    from torch import Tensor

    from genediff.models.count_denoiser import CountDenoiser
    from genediff.training.training_cells import TrainingCells

STEPS, LOOK_EVERY, RATE = 600, 150, 1e-2
MOST_LOOKED_AT = 256
"""Held-out cells of a look."""
_NUMBERS = 64_000
"""Values (cell, gene) in a step."""


def share_read(library: Tensor, place: Tensor) -> Tensor:
    """Return the share of their molecules that is read of cells (cell,) at a place in [0, 1] of their log depth.

    It begins where the network is asked first, and ends at the whole library.
    """
    first = library.clamp(max=FEWEST_READ)
    return first * (library / first).pow(place) / library


def strata(numbers: Tensor, shift: float = 0.0) -> Tensor:
    """Return places in [0, 1] that lie evenly over cells of consecutive numbers (cell,), shifted from look to look."""
    return (numbers.float() * 0.618034 + shift) % 1  # the golden ratio


def fit_recalibration(
    denoiser: CountDenoiser, cells: TrainingCells, rows: np.ndarray, *, seed: int
) -> Generator[tuple[int, int], None, None]:
    """Fit what a gene's own molecules say beyond the mixture; as far as held-out cells are likelier for it.

    Parameters
    ----------
    rows
        The training cells that it is fitted on, (cell,).

    Yields
    ------
    tuple
        The steps done, and of how many. Who does not ask on to the end leaves it as it was when last looked at.
    """
    own, places = denoiser.recalibration, torch.from_numpy(rows)
    size = _at_once(denoiser)
    own.requires_grad_(True)
    groups = [
        {"params": [*own.functions.parameters()], "lr": RATE},
        {"params": [own.of_all], "lr": 3 * RATE},
        {"params": [own.of_gene], "lr": 0.3 * RATE},  # a gene alone has little to say
    ]
    optimizer = torch.optim.AdamW(groups, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
    best, kept = start_loss(denoiser, cells, seed=seed), deepcopy(own.state_dict())
    generator = stream(seed, 5)
    try:
        for step in range(1, STEPS + 1):
            chosen = places[torch.randint(len(rows), (size,), generator=generator)]
            counts, levels = dense(cells.train, chosen), cells.train_codes[chosen]
            loss = _losses(denoiser, counts, levels, torch.rand(size, generator=generator), generator).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            if step % LOOK_EVERY == 0 and (value := start_loss(denoiser, cells, seed=seed)) < best:
                best, kept = value, deepcopy(own.state_dict())
            yield step, STEPS
    finally:
        own.load_state_dict(kept)
        own.requires_grad_(False)


@torch.no_grad()
def start_loss(denoiser: CountDenoiser, cells: TrainingCells, *, seed: int) -> float:
    """Return the mean nats per unread molecule of held-out cells, read to depths that lie evenly over them."""
    held = torch.linspace(0, cells.n_validation - 1, min(cells.n_validation, MOST_LOOKED_AT)).long()
    place, generator, found = strata(torch.arange(len(held))), stream(seed, 6), 0.0
    for part in torch.arange(len(held)).split(_at_once(denoiser)):
        counts, levels = dense(cells.validation, held[part]), cells.validation_codes[held[part]]
        found += float(_losses(denoiser, counts, levels, place[part], generator).sum())
    return found / len(held)


def _losses(
    denoiser: CountDenoiser, counts: Tensor, levels: Tensor, place: Tensor, generator: torch.Generator
) -> Tensor:
    library = counts.sum(1).clamp(min=1)
    read = thin(counts, share_read(library, place), generator=generator)
    return unread_loss(denoiser.start_log_shares(read, library, levels), counts, read)


def _at_once(denoiser: CountDenoiser) -> int:
    """Return how many cells are worked on together."""
    return max(4, min(64, _NUMBERS // len(denoiser.log_profile)))
