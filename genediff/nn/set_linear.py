"""Linear maps between genes and sets of genes: each set has weights for its own members and for nothing else.

A loop over sets makes thousands of small tensors, and its backward writes zeros for all that a set does not have. Here
the weights of all sets are one matrix with a row per member, and sets of one size that stand together are one batched
product. There are few sizes (233 among the 1,615 sets of Reactome), so nothing is padded.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class Members(nn.Module):
    """Which genes are in which set; fastest where the sets are sorted by size.

    A row is one gene in one set, set after set. ``gene`` is the gene of each row, ``order`` the rows sorted by gene,
    and ``start`` where the rows of each gene begin in that order, (gene + 1,).

    Parameters
    ----------
    sets
        Indices of the genes of each set, each (member,), none empty.
    n_genes
        The number of genes that indices point into.

    Raises
    ------
    ValueError
        For an empty set, an index beyond the genes or a gene twice in a set.
    """

    gene: Tensor
    order: Tensor
    start: Tensor

    def __init__(self, sets: Sequence[np.ndarray], n_genes: int) -> None:
        super().__init__()
        for i, genes in enumerate(sets):
            if len(genes) == 0 or len(np.unique(genes)) < len(genes):
                raise ValueError(f"set {i} is empty or holds a gene twice; give each set its genes once")
            if np.min(genes) < 0 or np.max(genes) >= n_genes:
                raise ValueError(f"set {i} points beyond the {n_genes} genes")
        self.sizes = tuple(len(genes) for genes in sets)
        self.n_genes = n_genes
        gene = np.concatenate([np.asarray(genes, dtype=np.int64) for genes in sets])
        count = np.bincount(gene, minlength=n_genes)
        self.register_buffer("gene", torch.from_numpy(gene), persistent=False)
        self.register_buffer("order", torch.from_numpy(np.argsort(gene, kind="stable")), persistent=False)
        self.register_buffer("start", torch.from_numpy(np.concatenate([[0], count.cumsum()])), persistent=False)

    @property
    def n_sets(self) -> int:
        """The number of sets."""
        return len(self.sizes)

    @property
    def n_rows(self) -> int:
        """The number of memberships: the sizes of all sets together."""
        return len(self.gene)

    def memberships(self) -> Tensor:
        """Return in how many sets each gene is, (gene,)."""
        return self.start.diff()

    def runs(self) -> Iterator[tuple[slice, slice, tuple[int, int]]]:
        """Yield sets of one size that stand together: their numbers, their rows, and (number of sets, size)."""
        first_set = first_row = 0
        for size, same in itertools.groupby(self.sizes):
            n = len(tuple(same))
            yield slice(first_set, first_set + n), slice(first_row, first_row + n * size), (n, size)
            first_set, first_row = first_set + n, first_row + n * size


class SetEncoder(nn.Module):
    """From genes to one token per set, by a linear map of the set's members."""

    def __init__(self, members: Members, n_channels: int) -> None:
        super().__init__()
        self.members = members
        sizes = torch.tensor(members.sizes)
        scale = sizes.repeat_interleave(sizes).rsqrt()[:, None]  # (row, 1)
        self.weight = nn.Parameter(torch.randn(members.n_rows, n_channels) * scale)
        self.bias = nn.Parameter(torch.zeros(members.n_sets, n_channels))

    def forward(self, x: Tensor) -> Tensor:
        """Map genes (cell, gene) to tokens (cell, set, channel)."""
        with torch.autocast(x.device.type, enabled=False):
            return _Encode.apply(x.to(self.weight.dtype), self.weight, self.bias, self.members)


class SetDecoder(nn.Module):
    """From one token per set to genes: each token speaks to its members only.

    A gene in n sets gets the sum of what they say divided by √n, so that at the start a gene in many sets varies as
    much as a gene in one; a gene in no set gets zero. There is no bias.
    """

    share: Tensor

    def __init__(self, members: Members, n_channels: int) -> None:
        super().__init__()
        self.members = members
        self.weight = nn.Parameter(torch.randn(members.n_rows, n_channels) * n_channels**-0.5)
        self.register_buffer("share", members.memberships().clamp(min=1).rsqrt(), persistent=False)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map tokens (cell, set, channel) to genes (cell, gene)."""
        with torch.autocast(tokens.device.type, enabled=False):
            return _Decode.apply(tokens.to(self.weight.dtype), self.weight, self.members) * self.share


class EachSet(nn.Module):
    """A linear map of its own for the token of each set."""

    def __init__(self, n_sets: int, n_in: int, n_out: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(n_sets, n_in, n_out) * n_in**-0.5)
        self.bias = nn.Parameter(torch.zeros(n_sets, n_out))

    def forward(self, tokens: Tensor) -> Tensor:
        """Map tokens (cell, set, channel) to tokens of other channels."""
        return torch.einsum("csi,sio->cso", tokens, self.weight) + self.bias


class _Encode(torch.autograd.Function):
    """Encoding and decoding are each other's gradient, so three products serve both."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, members: Members) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.members = members
        return _to_sets(x, weight, bias, members, by_set=True)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None, None]:
        (x, weight), grad = ctx.saved_tensors, grads[0]
        d_x = _to_genes(grad, weight, ctx.members) if ctx.needs_input_grad[0] else None
        d_weight, d_bias = _to_weights(x, grad, ctx.members, bias=ctx.needs_input_grad[2])
        return d_x, d_weight, d_bias, None


class _Decode(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, tokens: Tensor, weight: Tensor, members: Members) -> Tensor:
        ctx.save_for_backward(tokens, weight)
        ctx.members = members
        return _to_genes(tokens, weight, members)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        (tokens, weight), grad = ctx.saved_tensors, grads[0]
        # In the layout of the tokens, so that whoever adds it up need not copy it.
        by_set = tokens.transpose(0, 1).is_contiguous()
        d_tokens = _to_sets(grad, weight, None, ctx.members, by_set=by_set) if ctx.needs_input_grad[0] else None
        d_weight, _ = _to_weights(grad, tokens, ctx.members, bias=False)
        return d_tokens, d_weight, None


def _to_sets(x: Tensor, weight: Tensor, bias: Tensor | None, members: Members, *, by_set: bool) -> Tensor:
    """Return tokens[c, s] = Σ_{g in s} x[c, g] weight[s, g] + bias[s], (cell, set, channel).

    A product that writes cell by cell is not batched. With ``by_set`` memory holds set after set, and a view of it is
    returned; otherwise it holds cell after cell, which costs a copy.
    """
    by_gene, n_channels = x.t().contiguous(), weight.shape[1]  # (gene, cell)
    shape_of_all = (members.n_sets, len(x)) if by_set else (len(x), members.n_sets)
    memory = x.new_empty(*shape_of_all, n_channels)
    tokens = memory if by_set else memory.transpose(0, 1)  # (set, cell, channel)
    for sets, rows, shape in members.runs():
        seen = by_gene.index_select(0, members.gene[rows]).view(*shape, len(x)).transpose(1, 2)  # (set, cell, member)
        own = weight[rows].view(*shape, n_channels)  # (set, member, channel)
        out = tokens[sets] if by_set else None
        heard = torch.bmm(seen, own, out=out) if bias is None else torch.baddbmm(bias[sets, None], seen, own, out=out)
        if not by_set:
            tokens[sets].copy_(heard)
    return tokens.transpose(0, 1)


def _to_genes(tokens: Tensor, weight: Tensor, members: Members) -> Tensor:
    """Return x[c, g] = Σ_{s with g} tokens[c, s] · weight[s, g], (cell, gene)."""
    n_cells, _, n_channels = tokens.shape
    said = tokens.new_empty(members.n_rows, n_cells)  # (row, cell)
    for sets, rows, shape in members.runs():
        own = weight[rows].view(*shape, n_channels)  # (set, member, channel)
        torch.bmm(own, tokens[:, sets].permute(1, 2, 0), out=said[rows].view(*shape, n_cells))
    # Rows are summed gene by gene: no two threads write the same gene, and the order of the sum is always the same.
    bags = functional.embedding_bag(members.order, said, members.start, mode="sum", include_last_offset=True)
    return bags.t()


def _to_weights(x: Tensor, tokens: Tensor, members: Members, *, bias: bool) -> tuple[Tensor, Tensor | None]:
    """Return weight[s, g] = Σ_c x[c, g] tokens[c, s], (row, channel); with ``bias`` also Σ_c tokens[c, s]."""
    by_gene, n_channels = x.t().contiguous(), tokens.shape[2]  # (gene, cell)
    weight = x.new_empty(members.n_rows, n_channels)
    total = x.new_empty(members.n_sets, n_channels) if bias else None
    for sets, rows, shape in members.runs():
        seen = by_gene.index_select(0, members.gene[rows]).view(*shape, len(x))  # (set, member, cell)
        torch.bmm(seen, tokens[:, sets].transpose(0, 1), out=weight[rows].view(*shape, n_channels))
        if total is not None:  # here, where the tokens of these sets are still in the cache
            torch.sum(tokens[:, sets], 0, out=total[sets])
    return weight, total
