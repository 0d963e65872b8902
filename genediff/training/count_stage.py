"""The stage that learns, in count space, which molecules of a partly read cell are still to come."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from genediff.diffusion.thinning import thin, unread_loss
from genediff.distributed import ALONE
from genediff.models.count_denoiser import CountDenoiser
from genediff.training.batches import dense, stream
from genediff.training.cross_fitting import CrossFitted, fit_start
from genediff.training.denoiser_stage import DenoiserStage
from genediff.training.disk import MOST_SAMPLED, DiskCells
from genediff.training.fit_edges import fit_edges
from genediff.training.fit_recalibration import fit_recalibration, share_read, strata
from genediff.training.rng_shards import Draws

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lightning_fabric import Fabric
    from torch import Tensor

    from genediff.distributed import Ranks
    from genediff.models.config import TrainConfig
    from genediff.models.generative_model import GenerativeModel
    from genediff.training.rng_shards import Shard
    from genediff.training.training_cells import TrainingCells

MOST_LOOKED_AT = 512
"""Held-out cells of a look, each at `LOOKS` depths."""
LOOKS = 2
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
        crossed: CrossFitted | None = None,
    ) -> None:
        assert isinstance(model.denoiser, CountDenoiser)
        if crossed is None:
            crossed = crossed_start(model, cells, seed=seed)
            for _ in fitted_start(model, cells, crossed, seed=seed):
                pass
        self.crossed = crossed.to(fabric.device)
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
        codes = self.dropped_codes(rows, draws)
        return self._losses(dense(self.cells.train, rows), codes, draws, draws.rand(), training=rows).mean()

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

    def _losses(
        self, counts: Tensor, codes: Tensor, draws: Draws, place: Tensor, *, training: Tensor | None = None
    ) -> Tensor:
        """Return nats per unread molecule of cells (cell, gene), read to a share of their log depth, (cell,).

        ``training`` are the rows of training cells, (cell,): some genes are hidden from the tokenizer, and the start
        is one that was fitted without them.
        """
        library = counts.sum(1).clamp(min=1)
        share = share_read(library, place)
        blocks = zip(draws.split(counts), share.split(draws.sizes), strict=True)
        read = torch.cat([thin(block, part, generator=generator) for (generator, (block,)), part in blocks])
        device = self.fabric.device
        counts, asked = counts.to(device), (read.to(device), library.to(device), codes.to(device))
        shown, closed, dropout = None, None, self.config.input_dropout
        if training is not None:
            assert isinstance(self.model.denoiser, CountDenoiser)
            with torch.no_grad():
                closed = self.crossed.log_shares(self.model.denoiser.start, *asked, training)
            if dropout:
                shown = (draws.rand(counts.shape[1]) >= dropout).to(device) / (1 - dropout)
        log_share = self.module(*asked, shown, closed)
        return unread_loss(log_share.float(), counts, asked[0])


def fitted_start(
    model: GenerativeModel, cells: TrainingCells, crossed: CrossFitted, *, seed: int
) -> Iterator[tuple[int, int]]:
    """Fit what the network starts from, unless it came with a checkpoint; yields the steps done, and of how many."""
    assert isinstance(model.denoiser, CountDenoiser)
    if not model.denoiser.start.n_components:
        rows = start_rows(cells)
        model.denoiser.start = fit_start(cells, rows, model.null.tolist())
        yield from fit_recalibration(model.denoiser, cells, rows, crossed, seed=seed)
        if model.denoiser.linear is not None:
            fit_edges(model.denoiser, cells, rows, crossed, seed=seed)


def crossed_start(model: GenerativeModel, cells: TrainingCells, *, seed: int) -> CrossFitted:
    """Return what a model in count space starts from, as it answers of training cells; the same for the same seed."""
    return CrossFitted(cells, start_rows(cells), model.null.tolist(), seed=seed)


def start_rows(cells: TrainingCells) -> np.ndarray:
    """Return the training cells that a start is fitted on: all, or a sample where cells are on disk."""
    train = cells.train
    return train.sample(MOST_SAMPLED) if isinstance(train, DiskCells) else np.arange(cells.n_train)
