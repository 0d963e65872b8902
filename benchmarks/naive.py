"""The same models the plain way: what `benchmarks.gpu` holds ours against.

Attention writes its matrix of scores out, along a network with all other pairs masked; maps between genes and sets are
a layer per set; a map along edges is a dense matrix. Numbers have 32 bits and AdamW loops over tensors. Results are
those of our layers (tests/nn/test_plain_way.py), only the way there is longer.
"""

from __future__ import annotations

import math
from contextlib import contextmanager
from typing import TYPE_CHECKING
from unittest import mock

import torch

from genediff.nn.dit import SelfAttention
from genediff.nn.edge_linear import EdgeLinear
from genediff.nn.set_linear import SetDecoder, SetEncoder
from genediff.nn.sparse_attention import EdgeSelfAttention

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from genediff.nn.edge_lists import Graph


def attend(self: SelfAttention, x: Tensor, bias: Tensor | None = None) -> Tensor:
    q, k, v = self._heads(x)  # (cell, head, token, channel)
    scores = q @ k.transpose(2, 3) / math.sqrt(q.shape[3])  # (cell, head, token, token)
    mixed = (scores if bias is None else scores + bias).softmax(3) @ v
    return self.out(mixed.transpose(1, 2).flatten(2))


def attend_along_edges(self: EdgeSelfAttention, x: Tensor, graph: Graph | None = None) -> Tensor:
    q, k, v = (self._heads(part(x)).transpose(1, 2) for part in (self.query, self.key, self.value))
    n, heads = q.shape[2], q.shape[1]
    assert graph is None
    source, target = self.graph.edges
    mask = q.new_full((heads, n, n), -math.inf)  # (head, target, source)
    mask = mask.index_put((torch.arange(heads, device=q.device)[:, None], target, source), self.kind[self.graph.kind].T)
    mixed = (q @ k.transpose(2, 3) / math.sqrt(q.shape[3]) + mask).softmax(3) @ v
    return self.out(mixed.transpose(1, 2).flatten(2))


def along_edges(self: EdgeLinear, x: Tensor) -> Tensor:
    n = self.graph.n_tokens
    source, target = self.graph.edges
    matrix = x.new_zeros(n, n).index_put((target, source), self.weight)
    return x @ matrix.T


def to_sets(self: SetEncoder, x: Tensor) -> Tensor:
    rows = zip(self.members.gene.split(self.members.sizes), self.weight.split(self.members.sizes), strict=True)
    return torch.stack([x[:, genes] @ weight for genes, weight in rows], dim=1) + self.bias


def to_genes(self: SetDecoder, tokens: Tensor) -> Tensor:
    x = tokens.new_zeros(len(tokens), len(self.share))
    rows = zip(self.members.gene.split(self.members.sizes), self.weight.split(self.members.sizes), strict=True)
    for token, (genes, weight) in zip(tokens.unbind(1), rows, strict=True):
        x = x.index_add(1, genes, token @ weight.T)
    return x * self.share


PLAIN = {
    SelfAttention: attend,
    EdgeSelfAttention: attend_along_edges,
    EdgeLinear: along_edges,
    SetEncoder: to_sets,
    SetDecoder: to_genes,
}


def looping_adamw(*arguments: object, **settings: object) -> torch.optim.Optimizer:
    return ADAMW(*arguments, **{**settings, "fused": False, "foreach": False})  # type: ignore[arg-type]


ADAMW = torch.optim.AdamW


@contextmanager
def plain() -> Iterator[None]:
    """Do everything the plain way meanwhile; models and stages are to be made inside."""
    patches = [mock.patch.object(layer, "forward", forward) for layer, forward in PLAIN.items()]
    patches.append(mock.patch.object(torch.optim, "AdamW", looping_adamw))
    for patch in patches:
        patch.start()
    try:
        yield
    finally:
        for patch in patches:
            patch.stop()
