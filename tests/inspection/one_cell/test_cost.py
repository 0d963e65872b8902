"""Costs of attention against counts by hand."""

from __future__ import annotations

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from genediff.inspection.one_cell.cost import cost_of, pairs_attended
from genediff.models.config import ModelConfig
from genediff.models.denoiser import TokenBackbone
from genediff.tokenizers import TokenLayout

SIX = TokenLayout(tuple("abcdef"), 2)


def shape(**changes):
    return ModelConfig(**{"width": 32, "depth": 2, "heads": 2, **changes})


def test_every_token_attends_to_every_token_and_to_the_library():
    cost = cost_of(SIX, shape(), library=True)
    assert (cost.n_tokens, cost.pairs) == (7, 49)
    # A score and a weighted sum per pair, each a multiplication and an addition per number of the width, in 2 layers.
    assert cost.attention == 49 * 2 * 2 * 32 * 2
    assert cost_of(SIX, shape(), library=False).pairs == 36


def test_along_edges_as_many_pairs_attend_as_there_are_edges_and_tokens():
    edges = torch.tensor([[0, 0, 1], [1, 2, 2]])
    layout = TokenLayout(tuple("abcdef"), 2, edges=edges)
    cost = cost_of(layout, shape(), library=True)
    assert (cost.n_tokens, cost.pairs) == (6, 3 + 6)
    assert cost.attention == 9 * 4 * 32 * 2


def test_one_vector_has_nothing_to_attend_to():
    for layout, config in [(TokenLayout(("cell",), 12), shape()), (SIX, shape(backbone="mlp"))]:
        cost = cost_of(layout, config, library=True)
        assert (cost.n_tokens, cost.pairs, cost.attention) == (1, 0, 0)
    assert pairs_attended(SIX, 1, library=False) == 0


@pytest.mark.parametrize(
    ("layout", "changes"),
    [
        (SIX, {}),
        (SIX, {"backbone": "mlp"}),
        (TokenLayout(tuple("abcdef"), 2, joinable=True), {"patch": 3}),
        (TokenLayout(tuple("abcdef"), 2, edges=torch.tensor([[0, 3], [1, 2]])), {}),
    ],
    ids=["all to all", "flat", "patches", "edges"],
)
def test_products_are_those_that_torch_counts_when_the_network_runs(layout, changes):
    """An independent count: torch's own, of what the network really does. It has no name for attention along edges."""
    config = shape(**changes)
    network = TokenBackbone(layout, config, (), library=False)
    tokens, none, t = torch.randn(1, 6, 2), torch.zeros(1, 0), torch.rand(1)
    with FlopCounterMode(display=False) as counter:
        network(tokens, none, t, torch.zeros(1, 0, dtype=torch.long))
    counted = sum(n for op, n in counter.get_flop_counts()["Global"].items() if "attention" not in str(op))
    cost = cost_of(layout, config, library=False)
    assert cost.products == counted
    assert cost.n_parameters == sum(p.numel() for p in network.parameters())
