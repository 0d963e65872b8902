"""The stage that learns, in count space, which molecules of a partly read cell are still to come."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING

import numpy as np
import torch

from genediff.diffusion.thinning import thin, unread_loss
from genediff.distributed import ALONE
from genediff.models.count_denoiser import CountDenoiser
from genediff.models.count_mixture import CLUSTER_SIZES, fit_count_mixture
from genediff.training.batches import dense, stream
from genediff.training.denoiser_stage import DenoiserStage
from genediff.training.disk import MOST_SAMPLED, DiskCells
from genediff.training.fit_edges import fit_edges
from genediff.training.fit_recalibration import fit_recalibration, share_read, start_loss, strata
from genediff.training.rng_shards import Draws

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from lightning_fabric import Fabric
    from torch import Tensor

    from genediff.distributed import Ranks
    from genediff.models.config import TrainConfig
    from genediff.models.count_mixture import CountMixture
    from genediff.models.generative_model import GenerativeModel
    from genediff.training.rng_shards import Shard
    from genediff.training.training_cells import TrainingCells

MOST_LOOKED_AT = 512
"""Held-out cells of a look, each at `LOOKS` depths."""
LOOKS = 2
COARSE = (0, 40)
"""Training cells per cluster of a coarse start: what it says of training cells is closer to what it says of others."""
GAIN_RATE = 10.0
"""The gains of genes start at zero and alone decide whether the network is heard: they learn so much faster."""


class CountStage(DenoiserStage):
    """Minimises the cross-entropy of the molecules not yet read, at depths uniform in their logarithm."""

    def __init__(
        self,
        model: GenerativeModel,
        cells: TrainingCells,
        config: TrainConfig,
        *,
        fabric: Fabric,
        seed: int,
        ranks: Ranks = ALONE,
        accumulate: int = 1,
    ) -> None:
        assert isinstance(model.denoiser, CountDenoiser)
        for _ in fitted_start(model, cells, seed=seed):
            pass
        super().__init__(
            model,
            cells,
            config,
            fabric=fabric,
            patience=config.patience or 1,  # its best weights are kept: the last ones know training cells by heart
            fast={"gain": GAIN_RATE * config.learning_rate},
            seed=seed,
            ranks=ranks,
            accumulate=accumulate,
        )
        self.shuffle = cells.shuffle(config.batch_size, seed=seed + 1, feed=cells.feed)
        with torch.no_grad():
            self.look()  # a network that adds nothing leaves the start as it is

    def loss(self, step: int, part: Shard) -> Tensor:
        """Return the mean nats per unread molecule over a part of a batch."""
        rows, draws = self.shuffle.rows(step)[part.rows], part.draws(self.seed, 3, step)
        return self._losses(
            dense(self.cells.train, rows), self.dropped_codes(rows, draws), draws, draws.rand(), hide=True
        ).mean()

    def validation_loss(self) -> float:
        """Return the mean nats per unread molecule of held-out cells, at the same depths at every look."""
        n = min(self.cells.n_validation, MOST_LOOKED_AT)
        blocks = torch.arange(n).split(self.config.batch_size)
        looks = [(look, number) for look in range(LOOKS) for number in range(len(blocks))]
        total, drawn = 0.0, 0
        for mine in self.ranks.share(len(looks)):
            look, number = looks[mine]
            rows = blocks[number]
            draws = Draws.of(stream(self.seed, 4, look, number), len(rows))
            # Strata over cells, shifted from look to look: all depths are seen, evenly.
            place = strata(rows, (look + 0.5) / LOOKS)
            losses = self._losses(dense(self.cells.validation, rows), self.cells.validation_codes[rows], draws, place)
            total += float(losses.sum())
            drawn += len(rows)
        return self.ranks.total(total) / self.ranks.total(drawn)

    def _losses(self, counts: Tensor, codes: Tensor, draws: Draws, place: Tensor, *, hide: bool = False) -> Tensor:
        """Return nats per unread molecule of cells (cell, gene), read to a share of their log depth, (cell,)."""
        library = counts.sum(1).clamp(min=1)
        share = share_read(library, place)
        blocks = zip(draws.split(counts), share.split(draws.sizes), strict=True)
        read = torch.cat([thin(block, part, generator=generator) for (generator, (block,)), part in blocks])
        device = self.fabric.device
        counts, read = counts.to(device), read.to(device)
        shown, dropout = None, self.config.input_dropout
        if hide and dropout:
            shown = (draws.rand(counts.shape[1]) >= dropout).to(device) / (1 - dropout)
        log_share = self.module(read, library.to(device), codes.to(device), shown)
        return unread_loss(log_share.float(), counts, read)


def fitted_start(model: GenerativeModel, cells: TrainingCells, *, seed: int) -> Generator[tuple[int, int], None, None]:
    """Fit what the network starts from, unless it came with a checkpoint; yields the steps done, and of how many.

    It is fitted on the CPU, wherever the network is trained: most of it is clustering.

    Of several mixtures the one is kept that is likelier for held-out cells once it is recalibrated: on 2,700 blood
    cells a coarser one than by itself, on Kang's the finest, which no model with a coarser one was ahead of.
    """
    denoiser = model.denoiser
    assert isinstance(denoiser, CountDenoiser)
    if denoiser.start.n_components:
        return
    device = denoiser.log_profile.device
    denoiser.cpu()
    try:
        rows = start_rows(cells)
        starts = possible_starts(cells, rows, model.null.tolist())
        unfitted = deepcopy(denoiser.recalibration.state_dict())
        found = []
        for number, start in enumerate(starts):
            denoiser.start = start
            denoiser.recalibration.load_state_dict(unfitted)
            for done, total in fit_recalibration(denoiser, cells, rows, seed=seed):
                yield done + number * total, len(starts) * total
            found.append((start_loss(denoiser, cells, seed=seed), start, deepcopy(denoiser.recalibration.state_dict())))
        _, denoiser.start, fitted = min(found, key=lambda one: one[0])
        denoiser.recalibration.load_state_dict(fitted)
        if denoiser.linear is not None:
            fit_edges(denoiser, cells, rows, seed=seed)
    finally:
        denoiser.to(device)


def start_rows(cells: TrainingCells) -> np.ndarray:
    """Return the training cells that a start is fitted on: all, or a sample where cells are on disk."""
    train = cells.train
    return train.sample(MOST_SAMPLED) if isinstance(train, DiskCells) else np.arange(cells.n_train)


def possible_starts(cells: TrainingCells, rows: np.ndarray, n_levels: Sequence[int]) -> list[CountMixture]:
    """Return mixtures that a network in count space may start from; the last is the one that it is compared with."""
    fitted = {}
    for sizes in (COARSE, CLUSTER_SIZES):
        mixture = fit_count_mixture(
            cells.train[rows],
            cells.train_codes[torch.from_numpy(rows)],
            n_levels,
            held_out=cells.validation,
            held_out_codes=cells.validation_codes,
            cluster_sizes=sizes,
        )
        fitted[mixture.n_components] = mixture
    return list(fitted.values())
