"""The order of cells that are read from disk: shuffled by blocks, and again within a window of many blocks.

A disk reads neighbours fast and scattered cells slowly. So short runs of neighbouring cells (blocks) are dealt out at
random over the windows of an epoch, a window is read as a whole, and its cells are shuffled. A file sorted by cell type
is as well mixed as any: a window holds blocks from all over it. Like a full shuffle, step k is a function of the seed
and k alone.
"""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from genediff.training.batches import stream

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

BLOCK, WINDOW = 64, 256
"""Neighbouring cells of a block, and blocks of a window: 16,384 cells are in memory at a time, and as many to come."""

Key = tuple[int, int]


class Windows:
    """Windows of cells, each read as a whole in a thread of its own before it is needed.

    Parameters
    ----------
    read
        Gives what is kept of some rows (ascending), as something that can be indexed by places among them.
    """

    def __init__(self, read: Callable[[np.ndarray], Any]) -> None:
        self._read = read
        self._held: dict[Key, tuple[np.ndarray, Future[Any]]] = {}
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="cells")

    def hold(self, wanted: dict[Key, np.ndarray]) -> None:
        """Begin to read these windows (key: rows in any order) unless that was done, and forget all others."""
        self._held = {key: held for key, held in self._held.items() if key in wanted}
        for key, rows in wanted.items():
            if key not in self._held:
                ascending = np.sort(rows)
                self._held[key] = ascending, self._thread.submit(self._read, ascending)

    def parts(self, rows: np.ndarray) -> list[tuple[np.ndarray, Any]] | None:
        """Return per held window the places of its rows among these, and what is kept; None if any row is lacking."""
        found, lacking = [], np.arange(len(rows))
        for ascending, future in self._held.values():
            place = np.minimum(np.searchsorted(ascending, rows[lacking]), len(ascending) - 1)
            here = ascending[place] == rows[lacking]  # windows of two epochs may both have a row
            if here.any():
                found.append((lacking[here], future.result()[place[here]]))
                lacking = lacking[~here]
        return None if len(lacking) else found


class BlockShuffle:
    """Endless epochs of row numbers, shuffled by blocks and within windows, cut into batches of equal size."""

    def __init__(
        self,
        n: int,
        batch_size: int,
        *,
        seed: int,
        block: int = BLOCK,
        window: int = WINDOW,
        feed: Windows | None = None,
    ) -> None:
        self.n, self.batch_size, self.seed, self.block = n, min(batch_size, n), seed, block
        self.n_blocks = -(-n // block)
        n_windows = max(1, round(self.n_blocks / window))
        self.bounds = np.linspace(0, self.n_blocks, n_windows + 1).astype(np.int64)  # of windows, in blocks
        self._feed = feed
        self._orders: dict[int, np.ndarray] = {}
        self._windows: dict[Key, np.ndarray] = {}

    def rows(self, step: int) -> Tensor:
        """Return the rows of a step (counted from 0), (batch,)."""
        epoch, place = divmod(step, self.n // self.batch_size)
        start, stop = place * self.batch_size, (place + 1) * self.batch_size
        ends = self._ends(epoch)
        first, last = np.searchsorted(ends, [start, stop - 1], side="right")
        keys = [(epoch, window) for window in range(int(first), int(last) + 1)]
        following = (epoch, int(last) + 1) if last + 1 < len(ends) else (epoch + 1, 0)
        self._windows = {key: self._window(key) for key in (*keys, following)}
        if self._feed is not None:
            self._feed.hold(self._windows)
        self._orders = {number: order for number, order in self._orders.items() if number >= epoch}
        before = int(ends[first - 1]) if first else 0
        rows = np.concatenate([self._windows[key] for key in keys])[start - before : stop - before]
        return torch.from_numpy(rows)

    def _window(self, key: Key) -> np.ndarray:
        """Return the rows of a window in the order in which they are seen."""
        if key in self._windows:
            return self._windows[key]
        epoch, number = key
        blocks = self._order(epoch)[self.bounds[number] : self.bounds[number + 1]]
        rows = (blocks[:, None] * self.block + np.arange(self.block)).ravel()
        rows = rows[rows < self.n]
        return rows[torch.randperm(len(rows), generator=stream(self.seed, 8, epoch, number)).numpy()]

    def _order(self, epoch: int) -> np.ndarray:
        if epoch not in self._orders:
            self._orders[epoch] = torch.randperm(self.n_blocks, generator=stream(self.seed, 7, epoch)).numpy()
        return self._orders[epoch]

    def _ends(self, epoch: int) -> np.ndarray:
        """Return where each window of an epoch ends, in rows (window,)."""
        ends = self.bounds[1:] * self.block
        short = int(np.flatnonzero(self._order(epoch) == self.n_blocks - 1)[0])  # the last block may be short
        return ends - np.where(self.bounds[1:] > short, self.n_blocks * self.block - self.n, 0)
