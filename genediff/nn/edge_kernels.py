"""The two sums that attention along edges is made of, without a tensor of (edge, channel).

``dots`` is one scalar product per entry of a sparse matrix, ``sums`` a weighted sum per row; forward and backward are
both made of them, on the matrix and on its transpose. Which kernels a device uses
says `genediff.nn.edge_choice`.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor
from torch.nn import functional

if TYPE_CHECKING:
    from genediff.nn.edge_lists import Rows

DOTS = "_embedding_bag_per_sample_weights_backward"

# Entries whose channels are gathered at once where there is no kernel that gathers none.
PART = 2**18


class Kernels(Protocol):
    """What attention along edges asks of a device; a and b are (row, channel), scores and weights (entry,)."""

    def dots(self, a: Tensor, b: Tensor, rows: Rows) -> Tensor:
        """Return a[row] · b[column] of each entry."""

    def sums(self, b: Tensor, weights: Tensor, rows: Rows) -> Tensor:
        """Return the sum of weight x b[column] over the entries of each row, (row, channel)."""

    def softmax(self, scores: Tensor, rows: Rows) -> Tensor:
        """Return weights that add up to one over the entries of each row; may overwrite the scores."""


class BagKernels:
    """Embedding bags. ``dots`` is what torch itself calls for the gradient of per-sample weights.

    That operator is private, so torch is pinned, and where it has gone others stand in for these kernels.
    """

    def dots(self, a: Tensor, b: Tensor, rows: Rows) -> Tensor:
        """Return a[row] · b[column] of each entry."""
        operator = getattr(torch.ops.aten, DOTS)
        return operator(a, b, rows.column, rows.start[:-1], rows.row, 0)

    def sums(self, b: Tensor, weights: Tensor, rows: Rows) -> Tensor:
        """Return the sum of weight x b[column] over the entries of each row, (row, channel)."""
        return functional.embedding_bag(
            rows.column, b, rows.start, mode="sum", per_sample_weights=weights, include_last_offset=True
        )

    def softmax(self, scores: Tensor, rows: Rows) -> Tensor:
        """Return weights that add up to one over the entries of each row; overwrites the scores."""
        start = rows.start.long()
        highest = torch.segment_reduce(scores, "max", offsets=start, unsafe=True)  # (row,)
        scores.sub_(highest.index_select(0, rows.row)).exp_()
        total = torch.segment_reduce(scores, "sum", offsets=start, unsafe=True)  # (row,)
        return scores.div_(total.index_select(0, rows.row))


class ScatterKernels:
    """Gathers and scatters of public torch, for any device; the channels of ``PART`` entries at once."""

    def dots(self, a: Tensor, b: Tensor, rows: Rows) -> Tensor:
        """Return a[row] · b[column] of each entry."""
        pairs = zip(rows.row.split(PART), rows.column.split(PART), strict=True)
        return torch.cat([(a.index_select(0, row) * b.index_select(0, column)).sum(1) for row, column in pairs])

    def sums(self, b: Tensor, weights: Tensor, rows: Rows) -> Tensor:
        """Return the sum of weight x b[column] over the entries of each row, (row, channel)."""
        total = b.new_zeros(len(rows.start) - 1, b.shape[1])
        parts = zip(rows.row.split(PART), rows.column.split(PART), weights.split(PART), strict=True)
        for row, column, weight in parts:
            total.index_add_(0, row, b.index_select(0, column) * weight[:, None])
        return total

    def softmax(self, scores: Tensor, rows: Rows) -> Tensor:
        """Return weights that add up to one over the entries of each row."""
        row, empty = rows.row.long(), scores.new_zeros(len(rows.start) - 1)
        highest = empty.scatter_reduce(0, row, scores, "amax", include_self=False)  # (row,)
        weights = (scores - highest[row]).exp()
        return weights / empty.scatter_add(0, row, weights)[row]


class SparseKernels:
    """Products of sparse matrices of public torch: one launch for all entries, which a GPU likes, and no atomics."""

    def dots(self, a: Tensor, b: Tensor, rows: Rows) -> Tensor:
        """Return a[row] · b[column] of each entry."""
        empty = _matrix(rows, a.new_zeros(len(rows.column)), len(b))
        return torch.sparse.sampled_addmm(empty, a, b.T, beta=0.0).values()

    def sums(self, b: Tensor, weights: Tensor, rows: Rows) -> Tensor:
        """Return the sum of weight x b[column] over the entries of each row, (row, channel)."""
        return _matrix(rows, weights, len(b)) @ b

    def softmax(self, scores: Tensor, rows: Rows) -> Tensor:
        """Return weights that add up to one over the entries of each row; overwrites the scores."""
        return BagKernels().softmax(scores, rows)


def _matrix(rows: Rows, values: Tensor, n_columns: int) -> Tensor:
    shape = (len(rows.start) - 1, n_columns)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Sparse CSR tensor support is in beta", UserWarning)
        return torch.sparse_csr_tensor(rows.start, rows.column, values, shape, check_invariants=False)


def candidates() -> tuple[Kernels, ...]:
    """Return all kernels that this torch has, the plainest first."""
    bags = (BagKernels(),) if hasattr(torch.ops.aten, DOTS) else ()
    return (ScatterKernels(), SparseKernels(), *bags)
