"""The first stage of latent space: a tokenizer that can give back the counts it was shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from genediff.training.batches import Shuffle, dense, stream
from genediff.training.corruption import Corruption
from genediff.training.stage import Stage

if TYPE_CHECKING:
    from lightning_fabric import Fabric
    from torch import Tensor

    from genediff.config import TrainConfig
    from genediff.model import GeneDiff
    from genediff.training.cells import TrainingCells

# Steps over which the KL term grows to its full weight, so that tokens are not given up before they are of use.
KL_WARMUP = 300

# The dispersions and the ambient share are few, far from their start and alone in their effect: they learn faster.
FAST_RATE = 0.03


class AutoencoderStage(Stage):
    """Trains tokenizer and head to explain held-out counts."""

    name = "autoencoder"

    def __init__(
        self, model: GeneDiff, cells: TrainingCells, config: TrainConfig, *, fabric: Fabric, seed: int
    ) -> None:
        module = model.autoencoder
        if module is None:
            raise ValueError("an autoencoder stage needs a model in latent space")
        super().__init__(
            module,
            fabric=fabric,
            total_steps=config.tokenizer_steps,
            batch_size=config.tokenizer_batch_size,
            learning_rate=config.tokenizer_learning_rate,
            weight_decay=0.0,
            warmup=min(config.warmup, config.tokenizer_steps // 10),
            clip=50.0,  # the loss is a sum over genes, so its gradients are larger than a mean's
            ema=min(config.ema, 0.99),
            patience=config.patience,
            fast={f"head.{name}": FAST_RATE for name in module.head.fast},
            seed=seed,
        )
        self.model, self.cells = model, cells
        self.shuffle = Shuffle(cells.n_train, config.tokenizer_batch_size, seed=seed)
        self.corruption = Corruption(config.input_dropout, config.thinning)
        self.shrinkage = config.shrinkage

    def loss(self, step: int) -> Tensor:
        """Return the mean negative bound (nats per cell) on the batch of a step, and the prior of the patterns."""
        rows = self.shuffle.rows(step)
        measured = dense(self.cells.train, rows)  # (cell, gene)
        generator = stream(self.seed, 1, step)
        seen = self.corruption.apply(self.cells, self.model, measured, generator)
        share = min(1.0, (step + 1) / KL_WARMUP)
        bound = self._losses(seen, measured, generator, share).mean()
        return bound + self._prior() * self.shrinkage / (2 * self.cells.n_train)

    def validation_loss(self) -> float:
        """Return the mean negative bound (nats per cell) on held-out cells, seen whole."""
        total, n = 0.0, self.cells.n_validation
        for number, start in enumerate(range(0, n, 1024)):
            measured = dense(self.cells.validation, torch.arange(start, min(start + 1024, n)))
            seen = Corruption(0, 0).apply(self.cells, self.model, measured, stream(self.seed, 2, number))
            total += float(self._losses(seen, measured, stream(self.seed, 2, number), 1.0).sum())
        return total / n

    def _losses(self, seen: Tensor, measured: Tensor, generator: torch.Generator, share: float) -> Tensor:
        layout, device = self.model.tokenizer.layout, self.fabric.device
        noise = torch.randn(len(seen), layout.n_tokens, layout.n_channels, generator=generator).to(device)
        measured = measured.to(device)
        library = self.cells.normalise(measured)[1]
        return self.module(seen.to(device), measured, library, noise, share)

    def _prior(self) -> Tensor:
        tokenizer = self.model.tokenizer
        total = torch.zeros((), device=self.fabric.device)
        for name in tokenizer.shrunk:
            total = total + tokenizer.get_parameter(name).square().sum()
        return total
