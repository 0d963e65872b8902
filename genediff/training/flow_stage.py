"""The stage that learns to turn noise into cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from genediff.diffusion.objective import PathSample
from genediff.distributed import ALONE
from genediff.training.batches import dense, stream
from genediff.training.corruption import Corruption
from genediff.training.denoiser_stage import DenoiserStage
from genediff.training.latents import JITTER, DiskLatentStates, token_moments, views
from genediff.training.rng_shards import Draws

if TYPE_CHECKING:
    from lightning_fabric import Fabric

    from genediff.diffusion import Objective
    from genediff.distributed import Ranks
    from genediff.models.config import TrainConfig
    from genediff.models.generative_model import GenerativeModel
    from genediff.training.blocks import Windows
    from genediff.training.rng_shards import Shard
    from genediff.training.training_cells import TrainingCells


class FlowStage(DenoiserStage):
    """Regresses the objective's target along the path, in latent or in gene space."""

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
        model.to(fabric.device)
        corruption = Corruption(config.input_dropout, config.thinning)
        self.train_states = _states(model, cells, "train", corruption, seed=seed, ranks=ranks)
        self.validation_states = _states(model, cells, "validation", corruption, seed=seed, ranks=ranks)
        super().__init__(
            model,
            cells,
            config,
            fabric=fabric,
            patience=config.patience,
            fast={},
            seed=seed,
            ranks=ranks,
            accumulate=accumulate,
        )
        self.shuffle = cells.shuffle(config.batch_size, seed=seed + 1, feed=_feed(self.train_states, cells))

    def loss(self, step: int, part: Shard) -> Tensor:
        """Return the objective's loss on a part of a batch."""
        rows, draws = self.shuffle.rows(step)[part.rows], part.draws(self.seed, 3, step)
        dropped = self.dropped_codes(rows, draws)  # before the states: a stream's draws keep their order
        return self._loss(self.train_states.batch(rows, draws), dropped, draws)

    def validation_loss(self) -> float:
        """Return the objective's loss on held-out cells, a few noises for each."""
        n = self.cells.n_validation
        # Small validation sets are noisy: every cell is looked at several times, until 4,096 draws are seen.
        repeats = max(1, min(8, 4096 // n))
        looks = [
            (repeat, number, start)
            for repeat in range(repeats)
            for number, start in enumerate(range(0, min(n, 4096), 1024))
        ]
        total, drawn = 0.0, 0
        for look in self.ranks.share(len(looks)):
            repeat, number, start = looks[look]
            rows = torch.arange(start, min(start + 1024, n))
            draws = Draws.of(stream(self.seed, 4, repeat, number), len(rows))
            states = self.validation_states.batch(rows, draws)
            codes = self.cells.validation_codes[rows].to(self.fabric.device)
            sampled = sample_path(self.model.objective, states, draws, self.fabric.device)
            # No more at once than in a step: a large network would need more memory to look than to learn.
            for part in torch.arange(len(rows)).split(self.config.batch_size):
                piece = sampled.rows(part)
                output = self.module(piece.x_t, piece.t, codes[part])
                total += float(self.model.objective.loss(output, piece)) * len(part)
            drawn += len(rows)
        return self.ranks.total(total) / self.ranks.total(drawn)

    def _loss(self, states: Tensor, codes: Tensor, draws: Draws) -> Tensor:
        device = self.fabric.device
        drawn = sample_path(self.model.objective, states, draws, device)
        output = self.module(drawn.x_t, drawn.t, codes.to(device))
        return self.model.objective.loss(output, drawn)


def sample_path(objective: Objective, states: Tensor, draws: Draws, device: torch.device) -> PathSample:
    """Return the regression problem of states (cell, dim), with the random numbers of each block."""
    blocks = [objective.sample(block, generator=generator) for generator, (block,) in draws.split(states)]
    x_t, t, target, weight = (
        torch.cat(parts).to(device) for parts in zip(*((a.x_t, a.t, a.target, a.weight) for a in blocks), strict=True)
    )
    return PathSample(x_t=x_t, t=t, target=target, weight=weight)


class LatentStates:
    """Tokens of every cell, drawn anew from their posterior in every step, and the log library.

    Each cell was encoded several times, each time corrupted as the encoder knows it from its own training: the
    posteriors of whole training cells are narrower than those of cells the encoder has not seen. ``mean`` and ``std``
    are (view, cell, token x channel); ``library`` is (cell, 0 or 1).
    """

    def __init__(self, mean: Tensor, std: Tensor, library: Tensor) -> None:
        self.mean, self.std, self.library = mean, std, library

    def batch(self, rows: Tensor, draws: Draws) -> Tensor:
        """Return states (cell, dim) of some rows."""
        view, noise = draws.randint(len(self.mean)), draws.randn(self.mean.shape[2])
        tokens = self.mean[view, rows] + self.std[view, rows] * noise  # (cell, token x channel)
        jitter = JITTER * draws.randn(self.library.shape[1])
        return torch.cat([tokens, self.library[rows] + jitter], dim=1)


class GeneStates:
    """Standardised expression, made dense one batch at a time, and the log library."""

    def __init__(self, model: GenerativeModel, cells: TrainingCells, split: str) -> None:
        self.cells, self.matrix = cells, cells.train if split == "train" else cells.validation
        self.mean, self.std = model.mean.cpu(), model.std.cpu()
        self.scale, self.has_counts = model.library_scale.cpu(), cells.has_counts

    def batch(self, rows: Tensor, draws: Draws) -> Tensor:
        """Return states (cell, dim) of some rows; the draws play no part."""
        x, library = self.cells.normalise(dense(self.matrix, rows))
        x = (x - self.mean) / self.std  # (cell, gene)
        if not self.has_counts:
            return x
        return torch.cat([x, ((library.log() - self.scale[0]) / self.scale[1])[:, None]], dim=1)


def _states(
    model: GenerativeModel, cells: TrainingCells, split: str, corruption: Corruption, *, seed: int, ranks: Ranks
) -> LatentStates | DiskLatentStates | GeneStates:
    if not model.in_latent_space:
        return GeneStates(model, cells, split)
    if split == "train" and cells.on_disk:
        return DiskLatentStates(model, cells, corruption, seed=seed, folder=cells.scratch)
    mean, std, library = encode_all(model, cells, split, corruption, seed=seed, ranks=ranks)
    # Scales that training cells fixed (``fit_token_scale``) make every latent number of unit variance for the flow.
    scale, centre = model.token_std.cpu(), model.token_mean.cpu()
    return LatentStates((mean - centre) / scale, std / scale, library)


def _feed(states: LatentStates | DiskLatentStates | GeneStates, cells: TrainingCells) -> Windows | None:
    """Return what is to read ahead for batches of these states; None where they are in memory."""
    return states.windows if isinstance(states, DiskLatentStates) else cells.feed


@torch.no_grad()
def encode_all(
    model: GenerativeModel, cells: TrainingCells, split: str, corruption: Corruption, *, seed: int, ranks: Ranks = ALONE
) -> tuple[Tensor, Tensor, Tensor]:
    """Return posterior means and stds (view, cell, token x channel) and standardised log libraries (cell, 0 or 1).

    Processes share the blocks of cells, and all get all of them.
    """
    matrix = cells.train if split == "train" else cells.validation
    n, size = matrix.shape[0], model.tokenizer.layout.size
    n_views = views(model, cells, corruption, n)
    mean, std = torch.zeros(n_views, n, size), torch.zeros(n_views, n, size)
    library = torch.zeros(n, int(cells.has_counts))
    starts = range(0, n, 1024)
    for number in ranks.share(len(starts)):
        start = starts[number]
        block = slice(start, start + 1024)
        measured = torch.from_numpy(matrix[block].toarray())
        library[block] = model.standardise_library(cells.normalise(measured)[1].to(model.device)).cpu()
        for view in range(n_views):
            draws = Draws.of(stream(seed, 5, view, start, int(split == "train")), len(measured))
            posterior = model.tokenizer.posterior(corruption.apply(cells, model, measured, draws))
            mean[view, block], std[view, block] = posterior.mean.flatten(1).cpu(), posterior.std.flatten(1).cpu()
    return ranks.sum(mean), ranks.sum(std), ranks.sum(library)


def fit_token_scale(
    model: GenerativeModel, cells: TrainingCells, config: TrainConfig, *, seed: int, ranks: Ranks = ALONE
) -> None:
    """Measure mean and spread of every latent number over the training cells, posterior noise included."""
    if not model.in_latent_space:
        return
    corruption = Corruption(config.input_dropout, config.thinning)
    if cells.on_disk:
        centre, spread = token_moments(model, cells, corruption, seed=seed, ranks=ranks)
        model.token_mean.copy_(centre)
        model.token_std.copy_(spread)
        return
    mean, std, _ = encode_all(model, cells, "train", corruption, seed=seed, ranks=ranks)
    total = mean.var((0, 1), correction=0) + std.square().mean((0, 1))  # (token x channel,)
    model.token_mean.copy_(mean.mean((0, 1)))
    model.token_std.copy_(total.sqrt().clamp(min=1e-4))
