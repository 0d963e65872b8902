"""The stage that learns to turn noise into cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from genediff.diffusion.guidance import drop_conditions
from genediff.training.batches import Shuffle, dense, stream
from genediff.training.corruption import Corruption
from genediff.training.stage import Stage

if TYPE_CHECKING:
    from lightning_fabric import Fabric

    from genediff.config import TrainConfig
    from genediff.model import GeneDiff
    from genediff.training.cells import TrainingCells

# How often each cell is encoded for the flow, each time with another corruption.
MOST_VIEWS = 16

# A little noise on the log library (in standard deviations), or a flow learns the few libraries it saw by heart.
LIBRARY_JITTER = 0.05


class FlowStage(Stage):
    """Regresses the objective's target along the path, in latent or in gene space."""

    name = "flow"

    def __init__(
        self, model: GeneDiff, cells: TrainingCells, config: TrainConfig, *, fabric: Fabric, seed: int
    ) -> None:
        model.to(fabric.device)
        corruption = Corruption(config.input_dropout, config.thinning)
        self.train_states = _states(model, cells, "train", corruption, seed=seed)
        self.validation_states = _states(model, cells, "validation", corruption, seed=seed)
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
            patience=config.patience,
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
    """Tokens of every cell, drawn anew from their posterior in every step, and the log library.

    Each cell was encoded several times, each time corrupted as the encoder knows it from its own training: the
    posteriors of whole training cells are narrower than those of cells the encoder has not seen. ``mean`` and ``std``
    are (view, cell, token x channel); ``library`` is (cell, 0 or 1).
    """

    def __init__(self, mean: Tensor, std: Tensor, library: Tensor) -> None:
        self.mean, self.std, self.library = mean, std, library

    def batch(self, rows: Tensor, generator: torch.Generator) -> Tensor:
        """Return states (cell, dim) of some rows."""
        view = torch.randint(len(self.mean), (len(rows),), generator=generator)
        noise = torch.randn(len(rows), self.mean.shape[2], generator=generator)
        tokens = self.mean[view, rows] + self.std[view, rows] * noise  # (cell, token x channel)
        jitter = LIBRARY_JITTER * torch.randn(len(rows), self.library.shape[1], generator=generator)
        return torch.cat([tokens, self.library[rows] + jitter], dim=1)


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


def _states(
    model: GeneDiff, cells: TrainingCells, split: str, corruption: Corruption, *, seed: int
) -> LatentStates | GeneStates:
    if not model.in_latent_space:
        return GeneStates(model, cells, split)
    mean, std, library = encode_all(model, cells, split, corruption, seed=seed)
    # Scales that training cells fixed (``fit_token_scale``) make every latent number of unit variance for the flow.
    scale, centre = model.token_std.cpu(), model.token_mean.cpu()
    return LatentStates((mean - centre) / scale, std / scale, library)


@torch.no_grad()
def encode_all(
    model: GeneDiff, cells: TrainingCells, split: str, corruption: Corruption, *, seed: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Return posterior means and stds (view, cell, token x channel) and standardised log libraries (cell, 0 or 1)."""
    matrix = cells.train if split == "train" else cells.validation
    n, size = matrix.shape[0], model.tokenizer.layout.size
    corrupted = corruption.dropout > 0 or (corruption.thinning > 0 and cells.has_counts)
    # As many views as memory allows: 50 million numbers for each of mean and std.
    views = max(1, min(MOST_VIEWS, 50_000_000 // (n * size))) if corrupted else 1
    mean, std = torch.empty(views, n, size), torch.empty(views, n, size)
    library = torch.empty(n, int(cells.has_counts))
    for start in range(0, n, 1024):
        block = slice(start, start + 1024)
        measured = torch.from_numpy(matrix[block].toarray())
        library[block] = model.standardise_library(cells.normalise(measured)[1].to(model.device)).cpu()
        for view in range(views):
            generator = stream(seed, 5, view, start, int(split == "train"))
            posterior = model.tokenizer.posterior(corruption.apply(cells, model, measured, generator))
            mean[view, block], std[view, block] = posterior.mean.flatten(1).cpu(), posterior.std.flatten(1).cpu()
    return mean, std, library


def fit_token_scale(model: GeneDiff, cells: TrainingCells, config: TrainConfig, *, seed: int) -> None:
    """Measure mean and spread of every latent number over the training cells, posterior noise included."""
    if not model.in_latent_space:
        return
    corruption = Corruption(config.input_dropout, config.thinning)
    mean, std, _ = encode_all(model, cells, "train", corruption, seed=seed)
    total = mean.var((0, 1), correction=0) + std.square().mean((0, 1))  # (token x channel,)
    model.token_mean.copy_(mean.mean((0, 1)))
    model.token_std.copy_(total.sqrt().clamp(min=1e-4))
