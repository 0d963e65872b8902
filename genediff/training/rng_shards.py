"""How a batch is shared among processes, with random numbers that do not depend on which process holds a row.

A batch is divided into blocks of rows; the rows and random numbers of a block depend on the seed, the step and the
block alone. Processes take whole blocks, and so do the parts of an accumulated step, so that one process, several, and
one that accumulates see the same cells with the same noise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from genediff.core.errors import InputError
from genediff.training.batches import stream

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Generator

SMALLEST, MOST = 16, 64
"""Rows of a block at least, and blocks of a batch at most: each block costs a little time."""


@dataclass(frozen=True, eq=False)
class Draws:
    """Random numbers for the rows of a batch, block by block: each generator serves the next ``sizes`` rows."""

    generators: tuple[Generator, ...]
    sizes: tuple[int, ...]

    @classmethod
    def of(cls, generator: Generator, n: int) -> Draws:
        """Serve n rows from one generator."""
        return cls((generator,), (n,))

    def rand(self, *shape: int) -> Tensor:
        """Draw from U(0, 1), (row, *shape)."""
        return torch.cat([torch.rand(n, *shape, generator=g) for g, n in self._each()])

    def randn(self, *shape: int) -> Tensor:
        """Draw from a standard normal, (row, *shape)."""
        return torch.cat([torch.randn(n, *shape, generator=g) for g, n in self._each()])

    def randint(self, high: int) -> Tensor:
        """Draw whole numbers from 0 to high - 1, (row,)."""
        return torch.cat([torch.randint(high, (n,), generator=g) for g, n in self._each()])

    def binomial(self, counts: Tensor, share: Tensor, rows: Tensor) -> Tensor:
        """Draw how many of the counts (entry,) are kept, each with its share (entry,); rows (entry,) ascend."""
        ends = torch.searchsorted(rows, torch.tensor(self.sizes).cumsum(0)).tolist()  # (block,)
        parts = [slice(start, end) for start, end in zip([0, *ends[:-1]], ends, strict=True)]
        drawn = zip(parts, self.generators, strict=True)
        return torch.cat([torch.binomial(counts[part], share[part], generator=g) for part, g in drawn])

    def split(self, *tensors: Tensor) -> Iterator[tuple[Generator, tuple[Tensor, ...]]]:
        """Yield the generator and the rows of each block."""
        yield from zip(self.generators, zip(*(t.split(self.sizes) for t in tensors), strict=True), strict=True)

    def _each(self) -> Iterator[tuple[Generator, int]]:
        return zip(self.generators, self.sizes, strict=True)


@dataclass(frozen=True)
class Shard:
    """A part of a batch that is worked on at once: the numbers of its blocks, and where its rows lie in the batch."""

    blocks: range
    rows: slice
    sizes: tuple[int, ...]
    share: float
    """Its part of the whole batch, by rows."""

    def draws(self, *numbers: int) -> Draws:
        """Return the random numbers of its rows; the numbers are the seed and its purpose, as in `stream`."""
        return Draws(tuple(stream(*numbers, block) for block in self.blocks), self.sizes)


def shard_batch(batch_size: int, *, rank: int = 0, size: int = 1, accumulate: int = 1) -> tuple[Shard, ...]:
    """Return the parts of a batch that process ``rank`` of ``size`` works on, one after the other.

    Raises
    ------
    InputError
        When there are fewer blocks than parts.
    """
    block = max(SMALLEST, -(-batch_size // MOST))
    starts = list(range(0, batch_size, block))
    n_parts = size * accumulate
    if len(starts) < n_parts:
        raise InputError(
            f"a batch of {batch_size} cells is too small for {size} processes and {accumulate} parts each; take a "
            f"batch of {SMALLEST * n_parts} or more, or fewer of them"
            if n_parts <= MOST
            else f"{size} processes with {accumulate} parts each are more than the {MOST} that a batch is cut into; "
            "take fewer"
        )
    bounds = [len(starts) * number // n_parts for number in range(n_parts + 1)]
    parts = []
    for number in range(rank * accumulate, (rank + 1) * accumulate):
        blocks = range(bounds[number], bounds[number + 1])
        ends = [min(starts[k] + block, batch_size) for k in blocks]
        rows = slice(starts[blocks[0]], ends[-1])
        sizes = tuple(end - starts[k] for k, end in zip(blocks, ends, strict=True))
        parts.append(Shard(blocks, rows, sizes, (rows.stop - rows.start) / batch_size))
    return tuple(parts)
