"""Tokens of cells that are on disk, kept on disk too: encoded once, read a window at a time."""

from __future__ import annotations

import tempfile
import threading
import weakref
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from genediff.distributed import ALONE
from genediff.training.batches import stream
from genediff.training.blocks import Windows
from genediff.training.rng_shards import Draws

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from torch import Tensor

    from genediff.distributed import Ranks
    from genediff.models.generative_model import GenerativeModel
    from genediff.training.corruption import Corruption
    from genediff.training.training_cells import TrainingCells

ENCODED = 1024
"""Cells that are encoded at a time."""
MOST_VIEWS, MOST_NUMBERS = 16, 50_000_000
"""How often each cell is encoded at most, each time with another corruption, and how many means all views may have."""
JITTER = 0.05
"""A little noise on the log library (in standard deviations), or a flow learns the few libraries it saw by heart."""


class DiskLatentStates:
    """What `flow.LatentStates` is, for cells on disk: views of every cell in a file that ends with the process.

    The file lies in ``folder`` (the system's for such files where None) and has no name there.
    """

    def __init__(
        self,
        model: GenerativeModel,
        cells: TrainingCells,
        corruption: Corruption,
        *,
        seed: int,
        folder: Path | None = None,
    ) -> None:
        self.n_views = views(model, cells, corruption, cells.n_train)
        self.size, self.n_library = model.tokenizer.layout.size, int(cells.has_counts)
        self._file = tempfile.TemporaryFile(dir=folder, buffering=0)
        weakref.finalize(self, self._file.close)
        scale, centre = model.token_std.cpu(), model.token_mean.cpu()
        for mean, std, library in encoded(model, cells, corruption, seed=seed):
            tokens = torch.stack([(mean - centre) / scale, std / scale], dim=2)  # (view, cell, 2, token x channel)
            record = torch.cat([tokens.transpose(0, 1).flatten(1), library], dim=1)  # (cell, number)
            left: Any = record.numpy().view(np.uint8).ravel()
            while len(left):
                left = left[self._file.write(left) :]
        self._one_at_a_time = threading.Lock()
        self.windows = Windows(self._read)

    def batch(self, rows: Tensor, draws: Draws) -> Tensor:
        """Return states (cell, dim) of some rows."""
        records = self._records(rows.numpy())
        tokens = records[:, : records.shape[1] - self.n_library].view(len(rows), self.n_views, 2, self.size)
        library = records[:, records.shape[1] - self.n_library :]
        view, noise = draws.randint(self.n_views), draws.randn(self.size)
        seen = tokens[torch.arange(len(rows)), view]  # (cell, 2, token x channel)
        jitter = JITTER * draws.randn(self.n_library)
        return torch.cat([seen[:, 0] + seen[:, 1] * noise, library + jitter], dim=1)

    def _records(self, rows: np.ndarray) -> Tensor:
        parts = self.windows.parts(rows)
        if parts is None:
            order = np.argsort(rows)
            return torch.from_numpy(self._read(rows[order])[np.argsort(order)])
        out = np.empty((len(rows), self._width), dtype=np.float32)
        for places, part in parts:
            out[places] = part
        return torch.from_numpy(out)

    @property
    def _width(self) -> int:
        return self.n_views * 2 * self.size + self.n_library

    def _read(self, rows: np.ndarray) -> np.ndarray:
        """Read the records of some cells (ascending), runs of neighbours in one go."""
        out = np.empty((len(rows), self._width), dtype=np.float32)
        starts = np.concatenate([[0], np.flatnonzero(np.diff(rows) != 1) + 1, [len(rows)]])
        for start, stop in zip(starts[:-1], starts[1:], strict=True):
            left: Any = out[start:stop].view(np.uint8).ravel()
            with self._one_at_a_time:
                self._file.seek(int(rows[start]) * self._width * 4)
                while len(left) and (n := self._file.readinto(left)):
                    left = left[n:]
            if len(left):
                raise OSError("the file of encoded cells is shorter than it was")
        return out


def views(model: GenerativeModel, cells: TrainingCells, corruption: Corruption, n: int) -> int:
    """Return how often each of n cells is encoded: the more cells, the less often; once where nothing is corrupted."""
    corrupted = corruption.dropout > 0 or (corruption.thinning > 0 and cells.has_counts)
    return max(1, min(MOST_VIEWS, MOST_NUMBERS // (n * model.tokenizer.layout.size))) if corrupted else 1


@torch.no_grad()
def encoded(
    model: GenerativeModel, cells: TrainingCells, corruption: Corruption, *, seed: int, ranks: Ranks = ALONE
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Yield posterior means and stds (view, cell, token x channel) and log libraries (cell, 0 or 1), block by block.

    The blocks are this process's share of the training cells, and the numbers are those of `flow.encode_all`.
    """
    starts = range(0, cells.n_train, ENCODED)
    for number in ranks.share(len(starts)):
        start = starts[number]
        measured = torch.from_numpy(cells.train[start : start + ENCODED].toarray())
        library = model.standardise_library(cells.normalise(measured)[1].to(model.device)).cpu()
        means, stds = [], []
        for view in range(views(model, cells, corruption, cells.n_train)):
            draws = Draws.of(stream(seed, 5, view, start, 1), len(measured))
            posterior = model.tokenizer.posterior(corruption.apply(cells, model, measured, draws))
            means.append(posterior.mean.flatten(1).cpu())
            stds.append(posterior.std.flatten(1).cpu())
        yield torch.stack(means), torch.stack(stds), library


def token_moments(
    model: GenerativeModel, cells: TrainingCells, corruption: Corruption, *, seed: int, ranks: Ranks
) -> tuple[Tensor, Tensor]:
    """Return mean and spread of every latent number over the training cells, posterior noise included."""
    size = model.tokenizer.layout.size
    sums = torch.zeros(3, size, dtype=torch.float64)  # of means, of their squares, of the noise
    for mean, std, _ in encoded(model, cells, corruption, seed=seed, ranks=ranks):
        parts = (mean.double(), mean.double().square(), std.double().square())
        sums += torch.stack([part.sum((0, 1)) for part in parts])
    means, squares, noise = ranks.sum(sums) / (cells.n_train * views(model, cells, corruption, cells.n_train))
    return means.float(), (squares - means.square() + noise).clamp(min=1e-8).sqrt().float()
