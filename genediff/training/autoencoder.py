"""The first stage of latent space: a tokenizer that can give back the counts it was shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from genediff.training.batches import Shuffle, dense, stream
from genediff.training.stage import Stage

if TYPE_CHECKING:
    from lightning_fabric import Fabric
    from scipy.sparse import csr_matrix
    from torch import Tensor

    from genediff.config import TrainConfig
    from genediff.model import GeneDiff
    from genediff.training.cells import TrainingCells

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
            clip=max(config.clip, 10.0),  # the loss is a sum over genes, so its gradients are larger than a mean's
            ema=min(config.ema, 0.99),
            fast={f"head.{name}": FAST_RATE for name in module.head.fast},
            seed=seed,
        )
        self.model, self.cells = model, cells
        self.shuffle = Shuffle(cells.n_train, config.tokenizer_batch_size, seed=seed)
        self.n_genes = len(model.genes)

    def loss(self, step: int) -> Tensor:
        """Return the mean negative bound per gene on the batch of a step."""
        rows = self.shuffle.rows(step)
        return self._losses(self.cells.train, rows, stream(self.seed, 1, step)).mean() / self.n_genes

    def validation_loss(self) -> float:
        """Return the mean negative bound per gene on held-out cells."""
        total, n = 0.0, self.cells.n_validation
        for number, start in enumerate(range(0, n, 1024)):
            rows = torch.arange(start, min(start + 1024, n))
            total += float(self._losses(self.cells.validation, rows, stream(self.seed, 2, number)).sum())
        return total / n / self.n_genes

    def _losses(self, matrix: csr_matrix, rows: Tensor, generator: torch.Generator) -> Tensor:
        measured = dense(matrix, rows).to(self.fabric.device)  # (cell, gene)
        x, library = self.cells.normalise(measured)
        layout = self.model.tokenizer.layout
        noise = torch.randn(len(rows), layout.n_tokens, layout.n_channels, generator=generator).to(self.fabric.device)
        return self.module(self.model.standardise(x), measured, library, noise)
