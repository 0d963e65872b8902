"""Linear maps between genes and sets of genes: each set has weights for its own members and for nothing else.

A loop over sets makes thousands of small tensors, and its backward writes zeros for all that a set does not have. Here
the weights of all sets are one matrix with a row per member, and sets of one size that stand together are one batched
product. There are few sizes (233 among the 1,615 sets of Reactome), so nothing is padded.
"""

from __future__ import annotations

import itertools
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Sequence


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

    @cached_property
    def runs(self) -> tuple[tuple[int, int], ...]:
        """Sets of one size that stand together: how many they are, and their size."""
        return tuple((len(tuple(same)), size) for size, same in itertools.groupby(self.sizes))

    def rows(self, values: Tensor) -> list[Tensor]:
        """Cut values of all rows, (row, …), into those of each run, (set, member, …)."""
        parts = values.split([n * size for n, size in self.runs])
        return [part.view(n, size, *values.shape[1:]) for part, (n, size) in zip(parts, self.runs, strict=True)]

    def sets(self, values: Tensor) -> tuple[Tensor, ...]:
        """Cut values of all sets, (set, …), into those of each run."""
        return values.split([n for n, _ in self.runs])

    def seen(self, x: Tensor) -> Tensor:
        """Return what each row sees of genes (cell, gene): (row, cell)."""
        return x.t().contiguous().index_select(0, self.gene)


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
        seen = members.seen(x)
        ctx.save_for_backward(seen, weight)
        ctx.members = members
        return _to_sets(seen, weight, bias, members, by_set=True)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None, None]:
        (seen, weight), grad = ctx.saved_tensors, grads[0]
        d_x = _to_genes(grad, weight, ctx.members) if ctx.needs_input_grad[0] else None
        d_weight, d_bias = _to_weights(seen, grad, ctx.members, bias=ctx.needs_input_grad[2])
        return d_x, d_weight, d_bias, None


class _Decode(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, tokens: Tensor, weight: Tensor, members: Members) -> Tensor:
        ctx.save_for_backward(tokens, weight)
        ctx.members = members
        return _to_genes(tokens, weight, members)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        (tokens, weight), seen = ctx.saved_tensors, ctx.members.seen(grads[0])
        # In the layout of the tokens, so that whoever adds it up need not copy it.
        by_set = tokens.transpose(0, 1).is_contiguous()
        d_tokens = _to_sets(seen, weight, None, ctx.members, by_set=by_set) if ctx.needs_input_grad[0] else None
        d_weight, _ = _to_weights(seen, tokens, ctx.members, bias=False)
        return d_tokens, d_weight, None


def _to_sets(seen: Tensor, weight: Tensor, bias: Tensor | None, members: Members, *, by_set: bool) -> Tensor:
    """Return tokens[c, s] = Σ_{g in s} x[c, g] weight[s, g] + bias[s], (cell, set, channel).

    A product that writes cell by cell is not batched. With ``by_set`` memory holds set after set, and a view of it is
    returned; otherwise it holds cell after cell, which costs a copy.
    """
    n_cells, n_channels = seen.shape[1], weight.shape[1]
    shape = (members.n_sets, n_cells) if by_set else (n_cells, members.n_sets)
    memory = seen.new_empty(*shape, n_channels)
    tokens = memory if by_set else memory.transpose(0, 1)  # (set, cell, channel)
    starts = [None] * len(members.runs) if bias is None else members.sets(bias[:, None])
    runs = zip(members.rows(seen), members.rows(weight), starts, members.sets(tokens), strict=True)
    for x, own, start, place in runs:
        out = place if by_set else None
        x = x.transpose(1, 2)  # (set, cell, member)
        heard = torch.bmm(x, own, out=out) if start is None else torch.baddbmm(start, x, own, out=out)
        if not by_set:
            place.copy_(heard)
    return tokens.transpose(0, 1)


def _to_genes(tokens: Tensor, weight: Tensor, members: Members) -> Tensor:
    """Return x[c, g] = Σ_{s with g} tokens[c, s] · weight[s, g], (cell, gene)."""
    said = tokens.new_empty(members.n_rows, len(tokens))  # (row, cell)
    runs = zip(members.rows(weight), members.sets(tokens.permute(1, 2, 0)), members.rows(said), strict=True)
    for own, spoken, place in runs:  # (set, member, channel), (set, channel, cell), (set, member, cell)
        torch.bmm(own, spoken, out=place)
    # Rows are summed gene by gene: no two threads write the same gene, and the order of the sum is always the same.
    bags = functional.embedding_bag(members.order, said, members.start, mode="sum", include_last_offset=True)
    return bags.t()


def _to_weights(seen: Tensor, tokens: Tensor, members: Members, *, bias: bool) -> tuple[Tensor, Tensor | None]:
    """Return weight[s, g] = Σ_c x[c, g] tokens[c, s], (row, channel); with ``bias`` also Σ_c tokens[c, s]."""
    n_channels = tokens.shape[2]
    weight = seen.new_empty(members.n_rows, n_channels)
    total = seen.new_empty(members.n_sets, n_channels) if bias else None
    totals = [None] * len(members.runs) if total is None else members.sets(total)
    by_set = members.sets(tokens.transpose(0, 1))  # (set, cell, channel) each
    for x, heard, place, sums in zip(members.rows(seen), by_set, members.rows(weight), totals, strict=True):
        torch.bmm(x, heard, out=place)
        if sums is not None:  # here, where the tokens of these sets are still in the cache
            torch.sum(heard, 1, out=sums)
    return weight, total
