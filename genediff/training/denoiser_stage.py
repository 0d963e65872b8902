"""What stages that train a denoiser share, in whichever space."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from genediff.diffusion.guidance import drop_conditions
from genediff.distributed import ALONE
from genediff.training.stage import Stage

if TYPE_CHECKING:
    from lightning_fabric import Fabric

    from genediff.distributed import Ranks
    from genediff.models.config import TrainConfig
    from genediff.models.generative_model import GenerativeModel
    from genediff.training.rng_shards import Draws
    from genediff.training.training_cells import TrainingCells


class DenoiserStage(Stage):
    """Trains a model's denoiser, with conditions left out now and then."""

    name = "flow"

    def __init__(
        self,
        model: GenerativeModel,
        cells: TrainingCells,
        config: TrainConfig,
        *,
        fabric: Fabric,
        seed: int,
        patience: int,
        fast: dict[str, float],
        ranks: Ranks = ALONE,
        accumulate: int = 1,
    ) -> None:
        model.to(fabric.device)
        super().__init__(
            model.denoiser,
            fabric=fabric,
            total_steps=config.steps,
            batch_size=min(config.batch_size, cells.n_train),
            learning_rate=config.learning_rate,
            weight_decay=config.weight_decay,
            warmup=min(config.warmup, config.steps // 10),
            clip=config.clip,
            ema=config.ema,
            patience=patience,
            fast=fast,
            seed=seed,
            ranks=ranks,
            accumulate=accumulate,
        )
        self.model, self.cells, self.config = model, cells, config

    def dropped_codes(self, rows: Tensor, draws: Draws) -> Tensor:
        """Return the levels of training cells, (cell, column), of which some are the null level of guidance."""
        null, rule = self.model.null.cpu(), self.model.spec.run.model.guidance
        return torch.cat(
            [
                drop_conditions(codes, null, rate=self.config.drop_condition, rule=rule, generator=generator)
                for generator, (codes,) in draws.split(self.cells.train_codes[rows])
            ]
        )
