"""The stage that learns to turn noise into cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from genediff.diffusion.guidance import drop_conditions
from genediff.training.batches import Shuffle, dense, stream
from genediff.training.stage import Stage

if TYPE_CHECKING:
    from lightning_fabric import Fabric

    from genediff.config import TrainConfig
    from genediff.model import GeneDiff
    from genediff.training.cells import TrainingCells


class FlowStage(Stage):
    """Regresses the objective's target along the path, in latent or in gene space."""

    name = "flow"

    def __init__(
        self, model: GeneDiff, cells: TrainingCells, config: TrainConfig, *, fabric: Fabric, seed: int
    ) -> None:
        model.to(fabric.device)
        self.train_states = _states(model, cells, "train")
        self.validation_states = _states(model, cells, "validation")
        super().__init__(
            model.denoiser,
            fabric=fabric,
            total_steps=config.steps,
            batch_size=config.batch_size,
            learning_rate=config.learning_rate,
            weight_decay=config.weight_decay,
            warmup=min(config.warmup, config.steps // 10),
            clip=config.clip,
            ema=config.ema,
            fast={},
            seed=seed,
        )
        self.model, self.cells, self.config = model, cells, config
        self.shuffle = Shuffle(cells.n_train, config.batch_size, seed=seed + 1)

    def loss(self, step: int) -> Tensor:
        """Return the objective's loss on the batch of a step."""
        rows, generator = self.shuffle.rows(step), stream(self.seed, 3, step)
        codes = drop_conditions(
            self.cells.train_codes[rows],
            self.model.null.cpu(),
            rate=self.config.drop_condition,
            rule=self.model.spec.run.model.guidance,
            generator=generator,
        )
        return self._loss(self.train_states.batch(rows, generator), codes, generator)

    def validation_loss(self) -> float:
        """Return the objective's loss on held-out cells, a few noises for each."""
        n = self.cells.n_validation
        # Small validation sets are noisy: every cell is looked at several times, until 4,096 draws are seen.
        repeats = max(1, min(8, 4096 // n))
        total, drawn = 0.0, 0
        for repeat in range(repeats):
            for number, start in enumerate(range(0, min(n, 4096), 1024)):
                rows = torch.arange(start, min(start + 1024, n))
                generator = stream(self.seed, 4, repeat, number)
                states = self.validation_states.batch(rows, generator)
                codes = self.cells.validation_codes[rows]
                total += float(self._loss(states, codes, generator)) * len(rows)
                drawn += len(rows)
        return total / drawn

    def _loss(self, states: Tensor, codes: Tensor, generator: torch.Generator) -> Tensor:
        device = self.fabric.device
        drawn = self.model.objective.sample(states.to(device), generator=generator)
        output = self.module(drawn.x_t, drawn.t, codes.to(device))
        return self.model.objective.loss(output, drawn)


class LatentStates:
    """Tokens of every cell, drawn anew from their posterior in every step, and the log library."""

    def __init__(self, mean: Tensor, std: Tensor, library: Tensor) -> None:
        self.mean, self.std, self.library = mean, std, library

    def batch(self, rows: Tensor, generator: torch.Generator) -> Tensor:
        """Return states (cell, dim) of some rows."""
        noise = torch.randn(len(rows), self.mean.shape[1], generator=generator)
        tokens = self.mean[rows] + self.std[rows] * noise  # (cell, token x channel)
        return torch.cat([tokens, self.library[rows]], dim=1)


class GeneStates:
    """Standardised expression, made dense one batch at a time, and the log library."""

    def __init__(self, model: GeneDiff, cells: TrainingCells, split: str) -> None:
        self.cells, self.matrix = cells, cells.train if split == "train" else cells.validation
        self.mean, self.std = model.mean.cpu(), model.std.cpu()
        self.scale, self.has_counts = model.library_scale.cpu(), cells.has_counts

    def batch(self, rows: Tensor, generator: torch.Generator) -> Tensor:
        """Return states (cell, dim) of some rows; the generator plays no part."""
        x, library = self.cells.normalise(dense(self.matrix, rows))
        x = (x - self.mean) / self.std  # (cell, gene)
        if not self.has_counts:
            return x
        return torch.cat([x, ((library.log() - self.scale[0]) / self.scale[1])[:, None]], dim=1)


def _states(model: GeneDiff, cells: TrainingCells, split: str) -> LatentStates | GeneStates:
    if not model.in_latent_space:
        return GeneStates(model, cells, split)
    mean, std, library = encode_all(model, cells, split)
    # Scales that training cells fixed (``fit_token_scale``) make every latent number of unit variance for the flow.
    scale, centre = model.token_std.cpu(), model.token_mean.cpu()
    return LatentStates((mean - centre) / scale, std / scale, library)


@torch.no_grad()
def encode_all(model: GeneDiff, cells: TrainingCells, split: str) -> tuple[Tensor, Tensor, Tensor]:
    """Return posterior means and stds (cell, token x channel) and standardised log libraries (cell, 0 or 1)."""
    matrix = cells.train if split == "train" else cells.validation
    parts: list[tuple[Tensor, Tensor, Tensor]] = []
    for start in range(0, matrix.shape[0], 1024):
        measured = torch.from_numpy(matrix[start : start + 1024].toarray()).to(model.device)
        x, library = cells.normalise(measured)
        posterior = model.tokenizer.posterior(model.standardise(x))
        scaled = model.standardise_library(library)
        parts.append((posterior.mean.flatten(1).cpu(), posterior.std.flatten(1).cpu(), scaled.cpu()))
    mean, std, libraries = (torch.cat(column) for column in zip(*parts, strict=True))
    return mean, std, libraries


def fit_token_scale(model: GeneDiff, cells: TrainingCells) -> None:
    """Measure mean and spread of every latent number over the training cells, posterior noise included."""
    if not model.in_latent_space:
        return
    mean, std, _ = encode_all(model, cells, "train")
    total = mean.var(0, correction=0) + std.square().mean(0)  # (token x channel,)
    model.token_mean.copy_(mean.mean(0))
    model.token_std.copy_(total.sqrt().clamp(min=1e-4))
