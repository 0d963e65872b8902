"""The same layers on a network from which edges are cut: what a knocked-out gene no longer sends."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, TypeVar

from torch import nn

from genediff.nn.edge_linear import EdgeLinear
from genediff.nn.edge_lists import Graph

if TYPE_CHECKING:
    from collections.abc import Sequence

M = TypeVar("M", bound=nn.Module)


def without_edges_from(module: M, sources: Sequence[int]) -> M:
    """Return a twin that shares all weights and works without the edges that leave some tokens.

    It is what a module built on the network without these edges would be, with the same weights on the edges that are
    left. The module itself is left alone, so that others may use it meanwhile. Weights of edges are taken as they are
    now; all others stay shared, and a twin learns when they do.

    Parameters
    ----------
    module
        Any; one without a network comes back with nothing cut.
    sources
        Token numbers.
    """
    memo: dict[int, Any] = {id(one): one for one in (*module.parameters(), *module.buffers())}
    for part in module.modules():
        if isinstance(part, Graph):
            memo[id(part)] = part.without(sources)
    twin = copy.deepcopy(module, memo)
    for part, other in zip(_edge_layers(module), _edge_layers(twin), strict=True):
        del other.weight
        other.weight = part.weight[part.graph.kept_without(sources)].detach()  # type: ignore[assignment]
    return twin


def _edge_layers(module: nn.Module) -> list[EdgeLinear]:
    return [part for part in module.modules() if isinstance(part, EdgeLinear)]
