"""The walk along edges on a CPU, compiled by numba: one scalar product per entry, and a softmax per row.

torch's kernel for the scalar products calls a BLAS routine for each entry, which for the 16 channels of a head costs
five times the product; its softmax takes five passes over all entries. Weighted sums stay with torch's embedding bags,
which are as fast. Figures stand in benchmarks/tokenization_speed.md.
"""

from __future__ import annotations

import functools
import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numba
import numpy as np
import torch

from genediff.nn.edge_kernels import BagKernels

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from genediff.nn.edge_lists import Rows

# Sums may be taken in any order, so that they are taken in lanes; what is not a number stays what it is.
_compiled = numba.njit(nogil=True, cache=True, fastmath={"reassoc", "contract"})
WORTH_A_THREAD = 2**15
"""Entries below which handing work to another thread costs more than it saves."""


class CompiledKernels(BagKernels):
    """Scalar products and softmax compiled for this CPU, in as many threads as torch has."""

    def dots(self, a: Tensor, b: Tensor, rows: Rows) -> Tensor:
        """Return a[row] · b[column] of each entry."""
        out = a.new_empty(len(rows.column))
        start, column = rows.start.numpy(), rows.column.numpy()
        _in_threads(_dots, start, a.detach().numpy(), b.detach().numpy(), start, column, out.numpy())
        return out

    def softmax(self, scores: Tensor, rows: Rows) -> Tensor:
        """Return weights that add up to one over the entries of each row; overwrites the scores."""
        start = rows.start.numpy()
        _in_threads(_softmax, start, scores.numpy(), start)
        return scores


def _in_threads(work: Callable[..., None], start: np.ndarray, *arrays: Any) -> None:
    """Do work on all rows, cut into stretches of as many entries for each thread."""
    n_rows, n_entries = len(start) - 1, int(start[-1])
    threads = min(torch.get_num_threads(), 1 + n_entries // WORTH_A_THREAD)
    if threads == 1:
        work(*arrays, 0, n_rows)
        return
    cuts = np.searchsorted(start, np.linspace(0, n_entries, threads + 1))
    cuts[0], cuts[-1] = 0, n_rows
    list(_pool(os.getpid()).map(lambda part: work(*arrays, cuts[part], cuts[part + 1]), range(threads)))


@functools.cache
def _pool(process: int) -> ThreadPoolExecutor:
    """Return the threads of a process; one that was forked from this one has none of its own yet."""
    return ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="edges")


@_compiled
def _dots(a, b, start, column, out, first, last):  # type: ignore[no-untyped-def]  # pragma: no cover
    for row in range(first, last):
        for entry in range(start[row], start[row + 1]):
            other = column[entry]
            total = a[row, 0] * b[other, 0]
            for channel in range(1, a.shape[1]):
                total += a[row, channel] * b[other, channel]
            out[entry] = total


@_compiled
def _softmax(scores, start, first, last):  # type: ignore[no-untyped-def]  # pragma: no cover
    for row in range(first, last):
        begin, end = start[row], start[row + 1]
        if begin == end:
            continue
        highest = scores[begin]
        for entry in range(begin, end):
            highest = max(highest, scores[entry])
        total = scores[begin] * 0
        for entry in range(begin, end):
            scores[entry] = np.exp(scores[entry] - highest)
            total += scores[entry]
        for entry in range(begin, end):
            scores[entry] /= total
