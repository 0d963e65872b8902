"""The first stage of latent space: a tokenizer that can give back the counts it was shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from genediff.distributed import ALONE
from genediff.training.batches import dense, stream
from genediff.training.corruption import Corruption
from genediff.training.rng_shards import Draws
from genediff.training.stage import Stage

if TYPE_CHECKING:
    from lightning_fabric import Fabric
    from torch import Tensor

    from genediff.distributed import Ranks
    from genediff.models.config import TrainConfig
    from genediff.models.generative_model import GenerativeModel
    from genediff.training.rng_shards import Shard
    from genediff.training.training_cells import TrainingCells

# Steps over which the KL term grows to its full weight, so that tokens are not given up before they are of use.
KL_WARMUP = 300

# The dispersions and the ambient share are few, far from their start and alone in their effect: they learn faster.
FAST_RATE = 0.03


class AutoencoderStage(Stage):
    """Trains tokenizer and head to explain held-out counts."""

    name = "autoencoder"

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
        module = model.autoencoder
        if module is None:
            raise ValueError("an autoencoder stage needs a model in latent space")
        super().__init__(
            module,
            fabric=fabric,
            total_steps=config.tokenizer_steps,
            batch_size=min(config.tokenizer_batch_size, cells.n_train),
            learning_rate=config.tokenizer_learning_rate,
            weight_decay=0.0,
            warmup=min(config.warmup, config.tokenizer_steps // 10),
            clip=50.0,  # the loss is a sum over genes, so its gradients are larger than a mean's
            ema=min(config.ema, 0.99),
            patience=config.patience,
            fast={f"head.{name}": FAST_RATE for name in module.head.fast},
            seed=seed,
            ranks=ranks,
            accumulate=accumulate,
        )
        self.model, self.cells = model, cells
        self.shuffle = cells.shuffle(config.tokenizer_batch_size, seed=seed, feed=cells.feed)
        self.corruption = Corruption(config.input_dropout, config.thinning)
        self.shrinkage = config.shrinkage

    def loss(self, step: int, part: Shard) -> Tensor:
        """Return the mean negative bound (nats per cell) on a part of a batch, and the prior of the patterns."""
        measured = dense(self.cells.train, self.shuffle.rows(step)[part.rows])  # (cell, gene)
        draws = part.draws(self.seed, 1, step)
        seen = self.corruption.apply(self.cells, self.model, measured, draws)
        warmed = min(1.0, (step + 1) / KL_WARMUP)
        bound = self._losses(seen, measured, draws, warmed).mean()
        return bound + self._prior() * self.shrinkage / (2 * self.cells.n_train)

    def validation_loss(self) -> float:
        """Return the mean negative bound (nats per cell) on held-out cells, seen whole."""
        total, n = 0.0, self.cells.n_validation
        starts = range(0, n, 1024)
        for number in self.ranks.share(len(starts)):
            start = starts[number]
            measured = dense(self.cells.validation, torch.arange(start, min(start + 1024, n)))
            draws = Draws.of(stream(self.seed, 2, number), len(measured))
            seen = Corruption(0, 0).apply(self.cells, self.model, measured, draws)
            total += float(self._losses(seen, measured, draws, 1.0).sum())
        return self.ranks.total(total) / n

    def _losses(self, seen: Tensor, measured: Tensor, draws: Draws, share: float) -> Tensor:
        layout, device = self.model.tokenizer.layout, self.fabric.device
        noise = draws.randn(layout.n_tokens, layout.n_channels).to(device)
        measured = measured.to(device)
        library = self.cells.normalise(measured)[1]
        return self.module(seen.to(device), measured, library, noise, share)

    def _prior(self) -> Tensor:
        tokenizer = self.model.tokenizer
        total = torch.zeros((), device=self.fabric.device)
        for name in tokenizer.shrunk:
            total = total + tokenizer.get_parameter(name).square().sum()
        return total
